//! Shortage of descriptors, on either side.

/// Makes this process unable to open another descriptor. Does nothing on Windows, which has no such
/// limit.
#[cfg(unix)]
pub(super) fn take_descriptors() {
    use std::os::fd::AsRawFd;

    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    // Other threads may be opening and closing some, so the lowest free number counts. If it cannot
    // be found, none is free.
    let Ok(lowest_free) = std::fs::File::open("/dev/null") else { return };
    let limit =
        Rlimit { current: u64::try_from(lowest_free.as_raw_fd()).ok(), ..getrlimit(Resource::Nofile) };
    setrlimit(Resource::Nofile, limit).expect("a process may lower its limit");
}

#[cfg(not(unix))]
pub(super) fn take_descriptors() {}
