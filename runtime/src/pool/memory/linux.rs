/// The resident memory of a process in bytes. `None`: there is no such process any more.
pub(in crate::pool) fn resident(pid: u32) -> Option<u64> {
    // `statm` counts pages, whose size cannot be asked for under valgrind.
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = resident.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_takes_memory_and_none_takes_none() {
        let own = resident(std::process::id()).unwrap();
        assert!((100 << 10..100 << 30).contains(&own), "{own} bytes");
        assert_eq!(resident(u32::MAX), None);
    }
}
