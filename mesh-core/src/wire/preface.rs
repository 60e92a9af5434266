//! The eight bytes that each side sends before its first frame: what this is, which versions.
//!
//! `MESH`, lowest version, highest version, two zero bytes. The agreed version is the lower of
//! the two highest ones, if both sides speak it.

use crate::error::{Error, ErrorCode, Result};
use crate::wire::{PROTOCOL_LOWEST, PROTOCOL_VERSION};

/// Bytes of a preface.
pub const PREFACE_LEN: usize = 8;

const MAGIC: [u8; 4] = *b"MESH";

/// What this library sends.
pub const OURS: [u8; PREFACE_LEN] =
    [MAGIC[0], MAGIC[1], MAGIC[2], MAGIC[3], PROTOCOL_LOWEST, PROTOCOL_VERSION, 0, 0];

/// The version that both sides speak.
///
/// # Errors
/// `protocol` when the peer speaks something else than mesh, `version` when the two have no
/// version in common.
pub fn agree(theirs: [u8; PREFACE_LEN]) -> Result<u8> {
    let [m0, m1, m2, m3, lowest, highest, ..] = theirs;
    if [m0, m1, m2, m3] != MAGIC {
        return Err(Error::new(ErrorCode::Protocol, "the peer does not speak mesh"));
    }
    let agreed = highest.min(PROTOCOL_VERSION);
    if agreed < lowest.max(PROTOCOL_LOWEST) {
        let text = format!(
            "the peer speaks protocol versions {lowest} to {highest}, \
             this side {PROTOCOL_LOWEST} to {PROTOCOL_VERSION}"
        );
        return Err(Error::new(ErrorCode::Version, text)
            .hint("Bring both apps to releases of mesh that share a version."));
    }
    Ok(agreed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speaks(lowest: u8, highest: u8) -> Result<u8> {
        agree([b'M', b'E', b'S', b'H', lowest, highest, 0, 0])
    }

    #[test]
    fn the_highest_common_version_is_agreed() {
        assert_eq!(speaks(1, 1).unwrap(), 1);
        assert_eq!(speaks(1, 9).unwrap(), 1);
    }

    #[test]
    fn no_common_version_names_both_ranges() {
        let error = speaks(2, 3).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Version);
        assert!(error.to_string().contains("2 to 3"), "{error}");
        assert!(speaks(0, 0).is_err());
    }

    #[test]
    fn another_protocol_is_told_by_its_first_bytes() {
        assert_eq!(agree(*b"GET / HT").unwrap_err().code(), ErrorCode::Protocol);
    }
}
