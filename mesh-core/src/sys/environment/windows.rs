//! The variables of Windows. A program without `SystemRoot` cannot even load all libraries of the
//! system, and one without the profile's directories finds no place for its files.

use std::ffi::{OsStr, OsString};

/// What is handed on, if it is set; in capitals, see [`folded`].
pub(super) const ALLOWED: [&str; 29] = [
    "ALLUSERSPROFILE",
    "APPDATA",
    "COMPUTERNAME",
    "COMSPEC",
    "DRIVERDATA",
    "HOME",
    "HOMEDRIVE",
    "HOMEPATH",
    "LANG",
    "LOCALAPPDATA",
    "LOGONSERVER",
    "NUMBER_OF_PROCESSORS",
    "ONEDRIVE",
    "OS",
    "PATH",
    "PATHEXT",
    "PROGRAMDATA",
    "PUBLIC",
    "SESSIONNAME",
    "SYSTEMDRIVE",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "TZ",
    "USERDNSDOMAIN",
    "USERDOMAIN",
    "USERNAME",
    "USERPROFILE",
    "WINDIR",
];

/// What the names of further such variables begin with: `ProgramFiles`, `ProgramFiles(x86)`,
/// `CommonProgramW6432`, `PROCESSOR_ARCHITECTURE` and their like.
pub(super) const ALLOWED_PREFIXES: [&str; 7] =
    ["COMMONPROGRAM", "LC_", "PROCESSOR_", "PROGRAMFILES", "PROGRAMW6432", "USERDOMAIN_", "XDG_"];

/// The name by which variables are told apart: in capitals, because `Path` and `PATH` are one.
pub(crate) fn folded(name: &OsStr) -> OsString {
    match name.to_str() {
        Some(name) => name.to_uppercase().into(),
        None => name.to_ascii_uppercase(),
    }
}

#[cfg(test)]
mod tests {
    use crate::sys::environment::is_of_session;

    #[test]
    fn variables_of_the_session_are_known_in_any_case() {
        for name in ["Path", "SystemRoot", "windir", "ComSpec", "ProgramFiles(x86)", "OS"] {
            assert!(is_of_session(name.as_ref()), "{name}");
        }
        for name in ["PSModulePath", "API_TOKEN", "MESH_TIMEOUT", "Processor", "__COMPAT_LAYER"] {
            assert!(!is_of_session(name.as_ref()), "{name}");
        }
    }
}
