//! The hex blocks of `docs/protocol.md`: each says what the document says, and comes back as the
//! same bytes. The document is read, not copied, so the two cannot drift apart.

use std::collections::BTreeMap;

use super::args::Args;
use super::decode::Decoder;
use super::frame::{self, CONNECTION, ERROR, Frame, Kind};
use super::hello::Hello;
use super::manifest::Shape;
use super::open::{Head, Open};
use super::{arguments, codec, failure, preface};
use crate::error::{Error, ErrorCode};

const DOCUMENT: &str = include_str!("../../../docs/protocol.md");

/// The blocks that begin with "hex" and a name behind the fence.
fn blocks() -> BTreeMap<&'static str, Vec<u8>> {
    let mut blocks = BTreeMap::new();
    let mut lines = DOCUMENT.lines();
    while let Some(line) = lines.next() {
        let Some(name) = line.strip_prefix("```hex ") else { continue };
        let hex = lines.by_ref().take_while(|line| *line != "```");
        let bytes = hex
            .flat_map(str::split_whitespace)
            .map(|byte| u8::from_str_radix(byte, 16).unwrap())
            .collect();
        assert!(blocks.insert(name, bytes).is_none(), "{name} is there twice");
    }
    blocks
}

fn block(name: &str) -> Vec<u8> {
    blocks().remove(name).unwrap_or_else(|| panic!("no block {name}"))
}

/// The one frame of these bytes, which is of this kind and comes back unchanged.
fn the_frame(bytes: &[u8], kind: Kind, flags: u8, id: u64) -> Vec<u8> {
    let mut input = bytes;
    let Frame { header, body } = Decoder::new().decode(&mut input).unwrap().expect("a whole frame");
    assert!(input.is_empty(), "{} bytes are left", input.len());
    assert_eq!((header.kind, header.flags, header.id), (kind.number(), flags, id));
    let mut again = Vec::new();
    frame::write(&mut again, kind, flags, id, &body);
    assert_eq!(again, bytes);
    body
}

fn reads_as_open(name: &str, id: u64, head: &Head, args: &Args) {
    let body = the_frame(&block(name), Kind::Open, 0, id);
    let open = Open::decode(&body).unwrap();
    assert_eq!(&open.head, head);
    assert_eq!(open.args, arguments::encode(args).unwrap());
    assert_eq!(open.encode().unwrap(), body);
}

#[test]
fn the_documented_hello_introduces_the_calculator() {
    let bytes = block("preface-and-hello");
    let (first, rest) = bytes.split_first_chunk().unwrap();
    assert_eq!(*first, preface::OURS);
    assert_eq!(preface::agree(*first).unwrap(), 1);
    let body = the_frame(rest, Kind::Hello, 0, CONNECTION);
    let hello = codec::decode::<Hello>(&body).unwrap();
    let told = Hello {
        name: Some("calculator".to_owned()),
        pid: 4_242,
        version: None,
        software: "mesh-core 0.1.0".to_owned(),
        message_max: Some(16 << 20),
        session: 0x0123_4567_89ab_cdef,
        ready: true,
        ready_timeout_ms: None,
        stop_grace_ms: None,
    };
    assert_eq!(hello, told);
    assert_eq!(codec::encode(&told).unwrap(), body);
}

#[test]
fn the_documented_opens_call_add_and_stream_scan() {
    let add = Head { method: "add".to_owned(), timeout_ms: Some(5_000), ..Head::default() };
    reads_as_open("open-add", 1, &add, &Args::new().with(2).with(3));
    let scan = Head {
        method: "scan".to_owned(),
        shape: Shape::Stream,
        timeout_ms: None,
        path: vec!["launcher".to_owned()],
    };
    reads_as_open("open-scan", 3, &scan, &Args::new().with("/usr").with_named("depth", 2));
}

#[test]
fn the_documented_answers_carry_their_values() {
    let item = the_frame(&block("item"), Kind::Item, 0, 3);
    assert_eq!(codec::decode::<String>(&item).unwrap(), "/usr/bin");
    assert_eq!(codec::encode("/usr/bin").unwrap(), item);
    let end = the_frame(&block("end-value"), Kind::End, 0, 1);
    assert_eq!(codec::decode::<i64>(&end).unwrap(), 5);
    assert_eq!(codec::encode(&5).unwrap(), end);
    assert!(the_frame(&block("end-stream"), Kind::End, 0, 3).is_empty());
}

#[test]
fn the_documented_failures_say_what_happened() {
    let body = the_frame(&block("end-error"), Kind::End, ERROR, 3);
    let error = failure::decode(&body);
    assert_eq!(error.code(), ErrorCode::Application);
    assert_eq!(error.message(), "no such folder");
    assert_eq!(error.next_step(), Some("Name a folder."));
    assert_eq!(failure::encode(&error), body);

    let body = the_frame(&block("goaway"), Kind::GoAway, 0, CONNECTION);
    let (last, rest) = body.split_first_chunk().unwrap();
    assert_eq!(u64::from_le_bytes(*last), 5);
    let told = Error::new(ErrorCode::ShuttingDown, "calculator is stopping");
    assert_eq!(failure::decode(rest).code(), told.code());
    assert_eq!(failure::encode(&told), rest);
}

#[test]
fn the_documented_control_frames_are_these() {
    assert!(the_frame(&block("cancel"), Kind::Cancel, 0, 3).is_empty());
    let credit = the_frame(&block("credit"), Kind::Credit, 0, 3);
    assert_eq!(u64::from_le_bytes(credit.try_into().unwrap()), 128 << 10);
    assert_eq!(the_frame(&block("ping"), Kind::Ping, 0, CONNECTION), 7u64.to_le_bytes());
}

#[test]
fn every_documented_block_is_looked_at() {
    let looked_at = [
        "cancel",
        "credit",
        "end-error",
        "end-stream",
        "end-value",
        "goaway",
        "item",
        "open-add",
        "open-scan",
        "ping",
        "preface-and-hello",
    ];
    assert_eq!(blocks().into_keys().collect::<Vec<_>>(), looked_at);
}
