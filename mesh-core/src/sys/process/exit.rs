//! The ends of processes by exit codes, in words.

use std::process::ExitStatus;

/// From here on an exit code is no program's own: the system or a runtime ended the process.
const FIRST_ERROR: u32 = 0xC000_0000;

/// How a process ended, in words: `exit code 3`, `exit code 0xC0000005 (access violation)`.
pub(crate) fn describe(status: ExitStatus) -> String {
    let Some(code) = status.code() else { return "no exit code".to_owned() };
    let bits = u32::from_ne_bytes(code.to_ne_bytes());
    match CODES.iter().find(|(known, _)| *known == bits) {
        Some((_, words)) => format!("exit code 0x{bits:08X} ({words})"),
        None if bits >= FIRST_ERROR => format!("exit code 0x{bits:08X}"),
        None => format!("exit code {bits}"),
    }
}

/// The codes that programs end with when they do not end themselves.
const CODES: [(u32, &str); 14] = [
    (0x8000_0003, "breakpoint"),
    (0xC000_0005, "access violation"),
    (0xC000_0017, "out of memory"),
    (0xC000_001D, "illegal instruction"),
    (0xC000_007B, "a DLL for another kind of processor"),
    (0xC000_0094, "division by zero"),
    (0xC000_00FD, "stack overflow"),
    (0xC000_0135, "missing DLL"),
    (0xC000_0139, "a DLL lacks a function"),
    (0xC000_013A, "Ctrl-C"),
    (0xC000_0142, "a DLL could not start"),
    (0xC000_0374, "heap corruption"),
    (0xC000_0409, "aborted, or stack overrun"),
    (0xC000_041D, "exception in a callback"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::windows::process::ExitStatusExt;

    #[test]
    fn an_end_is_told_by_its_code_and_what_a_frequent_one_means() {
        let told = |code| describe(ExitStatus::from_raw(code));
        assert_eq!(told(3), "exit code 3");
        assert_eq!(told(0xC000_0005), "exit code 0xC0000005 (access violation)");
        assert_eq!(told(0xC000_013A), "exit code 0xC000013A (Ctrl-C)");
        assert_eq!(told(0xC000_0999), "exit code 0xC0000999");
    }
}
