//! Memory that the allocator retains.
//!
//! glibc retains freed blocks of up to 32 MiB once a block of that size has been freed. A worker
//! that has answered a few large calls would retain tens of MiB forever.
#![cfg_attr(all(target_os = "linux", target_env = "gnu"), allow(unsafe_code))]

/// Returns unused memory to the system. Takes about a millisecond for some tens of MiB.
pub(super) fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes and returns no pointers, and may be called on any thread at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}
