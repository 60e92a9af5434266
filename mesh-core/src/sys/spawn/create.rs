//! A process of Windows that inherits exactly the handles that it is given. std hands down every
//! handle that can be inherited, those of other code in this program as well.
#![expect(unsafe_code, reason = "std cannot choose the handles that a child inherits")]

use std::ffi::{OsString, c_void};
use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::os::windows::process::ExitStatusExt;
use std::process::ExitStatus;
use std::ptr;

use windows_sys::Win32::Foundation::{
    HANDLE, HANDLE_FLAG_INHERIT, SetHandleInformation, WAIT_OBJECT_0,
};
use windows_sys::Win32::System::Threading::{
    CREATE_UNICODE_ENVIRONMENT, CreateProcessW, DeleteProcThreadAttributeList,
    EXTENDED_STARTUPINFO_PRESENT, GetExitCodeProcess, INFINITE, InitializeProcThreadAttributeList,
    LPPROC_THREAD_ATTRIBUTE_LIST, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, PROCESS_CREATION_FLAGS,
    PROCESS_INFORMATION, STARTF_USESTDHANDLES, STARTUPINFOEXW, STARTUPINFOW,
    UpdateProcThreadAttribute, WaitForSingleObject,
};

use crate::sys::win32::wide;

/// What to create, as the system takes it: texts end with a zero.
#[derive(Debug)]
pub(super) struct Creation {
    /// The path of the program.
    pub(super) program: Vec<u16>,
    /// The program and its arguments, as one text.
    pub(super) line: Vec<u16>,
    /// The directory it starts in.
    pub(super) cwd: Vec<u16>,
    /// The whole environment, see [`environment_block`].
    pub(super) environment: Vec<u16>,
    /// Standard input, output and error.
    pub(super) streams: [Inherited; 3],
}

/// A copy of a file that children can inherit. Whatever else this program starts while the copy is
/// open by the system's plain means gets it too, which is why only harmless files are given.
#[derive(Debug)]
pub(super) struct Inherited(File);

impl Inherited {
    pub(super) fn copy_of(file: &File) -> io::Result<Self> {
        let copy = file.try_clone()?;
        // SAFETY: changes one flag of a handle that is open and ours.
        let done = unsafe {
            SetHandleInformation(copy.as_raw_handle(), HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT)
        };
        checked(done)?;
        Ok(Self(copy))
    }
}

impl Creation {
    /// Creates the process with these flags.
    pub(super) fn create(&self, flags: PROCESS_CREATION_FLAGS) -> io::Result<Child> {
        let handles = self.streams.each_ref().map(|stream| stream.0.as_raw_handle());
        let mut only = Handles::new(&handles)?;
        let [input, output, error] = handles;
        let startup = STARTUPINFOEXW {
            StartupInfo: STARTUPINFOW {
                cb: u32::try_from(size_of::<STARTUPINFOEXW>()).unwrap_or(0),
                dwFlags: STARTF_USESTDHANDLES,
                hStdInput: input,
                hStdOutput: output,
                hStdError: error,
                ..STARTUPINFOW::default()
            },
            lpAttributeList: only.list(),
        };
        // The system may write into this text.
        let mut line = self.line.clone();
        let mut made = PROCESS_INFORMATION::default();
        // SAFETY: the four texts end with a zero (the environment with two) and live until the call
        // is over, as do the startup information, whose first field says that it is the long form,
        // and the list and the handles in it.
        let done = unsafe {
            CreateProcessW(
                self.program.as_ptr(),
                line.as_mut_ptr(),
                ptr::null(),
                ptr::null(),
                1,
                flags | CREATE_UNICODE_ENVIRONMENT | EXTENDED_STARTUPINFO_PRESENT,
                self.environment.as_ptr().cast::<c_void>(),
                self.cwd.as_ptr(),
                (&raw const startup).cast::<STARTUPINFOW>(),
                &raw mut made,
            )
        };
        checked(done)?;
        // SAFETY: the call has just made both handles, and nobody else closes them.
        let (process, _thread) = unsafe {
            (
                OwnedHandle::from_raw_handle(made.hProcess),
                OwnedHandle::from_raw_handle(made.hThread),
            )
        };
        Ok(Child { process, pid: made.dwProcessId })
    }
}

