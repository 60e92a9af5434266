//! Safe wrappers around the calls of Windows that only tests make.
#![expect(
    unsafe_code,
    reason = "std has no consoles, access lists, named pipes or figures of other processes"
)]

use std::ffi::{OsStr, c_void};
use std::fs::File;
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::os::windows::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::ptr::null_mut;

use windows_sys::Wdk::System::SystemInformation::NtQuerySystemInformation;
use windows_sys::Wdk::System::Threading::NtQueryInformationProcess;
use windows_sys::Win32::Foundation::{
    ERROR_PIPE_CONNECTED, HANDLE, INVALID_HANDLE_VALUE, LocalFree, STATUS_INFO_LENGTH_MISMATCH,
};
use windows_sys::Win32::Security::Authorization::{
    ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, GetTokenInformation, PSECURITY_DESCRIPTOR, SECURITY_ATTRIBUTES,
    SetFileSecurityW, TOKEN_QUERY, TOKEN_USER, TokenUser,
};
use windows_sys::Win32::Storage::FileSystem::PIPE_ACCESS_DUPLEX;
use windows_sys::Win32::System::Console::{
    AttachConsole, CTRL_C_EVENT, FreeConsole, GenerateConsoleCtrlEvent, GetConsoleProcessList,
    GetConsoleWindow, SetConsoleCtrlHandler,
};
use windows_sys::Win32::System::Diagnostics::Debug::ReadProcessMemory;
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW, Process32NextW, TH32CS_SNAPPROCESS,
    TH32CS_SNAPTHREAD, THREADENTRY32, Thread32First, Thread32Next,
};
use windows_sys::Win32::System::Pipes::{
    ConnectNamedPipe, CreateNamedPipeW, PIPE_UNLIMITED_INSTANCES,
};
use windows_sys::Win32::System::ProcessStatus::{GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS};
use windows_sys::Win32::System::Threading::{
    CREATE_NO_WINDOW, GetCurrentProcess, OpenProcess, OpenProcessToken, PROCESS_BASIC_INFORMATION,
    PROCESS_QUERY_INFORMATION, PROCESS_SUSPEND_RESUME, PROCESS_TERMINATE, PROCESS_VM_READ,
    TerminateProcess,
};
use windows_sys::Win32::UI::WindowsAndMessaging::IsWindowVisible;
use windows_sys::core::BOOL;

#[link(name = "ntdll", kind = "raw-dylib")]
unsafe extern "system" {
    fn NtSuspendProcess(process: HANDLE) -> i32;
    fn NtResumeProcess(process: HANDLE) -> i32;
}

/// The exit code of what the tests kill: that of a shell on Unix.
const KILLED: u32 = 137;

/// Characters of an environment that are looked at.
const ENVIRONMENT_MAX: usize = 1 << 20;

/// Bytes of a pipe's buffers.
const PIPE_BUFFER: u32 = 64 << 10;

fn checked(succeeded: BOOL) -> io::Result<()> {
    if succeeded == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn owned(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call that made this handle has just given it to us alone.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

fn wide(text: impl AsRef<OsStr>) -> Vec<u16> {
    text.as_ref().encode_wide().chain([0]).collect()
}

fn bytes<T>() -> u32 {
    u32::try_from(size_of::<T>()).unwrap_or(u32::MAX)
}

/// Lets a command have a console of its own, without a window, in which Ctrl-C can be pressed.
pub fn give_console(command: &mut Command) {
    command.creation_flags(CREATE_NO_WINDOW);
}

/// The processes with this pair in the environment that they were started with.
///
/// # Errors
/// Those of the system.
pub fn processes_with(name: &str, value: &OsStr) -> io::Result<Vec<u32>> {
    let pair: Vec<u16> =
        name.encode_utf16().chain([u16::from(b'=')]).chain(value.encode_wide()).collect();
    // SAFETY: plain numbers go in, and a handle comes out.
    let all = owned(unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0) })?;
    let mut entry = PROCESSENTRY32W { dwSize: bytes::<PROCESSENTRY32W>(), ..Default::default() };
    let mut found = Vec::new();
    // SAFETY: the handle is of a snapshot, and the structure says its size.
    let mut more = unsafe { Process32FirstW(all.as_raw_handle(), &raw mut entry) };
    while more != 0 {
        let environment = environment(entry.th32ProcessID).unwrap_or_default();
        if environment.split(|&unit| unit == 0).any(|other| other == pair) {
            found.push(entry.th32ProcessID);
        }
        // SAFETY: as above.
        more = unsafe { Process32NextW(all.as_raw_handle(), &raw mut entry) };
    }
    Ok(found)
}

