//! What differs between systems: the process group of a command, who listens at a socket, and
//! which file is which.
//!
//! The only such file of this crate. Elsewhere than on Unix a command is ended alone, without its
//! children, and a rotated log is known by the time of its creation.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

/// Where this program is. Linux marks the path of one that was replaced while it runs: the new
/// one is meant, that the path itself leads to.
pub(crate) fn this_program() -> mesh_core::Result<PathBuf> {
    let path = std::env::current_exe().map_err(|error| {
        let message = "the path of this program is not known";
        mesh_core::Error::new(mesh_core::ErrorCode::LaunchFailed, message).source(error)
    })?;
    match path.to_str().and_then(|text| text.strip_suffix(" (deleted)")) {
        Some(replaced) if !path.exists() => Ok(PathBuf::from(replaced)),
        _ => Ok(path),
    }
}

/// How a command is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Politely; it may clean up.
    Terminate,
    /// At once.
    Kill,
}

/// Lets the command begin a process group of its own.
#[cfg(unix)]
pub(crate) fn in_own_group(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

/// Ends the process group of a child that has not been waited for: until then its id is its own.
#[cfg(unix)]
pub(crate) fn end_group(child: &mut Child, how: End) -> io::Result<()> {
    signal_group(child.id(), how)
}

/// Ends a process group of which somebody is known to live.
#[cfg(unix)]
pub(crate) fn signal_group(group: u32, how: End) -> io::Result<()> {
    use rustix::process::{Pid, Signal, kill_process_group};
    let signal = if how == End::Kill { Signal::KILL } else { Signal::TERM };
    let group = i32::try_from(group).ok().and_then(Pid::from_raw);
    kill_process_group(group.ok_or(io::ErrorKind::InvalidInput)?, signal)?;
    Ok(())
}

/// Whether a child has ended and waits to be reaped.
#[cfg(unix)]
pub(crate) fn has_ended(child: &mut Child) -> io::Result<bool> {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    Ok(waitid(WaitId::Pid(Pid::from_child(child)), options)?.is_some())
}

/// Whether anything in a process group is alive; one that only waits to be reaped
/// is not.
#[cfg(target_os = "linux")]
pub(crate) fn group_lives(group: u32) -> bool {
    let group = group.to_string();
    let is_member = |stat: &[u8]| {
        let stat = String::from_utf8_lossy(stat);
        // The program's name, in parentheses, may hold anything.
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        fields.next().is_some_and(|state| !matches!(state, "Z" | "X"))
            && fields.nth(1) == Some(group.as_str())
    };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter(|entry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit))
        .any(|entry| std::fs::read(entry.path().join("stat")).is_ok_and(|stat| is_member(&stat)))
}

/// Elsewhere a group of processes that only wait to be reaped cannot be signalled.
#[cfg(all(unix, not(target_os = "linux")))]
pub(crate) fn group_lives(group: u32) -> bool {
    use rustix::process::{Pid, test_kill_process_group};
    let group = i32::try_from(group).ok().and_then(Pid::from_raw);
    group.is_some_and(|group| test_kill_process_group(group).is_ok())
}

#[cfg(not(unix))]
pub(crate) fn group_lives(_group: u32) -> bool {
    false
}

/// Whether both are the same file, under whatever names.
#[cfg(unix)]
pub(crate) fn same_file(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// The signal that ended a process, if one did.
#[cfg(unix)]
pub(crate) fn signal_of(status: std::process::ExitStatus) -> Option<i32> {
    use std::os::unix::process::ExitStatusExt;
    status.signal()
}

/// The process that listens at this socket, by the kernel's word, which a frozen process cannot
/// withhold; nothing where nobody listens or the path is too long to ask.
#[cfg(unix)]
pub(crate) fn owner(socket: &Path) -> Option<u32> {
    use rustix::net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with, sockopt,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let ours = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).ok()?;
    connect(&ours, &SocketAddrUnix::new(socket).ok()?).ok()?;
    let pid = sockopt::socket_peercred(&ours).ok()?.pid;
    u32::try_from(pid.as_raw_nonzero().get()).ok()
}

#[cfg(not(unix))]
pub(crate) fn owner(_socket: &Path) -> Option<u32> {
    None
}

#[cfg(not(unix))]
pub(crate) fn in_own_group(_command: &mut Command) {}

#[cfg(not(unix))]
pub(crate) fn end_group(child: &mut Child, _how: End) -> io::Result<()> {
    child.kill()
}

#[cfg(not(unix))]
pub(crate) fn signal_group(_group: u32, _how: End) -> io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
pub(crate) fn has_ended(child: &mut Child) -> io::Result<bool> {
    Ok(child.try_wait()?.is_some())
}

#[cfg(not(unix))]
pub(crate) fn same_file(a: &Metadata, b: &Metadata) -> bool {
    matches!((a.created(), b.created()), (Ok(a), Ok(b)) if a == b)
}

#[cfg(not(unix))]
pub(crate) fn signal_of(_status: std::process::ExitStatus) -> Option<i32> {
    None
}
