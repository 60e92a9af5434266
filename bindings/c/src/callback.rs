//! What C wants to be called back with, and how it is told that we forget it.
#![expect(unsafe_code, reason = "pointers of C's go to other threads")]

use std::ffi::c_void;

/// Frees what a callback was given; called once, when nobody calls the callback any more.
pub(crate) type Destroy = Option<unsafe extern "C-unwind" fn(user_data: *mut c_void)>;

/// A callback's own data. Dropping it calls the destructor that C gave with it.
#[derive(Debug)]
pub(crate) struct UserData {
    data: *mut c_void,
    destroy: Destroy,
}

// SAFETY: the header says that callbacks run on other threads, on several at once, and that the
// destructor may: what the pointer leads to is made for it.
unsafe impl Send for UserData {}
// SAFETY: as above.
unsafe impl Sync for UserData {}

impl UserData {
    pub(crate) fn new(data: *mut c_void, destroy: Destroy) -> Self {
        Self { data, destroy }
    }

    /// What C gave, to be given back to its callback.
    pub(crate) fn get(&self) -> *mut c_void {
        self.data
    }
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: C gave both together; this is the only place that calls it.
            unsafe { destroy(self.data) };
        }
    }
}