/// The environment that a process was started with, where every 64-bit Windows has it: the
/// parameters are at 0x20 of its environment block, and text and size of the variables at 0x80 and
/// 0x3f0 of those.
fn environment(pid: u32) -> io::Result<Vec<u16>> {
    let process = process(pid, PROCESS_QUERY_INFORMATION | PROCESS_VM_READ)?;
    let process = process.as_raw_handle();
    let mut about = PROCESS_BASIC_INFORMATION::default();
    let (size, all) = (bytes::<PROCESS_BASIC_INFORMATION>(), (&raw mut about).cast());
    // SAFETY: the handle is open, and the structure is of this class and as large as told.
    let status = unsafe { NtQueryInformationProcess(process, 0, all, size, null_mut()) };
    if status != 0 {
        return Err(io::Error::other(format!("status {status:x}")));
    }
    let parameters = read::<usize>(process, about.PebBaseAddress as usize + 0x20, 1)?[0];
    let text = read::<usize>(process, parameters + 0x80, 1)?[0];
    let size = read::<usize>(process, parameters + 0x3f0, 1)?[0];
    read::<u16>(process, text, (size / 2).min(ENVIRONMENT_MAX))
}

/// So many numbers from the memory of a process.
fn read<T: Copy + Default>(process: HANDLE, from: usize, count: usize) -> io::Result<Vec<T>> {
    let mut read = vec![T::default(); count];
    let (from, to) = (from as *const c_void, read.as_mut_ptr().cast());
    // SAFETY: the buffer is as large as told, and any bytes make a number.
    checked(unsafe { ReadProcessMemory(process, from, to, size_of_val(&read[..]), null_mut()) })?;
    Ok(read)
}

fn process(pid: u32, rights: u32) -> io::Result<OwnedHandle> {
    // SAFETY: plain numbers go in, and a handle comes out.
    owned(unsafe { OpenProcess(rights, 0, pid) })
}

/// Ends a process at once, with the code of a process that was killed on Unix.
///
/// # Errors
/// Those of the system.
pub fn kill(pid: u32) -> io::Result<()> {
    let process = process(pid, PROCESS_TERMINATE)?;
    // SAFETY: the handle is open.
    checked(unsafe { TerminateProcess(process.as_raw_handle(), KILLED) })
}

/// Stops all threads of a process, or lets them go on.
///
/// # Errors
/// Those of the system.
pub fn freeze(pid: u32, is_frozen: bool) -> io::Result<()> {
    let process = process(pid, PROCESS_SUSPEND_RESUME)?;
    let change = if is_frozen { NtSuspendProcess } else { NtResumeProcess };
    // SAFETY: the handle is open.
    match unsafe { change(process.as_raw_handle()) } {
        0 => Ok(()),
        status => Err(io::Error::other(format!("status {status:x}"))),
    }
}

/// Presses Ctrl-C in the console of a process, for all that share it. This process leaves its
/// own console for that, and must be born for nothing else.
///
/// # Errors
/// Those of the system.
pub fn interrupt(pid: u32) -> io::Result<()> {
    // SAFETY: plain numbers go in; without a handler Ctrl-C is ignored here.
    unsafe {
        FreeConsole();
        checked(AttachConsole(pid))?;
        checked(SetConsoleCtrlHandler(None, 1))?;
        checked(GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0))
    }
}