/// A process that this one started.
#[derive(Debug)]
pub(crate) struct Child {
    process: OwnedHandle,
    pid: u32,
}

impl Child {
    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.pid
    }

    /// Blocks until it has ended; answers how.
    pub(crate) fn wait(&mut self) -> io::Result<ExitStatus> {
        let mut code = 0;
        // SAFETY: the handle is open while `self` is borrowed, and `code` is a place.
        let done = unsafe {
            if WaitForSingleObject(self.as_raw_handle(), INFINITE) != WAIT_OBJECT_0 {
                return Err(io::Error::last_os_error());
            }
            GetExitCodeProcess(self.as_raw_handle(), &raw mut code)
        };
        checked(done)?;
        Ok(ExitStatus::from_raw(code))
    }
}

impl AsRawHandle for Child {
    fn as_raw_handle(&self) -> RawHandle {
        self.process.as_raw_handle()
    }
}

/// The list that says which handles a child inherits. It points to the handles.
struct Handles<'a> {
    memory: Vec<usize>,
    handles: PhantomData<&'a [HANDLE]>,
}

impl<'a> Handles<'a> {
    fn new(handles: &'a [HANDLE]) -> io::Result<Self> {
        let mut bytes = 0;
        // SAFETY: without memory the call only says how much it needs.
        unsafe { InitializeProcThreadAttributeList(ptr::null_mut(), 1, 0, &raw mut bytes) };
        let mut memory = vec![0usize; bytes.div_ceil(size_of::<usize>())];
        // SAFETY: the memory has as many bytes as the call before asked for.
        let done = unsafe {
            InitializeProcThreadAttributeList(memory.as_mut_ptr().cast(), 1, 0, &raw mut bytes)
        };
        checked(done)?;
        let mut list = Self { memory, handles: PhantomData };
        // SAFETY: the list is initialised, and the handles outlive it.
        let done = unsafe {
            UpdateProcThreadAttribute(
                list.list(),
                0,
                PROC_THREAD_ATTRIBUTE_HANDLE_LIST as usize,
                handles.as_ptr().cast(),
                size_of_val(handles),
                ptr::null_mut(),
                ptr::null(),
            )
        };
        checked(done)?;
        Ok(list)
    }

    fn list(&mut self) -> LPPROC_THREAD_ATTRIBUTE_LIST {
        self.memory.as_mut_ptr().cast()
    }
}

impl Drop for Handles<'_> {
    fn drop(&mut self) {
        // SAFETY: the list is initialised, and its memory is freed after this.
        unsafe { DeleteProcThreadAttributeList(self.list()) };
    }
}

/// An environment as the system takes it: `NAME=VALUE` each with a zero, and one more at the end.
/// The variables come in the order that they are to have.
///
/// # Errors
/// `InvalidInput` for a name or a value that holds a NUL.
pub(super) fn environment_block<'a>(
    variables: impl Iterator<Item = &'a (OsString, OsString)>,
) -> io::Result<Vec<u16>> {
    let mut block = Vec::new();
    for (name, value) in variables {
        // Each text without its own zero, the pair with one.
        block.extend(wide(name)?.split_last().map_or(&[][..], |(_, text)| text));
        block.push(u16::from(b'='));
        block.extend(wide(value)?);
    }
    // An empty one has two zeros as well.
    block.resize(block.len().max(1), 0);
    block.push(0);
    Ok(block)
}

fn checked(done: windows_sys::core::BOOL) -> io::Result<()> {
    match done {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
