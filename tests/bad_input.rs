//! Bytes from nowhere, paths that are too long, disks that are full: a named error, nothing lost,
//! and everybody else is served.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use mesh_core::{ErrorCode, Value};

use crate::support::platform::{OWN_FILES, Raw, is_end, open_files};
use crate::support::wait::SOON;
use crate::support::{Home, Proc, eventually, impostor};

#[test]
fn bytes_that_are_no_frames_end_only_their_own_connection() {
    let home = Home::new();
    let app = home.app("one", &[]);
    let client = home.client();
    client.call::<i64>("one", "add", (1, 2)).unwrap();
    let open = || open_files(app.pid());
    let before = open();
    let web = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec();
    for bytes in [vec![0; 4096], vec![0xff; 4096], web, b"\x7fELF".to_vec(), vec![0x80; 65_536]] {
        let mut raw = Raw::connect(&home, "one");
        // The app may close before it has taken all.
        let _ = raw.write_all(&bytes);
        raw.finish();
        let mut answer = Vec::new();
        match raw.read_to_end(&mut answer) {
            Ok(_) => {}
            Err(error) => assert!(is_end(&error), "{error}"),
        }
        assert!(answer.len() < 4096, "an answer of {} bytes", answer.len());
        assert_eq!(client.call::<i64>("one", "add", (1, 2)).unwrap(), 3);
    }
    eventually(SOON, "the connections are closed", || {
        (home.connections("one") == 2 && open() <= before + OWN_FILES).then_some(())
    });
}

#[test]
fn connections_that_say_nothing_starve_nobody() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let silent: Vec<Raw> = (0..128).map(|_| Raw::connect(&home, "one")).collect();
    let begun = Instant::now();
    assert_eq!(home.client().call::<i64>("one", "add", (1, 2)).unwrap(), 3);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    drop(silent);
}

#[test]
fn a_peer_that_speaks_something_else_is_a_named_error() {
    let home = Home::new();
    impostor(&home, "one", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    let begun = Instant::now();
    let error = home.client().call::<Value>("one", "echo", (1,)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Protocol, "{error:?}");
    assert!(error.to_string().contains("one"), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn a_home_with_a_path_too_long_for_a_socket_works() {
    let home = Home::named(&"h".repeat(200));
    let name = "n".repeat(63);
    home.registered(&name, &[]);
    home.mesh(&["call", &name, "add", "1", "2"]).exits(0).prints("3\n");
    let second = Proc::spawn(&mut home.app_command(&name, &[])).wait();
    second.exits(0).says("already running");
    home.mesh(&["stop", &name]).exits(0);
}

#[test]
fn an_oversized_value_is_a_named_error_of_the_command() {
    let home = Home::new();
    let _app = home.app("one", &[]);
    let call = home.mesh(&["call", "one", "big", "20971520"]).prints("");
    assert!(call.code != 0 && call.stderr.contains("16 MiB"), "{call}");
    let call = home.mesh(&["call", "one", "not_encodable"]).exits(1).prints("");
    assert!(call.stderr.contains("64 bits"), "{call}");
    home.mesh(&["call", "one", "add", "1", "2"]).exits(0);
}

#[test]
#[cfg(target_os = "linux")] // linux-only: a small file system is mounted in a namespace
fn a_full_disk_is_told_and_loses_nothing() {
    use crate::support::{not_here, platform::is_root, program};
    let home = Home::new();
    let script = r#"
        mount -t tmpfs -o size=64k,mode=700 tmpfs "$MESH_HOME" || exit 99
        set -e
        "$1" registry add one -- /bin/true
        cp "$2" "$3"
        dd if=/dev/zero of="$MESH_HOME/fill" bs=1k 2>/dev/null || true
        set +e
        "$1" registry add two -- /bin/true && exit 98
        cmp "$2" "$3" || exit 97
        "$1" registry show one >/dev/null || exit 96
        rm "$MESH_HOME/fill"
        "$1" registry add two -- /bin/true || exit 95
    "#;
    let mut shell = home.command("unshare");
    shell.args([if is_root() { "-m" } else { "-rm" }, "sh", "-c", script, "sh"]);
    shell.args([program("mesh"), home.registry_file(), home.beside("before")]);
    let output = Proc::spawn(&mut shell).wait();
    let kept_out = output.stderr.contains("unshare") || output.stderr.contains("mount");
    if matches!(output.code, 1 | 99) && kept_out {
        return not_here("a_full_disk_is_told_and_loses_nothing", "no file system may be mounted");
    }
    output.exits(0).says(home.registry_file().to_str().unwrap());
}
