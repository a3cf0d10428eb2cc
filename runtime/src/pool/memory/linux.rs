/// The resident memory of a process in bytes. `None`: there is no such process any more.
pub(in crate::pool) fn resident(pid: u32) -> Option<u64> {
    // `size resident shared …`, in pages.
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
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
