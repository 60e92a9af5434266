//! Owners and access lists of files, as Windows keeps them.
//!
//! The bytes of a security descriptor are read into [`Access`], a plain list, so that every rule
//! about it is a pure function. Only what is granted is listed: an entry that denies can make a
//! list stricter, never weaker, and a rule that does not know it errs on the safe side.

#![expect(unsafe_code, reason = "std knows no security descriptors")]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle};
use std::path::Path;
use std::ptr;

use windows_sys::Win32::Foundation::{ERROR_INSUFFICIENT_BUFFER, INVALID_HANDLE_VALUE, LocalFree};
use windows_sys::Win32::Security::Authorization::{
    ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, GetKernelObjectSecurity, OWNER_SECURITY_INFORMATION,
    PROTECTED_DACL_SECURITY_INFORMATION, SECURITY_ATTRIBUTES, SetKernelObjectSecurity,
};
use windows_sys::Win32::Storage::FileSystem::{
    CreateDirectoryW, DELETE, FILE_ALL_ACCESS, FILE_FLAG_BACKUP_SEMANTICS,
    FILE_FLAG_OPEN_REPARSE_POINT, FILE_GENERIC_EXECUTE, FILE_GENERIC_READ, FILE_GENERIC_WRITE,
    FILE_READ_ATTRIBUTES, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE, READ_CONTROL,
    ReOpenFile, WRITE_DAC, WRITE_OWNER,
};

use super::file::wide;
use super::user;
use super::win32::code;

/// To delete or rename the thing itself.
pub(crate) const REMOVE: u32 = DELETE;
/// To change who may do what with it.
pub(crate) const CONTROL: u32 = WRITE_DAC | WRITE_OWNER;
/// In a file to write, in a directory to add a file.
pub(crate) const WRITE: u32 = 0x2;
/// In a file to append, in a directory to add another one.
pub(crate) const EXTEND: u32 = 0x4;
/// In a directory to delete what is in it.
pub(crate) const REMOVE_CHILD: u32 = 0x40;

const SHARE_ALL: u32 = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
/// More than any descriptor has: a list is at most 64 KiB long.
const BYTES_MAX: u32 = 0x2_0000;

/// The accounts of the system: `SYSTEM`, `Administrators` and `TrustedInstaller`. What one of them
/// can do to a file needs no grant.
const SYSTEM: [&str; 3] =
    ["S-1-5-18", "S-1-5-32-544", "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"];
/// `CREATOR OWNER` and `OWNER RIGHTS`: the owner, who is looked at by itself.
const OWNERS: [&str; 2] = ["S-1-3-0", "S-1-3-4"];

/// Who may do what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    /// Whose it is; empty if nobody's.
    pub(crate) owner: String,
    /// There is no list at all, and everybody may do everything.
    pub(crate) is_open: bool,
    /// What the list grants.
    pub(crate) grants: Vec<Grant>,
}

/// One entry of a list that grants something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// To whom.
    pub(crate) trustee: String,
    /// What, in the bits of files; the generic bits are spelled out.
    pub(crate) rights: u32,
    /// Whether it counts here, and not only for what will be made inside.
    pub(crate) here: bool,
}

impl Access {
    /// That of an open file, directory or pipe.
    pub(crate) fn of(handle: &impl AsRawHandle) -> io::Result<Self> {
        Self::parse(Descriptor::of(handle)?.bytes())
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    }

    /// From a self-relative security descriptor.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        const LIST_PRESENT: u16 = 0x4;
        let control = u16_at(bytes, 2)?;
        let owner = match u32_at(bytes, 4)? {
            0 => String::new(),
            at => user::sid_text(bytes.get(usize::try_from(at).ok()?..)?)?,
        };
        let list = usize::try_from(u32_at(bytes, 16)?).ok()?;
        if control & LIST_PRESENT == 0 || list == 0 {
            return Some(Self { owner, is_open: true, grants: Vec::new() });
        }
        let list = bytes.get(list..)?;
        let mut rest = list.get(8..usize::from(u16_at(list, 2)?))?;
        let mut grants = Vec::new();
        for _ in 0..u16_at(list, 4)? {
            let entry = rest.get(..usize::from(u16_at(rest, 2)?))?;
            grants.extend(Grant::parse(entry)?);
            rest = rest.get(entry.len().max(4)..)?;
        }
        Some(Self { owner, is_open: false, grants })
    }

    /// Whether the owner is `own` or an account of the system.
    pub(crate) fn is_owned_by(&self, own: &str) -> bool {
        !self.owner.is_empty() && (self.owner == own || SYSTEM.contains(&&*self.owner))
    }

    /// Whom but `own` and the system's accounts one of these rights is granted here.
    pub(crate) fn strangers(&self, own: &str, rights: u32) -> Vec<&str> {
        self.others(own, |grant| grant.here && grant.rights & rights != 0)
    }

    /// Whom but `own` and the system's accounts anything is granted, here or for what will be
    /// made inside.
    pub(crate) fn guests(&self, own: &str) -> Vec<&str> {
        self.others(own, |grant| grant.rights != 0)
    }

    fn others(&self, own: &str, counts: impl Fn(&Grant) -> bool) -> Vec<&str> {
        let is_known = |who: &str| who == own || SYSTEM.contains(&who) || OWNERS.contains(&who);
        let mut found = Vec::new();
        for grant in self.grants.iter().filter(|grant| counts(grant)) {
            let who = &*grant.trustee;
            if !is_known(who) && !found.contains(&who) {
                found.push(who);
            }
        }
        found
    }
}

