//! A refused system call that ends its process: the process writes the number to its standard
//! error, where its host finds it.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::ptr::null_mut;

use super::calls;

/// Line before the number in the standard error.
const PREFIX: &str = "isolated-workers: the sandbox refuses the system call ";

/// `si_code` of a signal that a filter sends (`SYS_SECCOMP`).
const FROM_FILTER: i32 = 1;

/// Makes this process report a SIGSYS and die from it. To be called before the filter is installed,
/// which forbids to replace the handler.
pub(super) fn report_before_death() {
    // SAFETY: the handler has the signature that `SA_SIGINFO` requires, and calls only functions that
    // are safe in a signal handler. A zeroed `sigaction` is valid: its mask is empty.
    unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = report as extern "C" fn(_, _, _) as usize;
        // The second signal has the default action, which ends the process.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESETHAND | libc::SA_NODEFER;
        libc::sigaction(libc::SIGSYS, &action, null_mut());
    }
}

extern "C" fn report(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid `siginfo_t`, which has 128 bytes. For a signal of a filter, the
    // number of the call follows the address of the call, which follows the three leading numbers.
    let number = unsafe {
        match (*info).si_code {
            FROM_FILTER => Some(info.cast::<i32>().add(4 + size_of::<usize>() / 4).read()),
            _ => None,
        }
    };
    if let Some(number) = number {
        let mut line = Line { bytes: [0; 96], length: 0 };
        line.append(PREFIX.as_bytes());
        line.append_number(number.cast_unsigned());
        line.append(b"\n");
        // SAFETY: the bytes are initialized, and as many as the length says.
        unsafe { libc::write(libc::STDERR_FILENO, line.bytes.as_ptr().cast(), line.length) };
    }
    // SAFETY: takes a number. The signal has its default action again.
    unsafe { libc::raise(signal) };
}

/// Text that is built without allocations.
struct Line {
    bytes: [u8; 96],
    length: usize,
}

impl Line {
    fn append(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if let Some(free) = self.bytes.get_mut(self.length) {
                *free = byte;
                self.length += 1;
            }
        }
    }

    fn append_number(&mut self, number: u32) {
        let mut divisor = 1_000_000_000;
        let mut is_leading = true;
        while divisor > 0 {
            let digit = number / divisor % 10;
            is_leading &= digit == 0 && divisor > 1;
            if !is_leading {
                self.append(&[b'0' + u8::try_from(digit).unwrap_or_default()]);
            }
            divisor /= 10;
        }
    }
}

/// Finds the reported call in a standard error. Returns its name, or its number if it has no known
/// one.
pub(super) fn find(stderr: &str) -> Option<String> {
    let line = stderr.lines().rev().find_map(|line| line.strip_prefix(PREFIX))?;
    let number: u32 = line.trim_end().parse().ok()?;
    Some(calls::name(number.into()).map_or_else(|| number.to_string(), |name| format!("{name} ({number})")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reported_call_is_found_and_named() {
        for (number, text) in [(0, "0"), (7, "7"), (101, "101"), (u32::MAX, "4294967295")] {
            let mut line = Line { bytes: [0; 96], length: 0 };
            line.append_number(number);
            assert_eq!(&line.bytes[..line.length], text.as_bytes());
        }
        let stderr = |number: i64| format!("hello\n{PREFIX}{number}\n");
        let ptrace = find(&stderr(libc::SYS_ptrace)).unwrap();
        assert_eq!(ptrace, format!("ptrace ({})", libc::SYS_ptrace));
        assert_eq!(find(&stderr(9999)).as_deref(), Some("9999"));
        assert_eq!(find("hello"), None);
        assert_eq!(find(&format!("{PREFIX}many")), None);
    }
}
