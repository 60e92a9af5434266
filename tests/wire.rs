//! The protocol spoken by hand, byte by byte as `docs/protocol.md` pictures it, and spoken wrong.
//!
//! Nothing of the library is used to write or read frames here: these tests would fail if the
//! document and both ends of the library drifted together.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use mesh_core::{ErrorCode, Value};

use crate::support::platform::{OWN_FILES, Raw, is_end, open_files};
use crate::support::wait::SOON;
use crate::support::{Home, eventually, heavy, impostor};

const HELLO: u8 = 1;
const OPEN: u8 = 3;
const ITEM: u8 = 4;
const END: u8 = 5;
const CANCEL: u8 = 6;
const PING: u8 = 8;
const PONG: u8 = 9;
const UNKNOWN: u8 = 99;
const CRITICAL: u8 = 0x80;

/// What each side sends first: the name, the lowest and the highest version, two zeros.
const PREFACE: [u8; 8] = *b"MESH\x01\x01\0\0";

/// An empty map: a hello that says nothing of itself.
const NOTHING: &[u8] = &[0x80];

fn frame(kind: u8, flags: u8, id: u64, body: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(body.len()).unwrap().to_le_bytes().to_vec();
    bytes.extend([kind, flags, 0, 0]);
    bytes.extend(id.to_le_bytes());
    bytes.extend(body);
    bytes
}

/// `{"method": METHOD}`, then the positional arguments, then no named ones.
fn open(method: &str, arguments: &[u8]) -> Vec<u8> {
    let mut body = b"\x81\xa6method".to_vec();
    body.push(0xa0 | u8::try_from(method.len()).unwrap());
    body.extend(method.as_bytes());
    body.extend(arguments);
    body.push(0x80);
    body
}

fn connect(home: &Home) -> Raw {
    Raw::connect(home, "one")
}

fn greeted(home: &Home) -> Raw {
    let mut stream = connect(home);
    stream.write_all(&[&PREFACE[..], &frame(HELLO, 0, 0, NOTHING)].concat()).unwrap();
    let mut preface = [0; 8];
    stream.read_exact(&mut preface).unwrap();
    assert_eq!(&preface[..4], b"MESH");
    stream
}

/// The body of the next frame of this kind and exchange; frames of other kinds are passed over.
fn next(stream: &mut Raw, kind: u8, id: u64) -> Vec<u8> {
    loop {
        let mut header = [0; 16];
        stream.read_exact(&mut header).unwrap();
        let length = u32::from_le_bytes(header[..4].try_into().unwrap());
        let mut body = vec![0; length as usize];
        stream.read_exact(&mut body).unwrap();
        if header[4] == kind && header[8..] == id.to_le_bytes() {
            return body;
        }
    }
}

/// Reads until the app closes.
fn closed(stream: &mut Raw) {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => assert!(rest.len() < 4096, "{} bytes before the end", rest.len()),
        Err(error) => assert!(is_end(&error), "{error}"),
    }
}

#[test]
fn a_call_and_a_stream_by_hand() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let mut stream = greeted(&home);
    // [1, 2]
    stream.write_all(&frame(OPEN, 0, 1, &open("add", b"\x92\x01\x02"))).unwrap();
    assert_eq!(next(&mut stream, END, 1), [0x03]);
    stream.write_all(&frame(PING, 0, 0, b"any")).unwrap();
    assert_eq!(next(&mut stream, PONG, 0), b"any");

    // {"method": "count", "shape": "stream"}, [2], {}
    let mut body = b"\x82\xa6method\xa5count\xa5shape\xa6stream".to_vec();
    body.extend(b"\x91\x02\x80");
    stream.write_all(&frame(OPEN, 0, 3, &body)).unwrap();
    assert_eq!(next(&mut stream, ITEM, 3), [0x01]);
    assert_eq!(next(&mut stream, ITEM, 3), [0x02]);
    next(&mut stream, END, 3);
}

