//! Threads that start quickly.
//!
//! Before it runs anything, a thread of the standard library sets up an alternate signal stack and
//! its own heap arena. That is three quarters of its start time, and would delay a worker's first
//! call.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::mem::{MaybeUninit, transmute};
use std::ptr::null_mut;

/// Starts a thread that runs `run`. Returns `run` if the system refuses.
pub(super) fn start<F: FnOnce() + Send + 'static>(stack_bytes: usize, run: F) -> Result<(), F> {
    let run = Box::into_raw(Box::new(run));
    // SAFETY: `main::<F>` receives the `Box<F>` that it expects. From then on the thread owns it.
    if unsafe { create(stack_bytes, main::<F>, run.cast()) } {
        return Ok(());
    }
    // SAFETY: no thread was started, so this function still owns the box.
    Err(*unsafe { Box::from_raw(run) })
}

type ThreadMain = unsafe extern "C" fn(*mut c_void) -> *mut c_void;

/// # Safety
/// `run` must be a `Box<F>`. This function takes ownership of it.
unsafe extern "C" fn main<F: FnOnce()>(run: *mut c_void) -> *mut c_void {
    // SAFETY: guaranteed by the caller.
    let run = unsafe { Box::from_raw(run.cast::<F>()) };
    run();
    null_mut()
}

/// Returns `true` if the thread was started.
///
/// # Safety
/// It must be sound to call `main` with `argument` on another thread.
unsafe fn create(stack_bytes: usize, main: ThreadMain, argument: *mut c_void) -> bool {
    let mut attributes = MaybeUninit::uninit();
    // SAFETY: the attributes are used only between their initialization and destruction.
    unsafe {
        if libc::pthread_attr_init(attributes.as_mut_ptr()) != 0 {
            return false;
        }
        let attributes = attributes.assume_init_mut();
        // If the system rejects the size, the default applies.
        libc::pthread_attr_setstacksize(attributes, stack_bytes);
        libc::pthread_attr_setdetachstate(attributes, libc::PTHREAD_CREATE_DETACHED);
        let mut thread = MaybeUninit::uninit();
        // `libc` declares the parameter as a safe function. The system calls it only with
        // `argument`.
        let main = transmute::<ThreadMain, extern "C" fn(*mut c_void) -> *mut c_void>(main);
        let refused = libc::pthread_create(thread.as_mut_ptr(), attributes, main, argument);
        libc::pthread_attr_destroy(attributes);
        refused == 0
    }
}
