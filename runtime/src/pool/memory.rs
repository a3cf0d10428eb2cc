#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(super) use self::linux::resident;

/// The resident memory of a process in bytes, where the system tells.
#[cfg(not(target_os = "linux"))]
pub(super) fn resident(_: u32) -> Option<u64> {
    None
}