#[test]
fn a_call_rides_in_the_same_write_as_the_hello() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let mut stream = connect(&home);
    let add = frame(OPEN, 0, 1, &open("add", b"\x92\x01\x02"));
    let all = [&PREFACE[..], &frame(HELLO, 0, 0, NOTHING), &add].concat();
    stream.write_all(&all).unwrap();
    stream.read_exact(&mut [0; 8]).unwrap();
    assert_eq!(next(&mut stream, END, 1), [0x03]);
}

#[test]
fn a_peer_of_another_version_is_a_named_error_on_both_sides() {
    let home = Home::new();
    let app = home.app("one", &[]);
    let mut stream = connect(&home);
    stream.write_all(b"MESH\x07\x09\0\0").unwrap();
    let begun = Instant::now();
    closed(&mut stream);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(home.client().call::<u32>("one", "pid", ()).unwrap(), app.pid());

    impostor(&home, "later", b"MESH\x07\x09\0\0");
    let error = home.client().call::<Value>("later", "echo", (1,)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Version, "{error:?}");
    assert!(error.to_string().contains("7 to 9"), "{error:?}");
}

#[test]
fn unknown_frames_are_skipped_and_unknown_critical_ones_close() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let mut stream = greeted(&home);
    stream.write_all(&frame(UNKNOWN, 0, 0, b"of a later version")).unwrap();
    stream.write_all(&frame(OPEN, 0, 1, &open("add", b"\x92\x01\x02"))).unwrap();
    assert_eq!(next(&mut stream, END, 1), [0x03]);
    stream.write_all(&frame(UNKNOWN, CRITICAL, 0, b"")).unwrap();
    closed(&mut stream);
}

#[test]
fn what_breaks_the_rules_closes_that_connection_only() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let add = open("add", b"\x92\x01\x02");
    let wrong: [(&str, Vec<u8>); 5] = [
        ("a frame that declares 4 GiB", vec![0xff; 16]),
        ("an even id from the side that connects", frame(OPEN, 0, 2, &add)),
        (
            "the id of an exchange twice",
            [frame(OPEN, 0, 5, &add), frame(OPEN, 0, 5, &add)].concat(),
        ),
        ("a second hello", frame(HELLO, 0, 0, NOTHING)),
        ("a cancel of what was never opened", frame(CANCEL, 0, 9, b"")),
    ];
    let client = home.client();
    for (what, bytes) in wrong {
        let mut stream = greeted(&home);
        let _ = stream.write_all(&bytes);
        let mut rest = Vec::new();
        if let Err(error) = stream.read_to_end(&mut rest) {
            assert!(is_end(&error), "{what}: {error}");
        }
        assert_eq!(client.call::<i64>("one", "add", (1, 2)).unwrap(), 3, "after {what}");
    }
}

#[test]
fn an_open_that_is_no_open_ends_only_its_exchange() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let mut stream = greeted(&home);
    stream.write_all(&frame(OPEN, 0, 1, b"\xc1\xc1")).unwrap();
    next(&mut stream, END, 1);
    stream.write_all(&frame(OPEN, 0, 3, &open("add", b"\x92\x01\x02"))).unwrap();
    assert_eq!(next(&mut stream, END, 3), [0x03]);
}

#[test]
fn a_caller_may_vanish_between_any_two_bytes() {
    let _heavy = heavy();
    let home = Home::new();
    let app = home.app("one", &[]);
    let client = home.client();
    client.call::<bool>("one", "mesh.ping", ()).unwrap();
    let before = open_files(app.pid());
    // [60000]
    let block = frame(OPEN, 0, 1, &open("block", b"\x91\xcd\xea\x60"));
    let whole = [&PREFACE[..], &frame(HELLO, 0, 0, NOTHING), &block].concat();
    for cut in 0..whole.len() {
        connect(&home).write_all(&whole[..cut]).unwrap();
    }
    eventually(SOON, "all connections are closed", || {
        let open = open_files(app.pid());
        (home.connections("one") == 2 && open <= before + OWN_FILES).then_some(())
    });
    assert_eq!(home.counter("one", "blocked"), 0, "no handler ran for half a request");
    assert_eq!(client.call::<i64>("one", "add", (1, 2)).unwrap(), 3);
}
