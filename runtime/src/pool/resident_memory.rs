//! Memory use of worker processes.

/// Returns the resident memory of a process in bytes, or `None` if the process has ended.
#[cfg(target_os = "linux")]
pub(super) fn resident_bytes(pid: u32) -> Option<u64> {
    // `statm` counts pages, and their size cannot be queried under valgrind.
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = resident.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes << 10)
}

/// Returns `None`: only Linux is supported.
#[cfg(not(target_os = "linux"))]
pub(super) fn resident_bytes(_: u32) -> Option<u64> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn only_a_running_process_has_resident_memory() {
        let own = resident_bytes(std::process::id()).unwrap();
        assert!((100 << 10..100 << 30).contains(&own), "{own} bytes");
        assert_eq!(resident_bytes(u32::MAX), None);
    }
}