/// Who is on the console of this process, up to 16 of them, and whether it has a window.
#[must_use]
pub fn console() -> (Vec<u32>, bool) {
    let mut members = vec![0; 16];
    // SAFETY: there is room for as many numbers as the call is told.
    let count = unsafe { GetConsoleProcessList(members.as_mut_ptr(), 16) };
    members.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    // SAFETY: the first call answers a window or none, and the second takes either.
    (members, unsafe { IsWindowVisible(GetConsoleWindow()) != 0 })
}

/// How many threads a process has.
///
/// # Errors
/// Those of the system.
pub fn threads(pid: u32) -> io::Result<usize> {
    // SAFETY: plain numbers go in, and a handle comes out.
    let all = owned(unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0) })?;
    let mut thread = THREADENTRY32 { dwSize: bytes::<THREADENTRY32>(), ..Default::default() };
    let mut count = 0;
    // SAFETY: the handle is of a snapshot, and the structure says its size.
    let mut more = unsafe { Thread32First(all.as_raw_handle(), &raw mut thread) };
    while more != 0 {
        count += usize::from(thread.th32OwnerProcessID == pid);
        // SAFETY: as above.
        more = unsafe { Thread32Next(all.as_raw_handle(), &raw mut thread) };
    }
    Ok(count)
}

/// How many handles a process has open, from the table of the whole system: Wine does not count
/// those of one process.
///
/// # Errors
/// Those of the system.
pub fn handles(pid: u32) -> io::Result<usize> {
    const EXTENDED_HANDLES: i32 = 64;
    /// Words of one row; the second is the process.
    const ROW: usize = 5;
    let mut table = vec![0_usize; 1 << 16];
    loop {
        let bytes = u32::try_from(size_of_val(&table[..])).unwrap_or(u32::MAX);
        // SAFETY: the buffer has `bytes` bytes and the alignment of its largest field.
        let status = unsafe {
            NtQuerySystemInformation(EXTENDED_HANDLES, table.as_mut_ptr().cast(), bytes, null_mut())
        };
        match status {
            0 => break,
            STATUS_INFO_LENGTH_MISMATCH if table.len() < 1 << 24 => {
                table = vec![0; table.len() * 2];
            }
            status => return Err(io::Error::other(format!("status {status:x}"))),
        }
    }
    let rows = table[2..].chunks_exact(ROW).take(table[0]);
    Ok(rows.filter(|row| row[1] == pid as usize).count())
}

/// The resident memory of a process, in bytes.
///
/// # Errors
/// Those of the system.
pub fn resident(pid: u32) -> io::Result<usize> {
    let process = process(pid, PROCESS_QUERY_INFORMATION)?;
    let mut counters = PROCESS_MEMORY_COUNTERS::default();
    let size = bytes::<PROCESS_MEMORY_COUNTERS>();
    // SAFETY: the handle is open, and the size is that of the structure.
    checked(unsafe { GetProcessMemoryInfo(process.as_raw_handle(), &raw mut counters, size) })?;
    Ok(counters.WorkingSetSize)
}

