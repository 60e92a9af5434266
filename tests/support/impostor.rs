//! A listener at an app's address that is no app: it says the same words to whoever connects, and
//! nothing more.

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::thread;

use super::account::mode;
use super::home::{Home, app_name};

/// Connections that are held open; a test makes a few.
const HELD: usize = 64;

/// Listens in the app's place until the test process ends.
pub(crate) fn impostor(home: &Home, name: &str, words: &'static [u8]) {
    let run = home.core().run_dir();
    fs::create_dir_all(&run).expect("a folder for sockets");
    mode(&run, 0o700);
    let path = home.core().socket_path(&app_name(name));
    let listener = UnixListener::bind(&path).expect("a free address");
    mode(&path, 0o600);
    let serve = move || {
        let mut held = Vec::new();
        for mut stream in listener.incoming().flatten().take(HELD) {
            let _ = stream.write_all(words);
            held.push(stream);
        }
    };
    thread::Builder::new().name("impostor".into()).spawn(serve).expect("a thread starts");
}
