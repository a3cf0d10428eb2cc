//! Descriptors that a worker inherits by accident: listed by the host, closed by the worker.
#![allow(unsafe_code)]

use std::fmt::Write;
use std::os::fd::{BorrowedFd, RawFd};

use rustix::io::{FdFlags, fcntl_getfd};

use super::channel_ends::descriptor_id;

/// Longest list that is passed on, in bytes. An environment variable has at most 128 KiB on Linux.
/// About 3,000 descriptors fit; the worker keeps the rest.
const MAX_LIST_BYTES: usize = 96 << 10;

/// Lists the descriptors of this process that children inherit, with the id of the file behind
/// each: `7:803-1a2b,9:f-5`. `None` if there are none.
pub(crate) fn list() -> Option<String> {
    let mut list = String::new();
    for number in inheritable_numbers() {
        // SAFETY: the number is positive, and the descriptor is only queried. If another thread has
        // closed it, the query returns an error.
        let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
        let Ok(id) = descriptor_id(descriptor) else { continue };
        if list.len() + 64 > MAX_LIST_BYTES {
            break;
        }
        let separator = if list.is_empty() { "" } else { "," };
        let _ = write!(list, "{separator}{number}:{id}");
    }
    (!list.is_empty()).then_some(list)
}

/// Closes the descriptors in `list` that still refer to the listed files. A library that was
/// initialized earlier may have closed one and opened its own under the same number.
pub(in crate::unix) fn close_listed(list: &str) {
    for (number, id) in list.split(',').filter_map(|entry| entry.split_once(':')) {
        let Some(number) = number.parse().ok().filter(|number| *number > libc::STDERR_FILENO) else {
            continue;
        };
        // SAFETY: the number is positive, and the descriptor is only queried. If it is closed, the
        // query returns an error.
        let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
        if descriptor_id(descriptor).is_ok_and(|found| found == id) {
            // SAFETY: the host had this descriptor open, so no value in this program owns it.
            unsafe { rustix::io::close(number) };
        }
    }
}

/// Returns `Some(true)` if children inherit this descriptor. `None` if it is not open.
fn is_inheritable(number: RawFd) -> Option<bool> {
    // SAFETY: the number is not negative, and the descriptor is only queried. If it is closed, the
    // query returns an error.
    let flags = fcntl_getfd(unsafe { BorrowedFd::borrow_raw(number) }).ok()?;
    Some(!flags.contains(FdFlags::CLOEXEC))
}

#[cfg(target_os = "linux")]
fn inheritable_numbers() -> Vec<RawFd> {
    read_proc().unwrap_or_else(range::scan)
}

#[cfg(not(target_os = "linux"))]
fn inheritable_numbers() -> Vec<RawFd> {
    range::scan()
}

/// Reads `/proc/self/fd`. `None` if `/proc` is not mounted.
///
/// With 20 open descriptors this takes 20 µs. To query number after number, until as many are open
/// as `stat` tells, takes 5 µs, but misses some while other threads open and close theirs.
#[cfg(target_os = "linux")]
fn read_proc() -> Option<Vec<RawFd>> {
    let numbers = std::fs::read_dir("/proc/self/fd").ok()?;
    let numbers = numbers.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_stray = |number: &RawFd| *number > libc::STDERR_FILENO && is_inheritable(*number) == Some(true);
    Some(numbers.filter(is_stray).collect())
}

/// Enumeration by query alone.
mod range {
    use std::os::fd::RawFd;

    use rustix::process::{Resource, getrlimit};

    use super::is_inheritable;

    /// End of the range if the limit of the process is higher or unknown. A query takes about 100
    /// ns, so the range takes about 1 ms.
    const MAX_NUMBER: RawFd = 10_240;

    pub(super) fn scan() -> Vec<RawFd> {
        let limit = getrlimit(Resource::Nofile).current.and_then(|limit| RawFd::try_from(limit).ok());
        let end = limit.map_or(MAX_NUMBER, |limit| limit.min(MAX_NUMBER));
        (libc::STDERR_FILENO + 1..end).filter(|number| is_inheritable(*number) == Some(true)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn inheritable_file() -> std::fs::File {
        let file = tempfile::tempfile().unwrap();
        rustix::io::fcntl_setfd(&file, FdFlags::empty()).unwrap();
        file
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn both_enumerations_find_an_inheritable_descriptor() {
        let file = inheritable_file();
        let number = file.as_raw_fd();
        assert!(read_proc().unwrap().contains(&number));
        assert!(range::scan().contains(&number));
    }

    #[test]
    fn a_descriptor_that_refers_to_another_file_is_not_closed() {
        let file = inheritable_file();
        let number = file.as_raw_fd();
        close_listed(&format!("{number}:0-0,{number},:,x:y,-1:0-0"));
        assert_eq!(is_inheritable(number), Some(true));
        assert!(list().unwrap().contains(&format!("{number}:{}", descriptor_id(&file).unwrap())));
    }

    #[test]
    fn no_descriptor_is_missed_while_other_threads_open_and_close_some() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let stray = rustix::io::fcntl_dupfd_cloexec(&file, 60).unwrap();
        rustix::io::fcntl_setfd(&stray, FdFlags::empty()).unwrap();
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let opened: Vec<_> = (0..8).map(|_| file.try_clone().unwrap()).collect();
                    drop(opened);
                }
            });
            let missed = (0..2000).find(|_| !inheritable_numbers().contains(&stray.as_raw_fd()));
            is_over.store(true, Ordering::Relaxed);
            assert_eq!(missed, None);
        });
    }
}
