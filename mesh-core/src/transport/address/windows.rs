//! Addresses on Windows: names of pipes, made of the user, the home and the app.
//!
//! The user's security identifier stands in the name as it is, the home as a hash of its path as
//! the system spells it: two users never have the same names, and neither have two homes.

use std::fmt;
use std::path::Path;

use crate::error::{Error, ErrorCode, Result};
use crate::name::AppName;
use crate::sys::home::Home;
use crate::sys::user;

/// Where an app listens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) struct Address {
    /// `\\.\pipe\mesh-<user>-<home>-<name>`
    pub(in crate::transport) pipe: String,
}

impl Address {
    /// How the file in the run directory ends that every name with a listener has. Names that had
    /// one have it too: it is the lock.
    pub(crate) const TRACE: &str = ".lock";

    /// The address of an app below a home. Asks the disk how the home is spelled.
    ///
    /// # Errors
    /// `internal` when the system does not tell who the user is.
    pub(crate) fn of(home: &Home, name: &AppName) -> Result<Self> {
        let user = user::own();
        if user.is_empty() {
            return Err(Error::new(
                ErrorCode::Internal,
                "the system does not tell who the user is",
            ));
        }
        // Case, short names and links are one path for the system. A home that is not there has
        // no apps, whatever its name would be.
        let spelled = std::fs::canonicalize(home.root());
        let hash = hash(spelled.as_deref().unwrap_or_else(|_| home.root()));
        Ok(Self { pipe: format!(r"\\.\pipe\mesh-{user}-{hash:032x}-{name}") })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pipe)
    }
}

/// FNV-1a of 128 bits over the path in WTF-8, fixed for ever: it is part of the address.
fn hash(path: &Path) -> u128 {
    let bytes = path.as_os_str().as_encoded_bytes();
    bytes.iter().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |sum, byte| {
        (sum ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_homes_differ_and_two_spellings_of_one_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let name = AppName::parse(&"n".repeat(63)).unwrap();
        let of = |path: &Path| Address::of(&Home::at(path), &name).unwrap();
        for home in ["a", "b"] {
            std::fs::create_dir(dir.path().join(home)).unwrap();
        }
        let (a, b) = (of(&dir.path().join("a")), of(&dir.path().join("b")));
        assert_ne!(a, b);
        assert_eq!(of(&dir.path().join(r"b\..\a")), a);
        assert!(a.pipe.len() <= 256, "{a}");
        assert!(a.pipe.contains(&*user::own()), "{a}");
    }

    #[test]
    fn the_hash_is_the_documented_one() {
        assert_eq!(hash(Path::new("")), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(hash(Path::new("a")), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
    }
}
