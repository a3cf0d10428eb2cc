//! A thread that takes little time to start.
//!
//! One of the standard library gets a second stack for its overflows, and with it a heap of its own, before it runs
//! anything: three quarters of what it takes to start. The first call of a worker would wait for that.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr::null_mut;

/// Starts it. What it was to run comes back where the system refuses.
pub(super) fn start<F: FnOnce() + Send + 'static>(stack: usize, run: F) -> Result<(), F> {
    let run = Box::into_raw(Box::new(run));
    // SAFETY: `main::<F>` gets what it takes, and from then on it is the thread's, which ends with the process at the latest.
    if unsafe { create(stack, main::<F>, run.cast()) } {
        return Ok(());
    }
    // SAFETY: there is no thread, so it is still that of this function.
    Err(*unsafe { Box::from_raw(run) })
}

/// # Safety
/// The argument is a box of an `F`, which is this function's.
extern "C" fn main<F: FnOnce()>(run: *mut c_void) -> *mut c_void {
    // SAFETY: as above.
    let run = unsafe { Box::from_raw(run.cast::<F>()) };
    run();
    null_mut()
}

/// Whether the thread was started.
///
/// # Safety
/// `main` may be called with `argument` on another thread.
unsafe fn create(
    stack: usize,
    main: extern "C" fn(*mut c_void) -> *mut c_void,
    argument: *mut c_void,
) -> bool {
    let mut attributes = MaybeUninit::uninit();
    // SAFETY: the attributes are used between being made and being destroyed only.
    unsafe {
        if libc::pthread_attr_init(attributes.as_mut_ptr()) != 0 {
            return false;
        }
        let attributes = attributes.assume_init_mut();
        // Where the size does not do, the default does.
        libc::pthread_attr_setstacksize(attributes, stack);
        libc::pthread_attr_setdetachstate(attributes, libc::PTHREAD_CREATE_DETACHED);
        let mut thread = MaybeUninit::uninit();
        let refused = libc::pthread_create(thread.as_mut_ptr(), attributes, main, argument);
        libc::pthread_attr_destroy(attributes);
        refused == 0
    }
}
