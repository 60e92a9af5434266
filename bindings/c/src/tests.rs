//! What can be seen without a C compiler: the header's codes, and errors on their way out.
#![expect(unsafe_code, reason = "the functions of the header are called as C calls them")]

use std::sync::Mutex;

use mesh_core::{
    App, CancelGuard, CancelToken, Canceller, Client, Context, Error, ErrorCode, Sink, Stream,
    Value,
};

use crate::entry::entry;
use crate::error::{self, mesh_error_code, mesh_error_message, mesh_last_error};
use crate::status::{self, MESH_ERR_APPLICATION, MESH_ERR_BUSY, MESH_ERR_INTERNAL, MESH_OK};
use crate::text::MeshText;

/// The text of a lent error.
fn message() -> String {
    // SAFETY: lent to this thread, and no failure comes between.
    unsafe { mesh_error_message(mesh_last_error()).read().unwrap().to_owned() }
}

#[test]
fn the_codes_of_the_header_are_those_of_the_wire() {
    let header = include_str!("../mesh.h");
    let told: Vec<(&str, u16)> = header
        .lines()
        .filter_map(|line| line.strip_prefix("#define MESH_ERR_")?.split_once(' '))
        .map(|(name, number)| (name, number.parse().unwrap()))
        .collect();
    let real: Vec<(String, u16)> =
        ErrorCode::ALL.iter().map(|code| (code.as_str().to_uppercase(), code.number())).collect();
    let real: Vec<(&str, u16)> = real.iter().map(|(name, n)| (name.as_str(), *n)).collect();
    assert_eq!(told, real);
}

#[test]
fn what_handles_lead_to_may_be_used_by_every_thread() {
    fn shared<T: Send + Sync>() {}
    shared::<(App, Client, Context, Sink, CancelToken, CancelGuard, Canceller, Value)>();
    shared::<Mutex<Option<Stream<Value>>>>();
}

#[test]
fn every_status_of_an_error_is_its_code() {
    for code in ErrorCode::ALL {
        assert_eq!(status::code(status::of(*code)), Some(*code));
    }
    for none in [MESH_OK, status::MESH_END, status::MESH_AGAIN, 70_000] {
        assert_eq!(status::code(none), None);
    }
}

#[test]
fn a_panic_ends_at_the_border() {
    assert_eq!(entry(|| panic!("not further than this")), MESH_ERR_INTERNAL);
    // SAFETY: lent to this thread.
    assert_eq!(unsafe { mesh_error_code(mesh_last_error()) }, MESH_ERR_INTERNAL);
    assert!(message().contains("panicked"));
}

#[test]
fn a_function_that_goes_well_leaves_the_last_error() {
    assert_eq!(entry(|| Err(Error::new(ErrorCode::Busy, "full"))), MESH_ERR_BUSY);
    assert_eq!(entry(|| Ok(())), MESH_OK);
    assert_eq!(message(), "full");
}

#[test]
fn a_callback_ends_with_its_own_error_and_not_with_one_of_before() {
    error::keep(Error::new(ErrorCode::Busy, "full").hint("Wait."));
    let told = error::of_callback(MESH_ERR_BUSY);
    assert_eq!((told.message(), told.next_step()), ("full", Some("Wait.")));
    assert_eq!(error::of_callback(1_042).code(), ErrorCode::Other(1_042));
    assert_eq!(status::of(error::of_callback(-7).code()), MESH_ERR_APPLICATION);
    error::forget();
    assert_ne!(error::of_callback(MESH_ERR_BUSY).message(), "full");
}

#[test]
fn a_given_text_ends_with_a_nul_that_does_not_count() {
    let text = MeshText::give("tea".to_owned());
    // SAFETY: it was just given, with one byte more than its length.
    let bytes = unsafe { std::slice::from_raw_parts(text.ptr.cast::<u8>(), text.len + 1) };
    assert_eq!(bytes, b"tea\0");
    // SAFETY: freed once.
    unsafe { crate::text::mesh_free_text(text) };
}
