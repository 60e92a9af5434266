//! The clock of Windows.

#![expect(unsafe_code, reason = "std has no clock that other processes share")]

use std::time::Duration;

use windows_sys::Win32::System::SystemInformation::GetTickCount64;

/// Time since boot, time asleep included; the same for all processes of the machine. It advances
/// in steps of 10 to 16 ms.
pub(crate) fn since_boot() -> Duration {
    // SAFETY: only reads a counter.
    Duration::from_millis(unsafe { GetTickCount64() })
}
