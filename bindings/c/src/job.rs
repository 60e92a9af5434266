//! Jobs: calls that an app's executor runs where it likes.
#![expect(unsafe_code, reason = "what C hands in are pointers")]

use std::ffi::c_void;

use crate::callback::UserData;
use crate::entry::entry;
use crate::handle::{self, Opaque};

/// A call that waits to be served, or the rest of a stream: what an executor is handed.
#[derive(Debug)]
pub struct MeshJob(());

type Work = Box<dyn FnOnce() + Send>;

impl Opaque for MeshJob {
    type Inner = Work;
    const NOUN: &'static str = "a job";
    const TAG: u64 = u64::from_be_bytes(*b"mesh job");
}

/// What C runs jobs with.
pub(crate) type Execute = unsafe extern "C-unwind" fn(user_data: *mut c_void, job: *mut MeshJob);

/// An executor of C's.
pub(crate) fn executor(execute: Execute, data: UserData) -> impl Fn(Work) + Send + Sync {
    move |work| {
        // SAFETY: C gave both together, and owns the job from here on.
        unsafe { execute(data.get(), handle::give(work)) };
    }
}

/// Runs a job on this thread and frees it. The method's handler runs in here.
///
/// # Safety
/// `job` is NULL or one that the executor was handed, run or freed once. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_job_run(job: *mut MeshJob) {
    entry(|| {
        // SAFETY: as the caller promises.
        if let Some(work) = unsafe { handle::take(job)? } {
            work();
        }
        Ok(())
    });
}

/// Frees a job that will not run: its call fails. NULL is left alone.
///
/// # Safety
/// As `mesh_job_run`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mesh_free_job(job: *mut MeshJob) {
    // SAFETY: as the caller promises.
    unsafe { handle::free(job) };
}
