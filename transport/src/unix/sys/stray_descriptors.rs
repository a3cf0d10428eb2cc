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
    proc::count_down().or_else(proc::read_dir).unwrap_or_else(range::scan)
}

#[cfg(not(target_os = "linux"))]
fn inheritable_numbers() -> Vec<RawFd> {
    range::scan()
}

/// Enumeration by `/proc`, on Linux.
#[cfg(target_os = "linux")]
mod proc {
    use std::os::fd::RawFd;

    use super::is_inheritable;

    const DIR: &str = "/proc/self/fd";

    /// Queries number after number until all open descriptors are found. `None` if their count is
    /// unknown or their numbers are sparse.
    ///
    /// This is the fast way: reading the directory makes the kernel create a file for each
    /// descriptor. With 20 open descriptors it takes 21 short system calls.
    pub(super) fn count_down() -> Option<Vec<RawFd>> {
        // The kernel reports the number of descriptors here since Linux 6.2, and zero before.
        let mut left = rustix::fs::stat(DIR).ok().filter(|dir| dir.st_size > 0)?.st_size;
        let end = RawFd::try_from(2 * left + 64).ok()?;
        let mut inheritable = Vec::new();
        for number in 0..end {
            let Some(is_inheritable) = is_inheritable(number) else { continue };
            if is_inheritable && number > libc::STDERR_FILENO {
                inheritable.push(number);
            }
            left -= 1;
            if left == 0 {
                return Some(inheritable);
            }
        }
        None
    }

    /// Reads the directory. `None` if `/proc` is not mounted.
    pub(super) fn read_dir() -> Option<Vec<RawFd>> {
        let numbers = std::fs::read_dir(DIR).ok()?;
        let numbers = numbers.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let is_stray =
            |number: &RawFd| *number > libc::STDERR_FILENO && is_inheritable(*number) == Some(true);
        Some(numbers.filter(is_stray).collect())
    }
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

    fn inheritable_file() -> std::fs::File {
        let file = tempfile::tempfile().unwrap();
        rustix::io::fcntl_setfd(&file, FdFlags::empty()).unwrap();
        file
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn all_enumerations_find_an_inheritable_descriptor() {
        use std::os::fd::AsRawFd;

        let file = inheritable_file();
        let number = file.as_raw_fd();
        assert!(proc::read_dir().unwrap().contains(&number));
        assert!(range::scan().contains(&number));
        // `None` if other tests have made the numbers sparse, and on old kernels.
        assert!(proc::count_down().is_none_or(|numbers| numbers.contains(&number)));
    }

    #[test]
    fn a_descriptor_that_refers_to_another_file_is_not_closed() {
        use std::os::fd::AsRawFd;

        let file = inheritable_file();
        let number = file.as_raw_fd();
        close_listed(&format!("{number}:0-0,{number},:,x:y,-1:0-0"));
        assert_eq!(is_inheritable(number), Some(true));
        assert!(list().unwrap().contains(&format!("{number}:{}", descriptor_id(&file).unwrap())));
    }
}
