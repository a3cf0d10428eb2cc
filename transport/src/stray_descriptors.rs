/// Environment variable that lists the descriptors that a worker closes before `main`: the value
/// of [`stray_descriptors`].
///
/// A driver sets the variable for the worker's process. If there is nothing to list, it removes the
/// inherited variable.
pub const STRAY_DESCRIPTORS_VARIABLE: &str = "ISOLATED_WORKERS_STRAY_DESCRIPTORS";

/// Lists the descriptors of this process that a child started now would inherit, except for the
/// standard streams. `None` if there are none. On Windows, a child inherits no others.
///
/// All descriptors of this library are closed in children. The listed descriptors come from
/// elsewhere: the parent of this process, or a library that did not set `FD_CLOEXEC`. A worker of
/// this library closes exactly these, and each only if it still refers to the same file. A
/// descriptor that a constructor of one of its shared libraries has opened stays open.
///
/// Call this function immediately before the process is started. Descriptors that another thread
/// opens in between are missing from the list.
#[must_use]
pub fn stray_descriptors() -> Option<String> {
    #[cfg(unix)]
    return crate::unix::list_stray_descriptors();
    #[cfg(not(unix))]
    return None;
}
