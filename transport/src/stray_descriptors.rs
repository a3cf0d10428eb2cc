/// The environment variable that lists the descriptors that a worker closes before `main`: the
/// value of [`stray_descriptors`].
///
/// A driver that starts the worker's process sets it, and removes its own if there is nothing to
/// list.
pub const STRAY_DESCRIPTORS_VARIABLE: &str = "ISOLATED_WORKERS_STRAY_DESCRIPTORS";

/// Lists the descriptors of this process that a child started now would inherit, except for the
/// standard streams. `None` if there are none. On Windows, a child inherits no others.
///
/// All descriptors of this library are closed in children. Those listed come from elsewhere: the
/// parent of this process, or a library that did not set `FD_CLOEXEC`. A worker of this library
/// closes exactly these, and each only if it still refers to the same file. A descriptor that a
/// constructor of one of its shared libraries has opened stays open.
///
/// Call it immediately before the process is started: a descriptor that another thread opens in
/// between is missing.
#[must_use]
pub fn stray_descriptors() -> Option<String> {
    #[cfg(unix)]
    return crate::unix::list_stray_descriptors();
    #[cfg(not(unix))]
    return None;
}
