//! A listener at an app's address that is no app: it says the same words to whoever connects, and
//! nothing more.

use std::io::Write;
use std::thread;

use super::home::Home;
use super::platform::listen;

/// Connections that are held open; a test makes a few.
const HELD: usize = 64;

/// Listens in the app's place until the test process ends.
pub(crate) fn impostor(home: &Home, name: &str, words: &'static [u8]) {
    let callers = listen(home, name);
    let serve = move || {
        let mut held = Vec::new();
        for mut stream in callers.take(HELD) {
            let _ = stream.write_all(words);
            held.push(stream);
        }
    };
    thread::Builder::new().name("impostor".into()).spawn(serve).expect("a thread starts");
}
