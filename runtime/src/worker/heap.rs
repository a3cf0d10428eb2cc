//! The memory that the allocator keeps.
//!
//! That of glibc keeps freed blocks of up to 32 MiB for itself, once one of that size has been freed: a worker that has
//! answered a few large calls would hold tens of MiB for good.
#![cfg_attr(all(target_os = "linux", target_env = "gnu"), allow(unsafe_code))]

/// Has the allocator give back to the system what it does not need. Takes a millisecond or so for some tens of MiB.
pub(super) fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes and gives no pointers, and may be called on any thread at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}
