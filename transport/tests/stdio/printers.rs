//! Printing as a worker's libraries do: in a constructor, and with C's own descriptors and buffers.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::null_mut;

use isolated_workers_transport::CHANNEL_VARIABLE;

unsafe extern "C" {
    fn puts(line: *const c_char) -> c_int;
    fn fflush(stream: *mut c_void) -> c_int;
}

/// Prints before `main`. The system calls it on the only thread, and printing needs nothing that
/// the standard library sets up in `main`.
pub(super) extern "C" fn print_in_constructor() {
    if std::env::var_os(CHANNEL_VARIABLE).is_some() {
        println!("constructor");
    }
}

/// Prints a line as a library in C does.
pub(super) fn print_in_c(line: &CStr) {
    // SAFETY: the line is terminated by a zero, and a null stream means all streams.
    assert!(unsafe { puts(line.as_ptr()) >= 0 && fflush(null_mut()) == 0 });
}
