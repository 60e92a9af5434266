//! Volumes as the kernel lists them: file system type, mount point, and the volume's UUID or, for
//! one without, where it comes from. Disk numbers are not in the text: they change with every boot
//! and every plug.
#![expect(unsafe_code, reason = "the list of mounts and the UUID are written through pointers")]

use std::ffi::{CString, c_char, c_int, c_void};
use std::path::Path;

/// Mounts that may come between asking for their number and asking for them.
const SPARE: usize = 8;

/// The volume that holds `path`, if the system tells.
pub(crate) fn of(path: &Path) -> Option<String> {
    Some(Mount::from(&rustix::fs::statfs(path).ok()?).id())
}

/// Whether a volume that [`of`] named is known to be mounted. Only what is mounted where the
/// volume was is asked for its UUID, because one on the network may not answer.
pub(crate) fn is_present(volume: &str) -> bool {
    let mounts = mounts().unwrap_or_default();
    let there = |mount: &Mount| volume.starts_with(&mount.place());
    mounts.iter().map(Mount::from).any(|mount| there(&mount) && mount.id() == volume)
}

/// The kernel's list, from its memory: no file system is asked.
fn mounts() -> Option<Vec<libc::statfs>> {
    // SAFETY: without a buffer the kernel only counts.
    let count = unsafe { libc::getfsstat(std::ptr::null_mut(), 0, libc::MNT_NOWAIT) };
    let room = usize::try_from(count).ok()? + SPARE;
    let mut mounts = Vec::<libc::statfs>::with_capacity(room);
    let bytes = c_int::try_from(room * size_of::<libc::statfs>()).ok()?;
    // SAFETY: the buffer is as long as is said.
    let count = unsafe { libc::getfsstat(mounts.as_mut_ptr(), bytes, libc::MNT_NOWAIT) };
    // SAFETY: the kernel has filled so many, and no more than there is room for.
    unsafe { mounts.set_len(usize::try_from(count).ok()?.min(room)) };
    Some(mounts)
}

struct Mount {
    kind: String,
    source: String,
    point: String,
}

impl Mount {
    /// How every text of a volume begins that is mounted here.
    fn place(&self) -> String {
        format!("{} {} ", self.kind, self.point)
    }

    fn id(&self) -> String {
        let source = if self.source.starts_with("/dev/") { "-" } else { &self.source };
        self.place() + uuid(&self.point).as_deref().unwrap_or(source)
    }
}

impl From<&libc::statfs> for Mount {
    fn from(about: &libc::statfs) -> Self {
        Self {
            kind: text(&about.f_fstypename),
            source: text(&about.f_mntfromname),
            point: text(&about.f_mntonname),
        }
    }
}

fn text(chars: &[c_char]) -> String {
    let bytes = chars.iter().map(|char| char.cast_unsigned()).take_while(|byte| *byte != 0);
    String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned()
}

/// The UUID of the volume that is mounted here.
fn uuid(point: &str) -> Option<String> {
    /// What the kernel writes: how long it is, then the attribute.
    #[repr(C)]
    struct Answer {
        length: u32,
        uuid: [u8; 16],
    }
    let point = CString::new(point).ok()?;
    let mut wanted = libc::attrlist {
        bitmapcount: libc::ATTR_BIT_MAP_COUNT,
        reserved: 0,
        commonattr: 0,
        volattr: libc::ATTR_VOL_INFO | libc::ATTR_VOL_UUID,
        dirattr: 0,
        fileattr: 0,
        forkattr: 0,
    };
    let mut answer = Answer { length: 0, uuid: [0; 16] };
    // SAFETY: the path ends with a zero, and the answer is as long as is said; any bytes make one.
    let failed = unsafe {
        libc::getattrlist(
            point.as_ptr(),
            (&raw mut wanted).cast::<c_void>(),
            (&raw mut answer).cast::<c_void>(),
            size_of::<Answer>(),
            0,
        )
    };
    let is_whole = usize::try_from(answer.length) == Ok(size_of::<Answer>());
    (failed == 0 && is_whole && answer.uuid != [0; 16])
        .then(|| uuid::Uuid::from_bytes(answer.uuid).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_volume_of_a_path_is_present_and_another_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let volume = of(dir.path()).unwrap();
        assert!(is_present(&volume), "{volume}");
        assert!(!is_present(&format!("{volume}0")));
        assert!(!is_present("apfs /Volumes/none 0"));
        assert_eq!(of(&dir.path().join("missing")), None);
    }
}
