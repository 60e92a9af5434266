//! Volumes as the kernel lists them: file system type, source, root and mount point. Device
//! numbers are not in the text: they change with every boot.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

const MOUNTS: &str = "/proc/self/mountinfo";

/// The volume that holds `path`, if the system tells.
pub(crate) fn of(path: &Path) -> Option<String> {
    let path = std::fs::canonicalize(path).ok()?;
    holding(&path, &mounts()?)
}

/// Whether a volume that [`of`] named is known to be mounted.
pub(crate) fn is_present(volume: &str) -> bool {
    mounts().is_some_and(|mounts| is_listed(volume, &mounts))
}

fn is_listed(volume: &str, mounts: &str) -> bool {
    mounts.lines().filter_map(Mount::parse).any(|mount| mount.id == volume)
}

/// The kernel's list. One mount point that is not UTF-8 must not hide the others.
fn mounts() -> Option<String> {
    Some(lossy(&std::fs::read(MOUNTS).ok()?))
}

fn lossy(list: &[u8]) -> String {
    String::from_utf8_lossy(list).into_owned()
}

struct Mount {
    point: PathBuf,
    id: String,
}

impl Mount {
    /// `36 35 98:0 /root /mount/point options [tags] - type source options`
    fn parse(line: &str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let (root, point) = (left.next()?, left.next()?);
        let mut right = right.split(' ');
        let (kind, source) = (right.next()?, right.next()?);
        Some(Self { point: unescaped(point), id: format!("{kind} {source} {root} {point}") })
    }
}

/// The deepest mount on the way to `path`; among mounts on one point the last, which hides others.
fn holding(path: &Path, mounts: &str) -> Option<String> {
    mounts
        .lines()
        .filter_map(Mount::parse)
        .filter(|mount| path.starts_with(&mount.point))
        .max_by_key(|mount| mount.point.components().count())
        .map(|mount| mount.id)
}

/// The kernel writes space, tab, newline and backslash as three octal digits.
fn unescaped(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let octal = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if *first == b'\\' => {
                bytes.push(byte);
                rest = &after[3..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 27 8:1 / /media/My\\040Disk rw - vfat /dev/sda1 rw
31 27 8:2 /sub /media rw - btrfs /dev/sdb rw";

    #[test]
    fn the_deepest_mount_holds_a_path() {
        let volume = |path: &str| holding(Path::new(path), LIST).unwrap();
        assert_eq!(volume("/usr/bin/x"), "ext4 /dev/vda / /");
        assert_eq!(volume("/media/x"), "btrfs /dev/sdb /sub /media");
        assert_eq!(volume("/media/My Disk/x"), "vfat /dev/sda1 / /media/My\\040Disk");
        assert_eq!(volume("/mediax"), "ext4 /dev/vda / /");
    }

    #[test]
    fn a_mount_point_that_is_not_text_hides_no_other() {
        let list = [b"9 27 8:3 / /media/\xff rw - vfat /dev/sdc rw\n", LIST.as_bytes()].concat();
        assert!(is_listed("btrfs /dev/sdb /sub /media", &lossy(&list)));
        assert!(!is_listed("btrfs /dev/sdb / /media", &lossy(&list)));
    }

    #[test]
    fn the_volume_of_a_real_file_is_present() {
        let volume = of(&std::env::current_exe().unwrap()).unwrap();
        assert!(is_present(&volume), "{volume}");
        assert!(!is_present("vfat /dev/none / /nowhere"));
    }
}
