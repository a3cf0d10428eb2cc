//! Prints as a library in C does, with that language's own descriptors and buffers.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::null_mut;

unsafe extern "C" {
    fn puts(line: *const c_char) -> c_int;
    fn fflush(stream: *mut c_void) -> c_int;
}

pub(super) fn print(line: &CStr) {
    // SAFETY: the line ends with a zero, and no stream means all of them.
    assert!(unsafe { puts(line.as_ptr()) >= 0 && fflush(null_mut()) == 0 });
}
