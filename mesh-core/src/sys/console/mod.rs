//! The console of Windows, which shows colours only to those who ask. On Windows only: terminals
//! elsewhere show them as they are.
#![expect(unsafe_code, reason = "std does not set the mode of a console")]

use std::os::windows::io::{AsHandle, AsRawHandle};

use windows_sys::Win32::System::Console::{
    ENABLE_VIRTUAL_TERMINAL_PROCESSING, GetConsoleMode, SetConsoleMode,
};

/// Lets the console behind an output understand escape sequences; answers whether it does. What
/// is no console does not.
pub fn enable_escapes(output: &impl AsHandle) -> bool {
    let handle = output.as_handle().as_raw_handle();
    let mut mode = 0;
    // SAFETY: the handle is open while `output` is borrowed, and `mode` is what is written.
    if unsafe { GetConsoleMode(handle, &raw mut mode) } == 0 {
        return false;
    }
    // SAFETY: as above; only numbers are passed.
    unsafe { SetConsoleMode(handle, mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING) != 0 }
}