/// The security identifier of this process's user.
///
/// # Errors
/// Those of the system.
pub fn user() -> io::Result<String> {
    let mut token = null_mut();
    // SAFETY: the pseudo handle of this process needs no closing, and `token` takes the result.
    checked(unsafe { OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &raw mut token) })?;
    let token = owned(token)?;
    // The structure and the identifier behind it: 68 bytes at most.
    let mut buffer = [0_usize; 32];
    let size = u32::try_from(size_of_val(&buffer)).unwrap_or(u32::MAX);
    let (mut used, mut text) = (0, null_mut());
    // SAFETY: the buffer has `size` bytes and the alignment of the structure, which the first
    // call fills; its identifier lies in the buffer. The text that the second call makes ends
    // with a zero, and is copied before it is freed.
    unsafe {
        let whole = buffer.as_mut_ptr();
        let handle = token.as_raw_handle();
        checked(GetTokenInformation(handle, TokenUser, whole.cast(), size, &raw mut used))?;
        let user = &*whole.cast::<TOKEN_USER>();
        checked(ConvertSidToStringSidW(user.User.Sid, &raw mut text))?;
        let length = (0..).take_while(|&at| *text.add(at) != 0).count();
        let user = String::from_utf16_lossy(std::slice::from_raw_parts(text, length));
        LocalFree(text.cast());
        Ok(user)
    }
}

/// Gives a path the access list of a text such as `D:(A;;FA;;;WD)`.
///
/// # Errors
/// Those of the system.
pub fn set_access(path: &Path, list: &str) -> io::Result<()> {
    let (path, descriptor) = (wide(path), descriptor(list)?);
    // SAFETY: the path ends with a zero; the descriptor is freed after its only use.
    unsafe {
        let set = checked(SetFileSecurityW(path.as_ptr(), DACL_SECURITY_INFORMATION, descriptor));
        LocalFree(descriptor);
        set
    }
}

/// A security descriptor from its text; whoever asks frees it.
fn descriptor(text: &str) -> io::Result<PSECURITY_DESCRIPTOR> {
    let (text, mut descriptor) = (wide(text), null_mut());
    // SAFETY: the text ends with a zero, and the result has a place.
    checked(unsafe {
        ConvertStringSecurityDescriptorToSecurityDescriptorW(
            text.as_ptr(),
            SDDL_REVISION_1,
            &raw mut descriptor,
            null_mut(),
        )
    })?;
    Ok(descriptor)
}

/// A pipe of this user's, as an app has one.
#[derive(Debug)]
pub struct Pipe {
    name: Vec<u16>,
    next: OwnedHandle,
}

impl Pipe {
    /// A pipe with one instance that waits.
    ///
    /// # Errors
    /// Those of the system.
    pub fn new(name: impl AsRef<OsStr>) -> io::Result<Self> {
        let name = wide(name);
        let next = instance(&name)?;
        Ok(Self { name, next })
    }

    /// Blocks until somebody connects; another instance waits already when this is known.
    ///
    /// # Errors
    /// Those of the system.
    pub fn accept(&mut self) -> io::Result<File> {
        // SAFETY: the handle is of a blocking pipe, which needs no structure for its state.
        match checked(unsafe { ConnectNamedPipe(self.next.as_raw_handle(), null_mut()) }) {
            Err(error) if error.raw_os_error() != Some(ERROR_PIPE_CONNECTED.cast_signed()) => {
                Err(error)
            }
            _ => Ok(File::from(std::mem::replace(&mut self.next, instance(&self.name)?))),
        }
    }
}

fn instance(name: &[u16]) -> io::Result<OwnedHandle> {
    let (mode, instances) = (PIPE_ACCESS_DUPLEX, PIPE_UNLIMITED_INSTANCES);
    let user = user()?;
    let attributes = SECURITY_ATTRIBUTES {
        nLength: u32::try_from(size_of::<SECURITY_ATTRIBUTES>()).unwrap_or(0),
        lpSecurityDescriptor: descriptor(&format!("O:{user}D:P(A;;GA;;;{user})"))?,
        bInheritHandle: 0,
    };
    let (size, access) = (PIPE_BUFFER, &raw const attributes);
    // SAFETY: the name ends with a zero; the descriptor is freed after its only use.
    unsafe {
        let made = CreateNamedPipeW(name.as_ptr(), mode, 0, instances, size, size, 0, access);
        let made = owned(made);
        LocalFree(attributes.lpSecurityDescriptor);
        made
    }
}