impl Grant {
    /// From an entry of a list; `Some(None)` when it grants nothing.
    fn parse(entry: &[u8]) -> Option<Option<Self>> {
        const ONLY_INHERITED: u8 = 0x8;
        let here = entry.get(1)? & ONLY_INHERITED == 0;
        let grant = |trustee, rights| Some(Some(Self { trustee, rights, here }));
        match entry.first()? {
            // Allowed, plainly or under a condition.
            0 | 9 => grant(user::sid_text(entry.get(8..)?)?, spelled_out(u32_at(entry, 4)?)),
            // Denied, in each form.
            1 | 6 | 10 | 12 => Some(None),
            // No form that a file system makes.
            kind => grant(format!("an entry of kind {kind}"), FILE_ALL_ACCESS),
        }
    }
}

/// The rights with the generic ones as those that files have.
fn spelled_out(rights: u32) -> u32 {
    let generic = [
        (0x1000_0000, FILE_ALL_ACCESS),
        (0x2000_0000, FILE_GENERIC_EXECUTE),
        (0x4000_0000, FILE_GENERIC_WRITE),
        (0x8000_0000, FILE_GENERIC_READ),
    ];
    generic.iter().filter(|(bit, _)| rights & bit != 0).fold(rights, |sum, (_, all)| sum | all)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A security identifier for a message, with the name of a well-known group.
pub(crate) fn named(who: &str) -> String {
    let name = match who {
        "S-1-1-0" => "Everyone",
        "S-1-5-4" => "INTERACTIVE",
        "S-1-5-11" => "Authenticated Users",
        "S-1-5-18" => "SYSTEM",
        "S-1-5-32-544" => "Administrators",
        "S-1-5-32-545" => "Users",
        "S-1-5-32-546" => "Guests",
        "S-1-5-32-547" => "Power Users",
        "S-1-15-2-1" => "ALL APPLICATION PACKAGES",
        _ => return who.to_owned(),
    };
    format!("{name} ({who})")
}

/// Nothing is inherited: a protected list. It does not deny `NETWORK`: a session by SSH has that
/// identity, and the user would be locked out of their own apps.
fn exclusive_to(user: &str) -> String {
    format!("O:{user}D:P(A;;GA;;;{user})")
}

/// A self-relative security descriptor. Words, because the system wants it aligned.
#[derive(Debug)]
pub(crate) struct Descriptor {
    words: Vec<u64>,
    size: usize,
}

impl Descriptor {
    /// What the user alone has, with the system's accounts; handed on to what is made inside.
    pub(crate) fn private() -> io::Result<Self> {
        let own = user::own();
        Self::from_text(&format!("O:{own}D:P(A;OICI;FA;;;{own})(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"))
    }

    /// From a text in the system's language for descriptors.
    pub(crate) fn from_text(text: &str) -> io::Result<Self> {
        let text: Vec<u16> = text.encode_utf16().chain([0]).collect();
        let (mut made, mut size) = (ptr::null_mut(), 0);
        // SAFETY: the text ends with a zero, the two places are writable.
        let done = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &raw mut made,
                &raw mut size,
            )
        };
        if done == 0 {
            return Err(io::Error::last_os_error());
        }
        let mut own = Self::with_size(size);
        // SAFETY: `made` has `size` bytes and so has the vector; the system's copy is freed once
        // and not used again.
        unsafe {
            ptr::copy_nonoverlapping(made.cast::<u8>(), own.words.as_mut_ptr().cast(), own.size);
            LocalFree(made);
        }
        Ok(own)
    }

    /// What this user alone may do anything with, for what lives no longer than a process. Not even
    /// the system's accounts get anything.
    pub(crate) fn exclusive() -> io::Result<Self> {
        Self::from_text(&exclusive_to(&user::own()))
    }

    /// What a call that makes something wants; the descriptor must outlive the call.
    pub(crate) fn attributes(&self) -> SECURITY_ATTRIBUTES {
        SECURITY_ATTRIBUTES {
            nLength: u32::try_from(size_of::<SECURITY_ATTRIBUTES>()).unwrap_or(0),
            lpSecurityDescriptor: self.words.as_ptr().cast_mut().cast(),
            bInheritHandle: 0,
        }
    }

    /// Owner and list of something open.
    fn of(handle: &impl AsRawHandle) -> io::Result<Self> {
        let mut size = 512;
        loop {
            let mut own = Self::with_size(size);
            let mut needed = 0;
            // SAFETY: the handle is open and the vector writable for `size` bytes.
            let done = unsafe {
                GetKernelObjectSecurity(
                    handle.as_raw_handle(),
                    OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION,
                    own.words.as_mut_ptr().cast(),
                    size,
                    &raw mut needed,
                )
            };
            if done != 0 {
                return Ok(own);
            }
            let error = io::Error::last_os_error();
            let too_small = code(&error) == ERROR_INSUFFICIENT_BUFFER;
            if !too_small || needed <= size || needed > BYTES_MAX {
                return Err(error);
            }
            size = needed;
        }
    }

    fn with_size(size: u32) -> Self {
        let size = usize::try_from(size).unwrap_or(0);
        Self { words: vec![0; size.div_ceil(8)], size }
    }

    /// The bytes of it.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the vector has at least `size` bytes, all written.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast(), self.size) }
    }

    /// Makes a directory that has it from the start.
    pub(crate) fn create_directory(&self, path: &Path) -> io::Result<()> {
        let path = wide(path)?;
        let attributes = self.attributes();
        // SAFETY: the path ends with a zero; the descriptor is whole and is only read.
        match unsafe { CreateDirectoryW(path.as_ptr(), &raw const attributes) } {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }

    /// Gives the list to an open file or directory; nothing is inherited from above any more.
    pub(crate) fn apply(&self, file: &File) -> io::Result<()> {
        // SAFETY: the file is open; the result is looked at before it is owned.
        let writable = unsafe {
            let handle = ReOpenFile(
                file.as_raw_handle(),
                READ_CONTROL | WRITE_DAC,
                SHARE_ALL,
                FILE_FLAG_BACKUP_SEMANTICS,
            );
            if handle == INVALID_HANDLE_VALUE {
                return Err(io::Error::last_os_error());
            }
            File::from_raw_handle(handle)
        };
        // SAFETY: the handle is open and the descriptor whole; it is only read.
        let done = unsafe {
            SetKernelObjectSecurity(
                writable.as_raw_handle(),
                DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION,
                self.words.as_ptr().cast_mut().cast(),
            )
        };
        if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// Opens anything only to ask what it is and who may do what; a link itself, not its target.
pub(crate) fn look_at(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .access_mode(READ_CONTROL | FILE_READ_ATTRIBUTES)
        .share_mode(SHARE_ALL)
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "S-1-5-21-1-2-3-1001";

    fn access(text: &str) -> Access {
        Access::parse(Descriptor::from_text(text).unwrap().bytes()).unwrap()
    }

    #[test]
    fn what_is_exclusive_lets_in_the_user_alone() {
        let text = exclusive_to(OWN);
        assert_eq!(text, format!("O:{OWN}D:P(A;;GA;;;{OWN})"));
        let access = access(&text);
        assert_eq!((access.owner.as_str(), access.grants.len()), (OWN, 1));
        assert!(access.guests(OWN).is_empty());
    }

    #[test]
    fn a_list_is_read_with_its_owner() {
        let text = format!("O:{OWN}D:P(D;;FA;;;BG)(A;OICIIO;GA;;;CO)(A;;FR;;;WD)(A;CI;0x6;;;BU)");
        let access = access(&text);
        assert_eq!(access.owner, OWN);
        let found: Vec<_> =
            access.grants.iter().map(|g| (&*g.trustee, g.rights & 0x1f_01ff, g.here)).collect();
        let expected = [
            ("S-1-3-0", FILE_ALL_ACCESS, false),
            ("S-1-1-0", FILE_GENERIC_READ, true),
            ("S-1-5-32-545", 6, true),
        ];
        assert_eq!(found, expected);
        assert_eq!(access.strangers(OWN, WRITE), ["S-1-5-32-545"]);
        assert_eq!(access.guests(OWN), ["S-1-1-0", "S-1-5-32-545"]);
        assert!(access.is_owned_by(OWN) && !access.is_owned_by("S-1-5-21-1-2-3-1002"));
    }

    #[test]
    fn no_list_is_open_and_an_empty_one_is_closed() {
        assert!(access("O:SY").is_open);
        // Said to be there, and nothing: the place of the list is in the bytes 16 to 20.
        let mut bytes = Descriptor::from_text("O:SYD:").unwrap().bytes().to_vec();
        bytes[16..20].fill(0);
        assert!(Access::parse(&bytes).unwrap().is_open);
        let empty = access("O:SYD:");
        assert!(!empty.is_open && empty.grants.is_empty());
        assert!(!access("D:").is_owned_by(""), "nobody's is not ours");
    }

    #[test]
    fn a_cut_descriptor_is_not_read() {
        let whole = Descriptor::from_text("O:SYD:(A;;FA;;;SY)(A;;FA;;;WD)").unwrap();
        for length in 0..whole.bytes().len() {
            let access = Access::parse(&whole.bytes()[..length]);
            assert!(access.is_none_or(|access| access.grants.len() == 2), "{length}");
        }
    }

    #[test]
    fn what_is_private_has_no_guests() {
        let private = Access::parse(Descriptor::private().unwrap().bytes()).unwrap();
        assert!(private.is_owned_by(&user::own()) && private.guests(&user::own()).is_empty());
        assert_eq!(private.guests("S-1-5-21-9"), [&*user::own()]);
    }
}
