//! Writes to a broken pipe that return an error and send no signal.
//!
//! Sockets have a flag for that, and macOS has one for pipes. Elsewhere the thread blocks SIGPIPE
//! while it writes and removes the signal that the write has raised. The signal's action belongs to
//! the whole program, so it stays as it is.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::AsFd;
use std::task::Poll;

/// Keeps writes to one pipe from sending SIGPIPE.
#[derive(Clone, Copy, Debug)]
pub(in crate::unix) struct SigpipeGuard {
    /// `false` if this program ignores the signal, as Rust programs do by default: writes then need
    /// no further system call.
    #[cfg_attr(target_vendor = "apple", expect(dead_code, reason = "the pipe itself has a flag"))]
    is_needed: bool,
}

#[cfg(not(target_vendor = "apple"))]
impl SigpipeGuard {
    /// Returns the guard for a pipe, according to the signal's present action.
    pub(in crate::unix) fn new(_: impl AsFd) -> Self {
        Self { is_needed: !is_ignored() }
    }

    /// Calls `write`, which writes at most once.
    #[inline]
    pub(in crate::unix) fn run<T>(self, write: impl FnOnce() -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if self.is_needed { blocked::run(write) } else { write() }
    }
}

#[cfg(target_vendor = "apple")]
impl SigpipeGuard {
    /// Sets the flag of the pipe.
    pub(in crate::unix) fn new(pipe: impl AsFd) -> Self {
        use std::os::fd::AsRawFd;
        // SAFETY: the descriptor is open while it is borrowed, and the call takes a number. It does
        // not fail for a pipe.
        unsafe { libc::fcntl(pipe.as_fd().as_raw_fd(), libc::F_SETNOSIGPIPE, 1) };
        Self { is_needed: false }
    }

    /// Calls `write`.
    #[inline]
    pub(in crate::unix) fn run<T>(self, write: impl FnOnce() -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        write()
    }
}

#[cfg(not(target_vendor = "apple"))]
fn is_ignored() -> bool {
    // SAFETY: the structure is plain data. The call only fills it in, and does not fail for this
    // signal.
    unsafe {
        let mut action = std::mem::zeroed::<libc::sigaction>();
        libc::sigaction(libc::SIGPIPE, std::ptr::null(), &raw mut action);
        action.sa_sigaction == libc::SIG_IGN
    }
}

/// Blocks the signal around a write.
#[cfg(not(target_vendor = "apple"))]
mod blocked {
    use std::io;
    use std::mem::MaybeUninit;
    use std::ptr::null_mut;
    use std::task::Poll;

    type SignalSet = libc::sigset_t;

    #[cold]
    pub(super) fn run<T>(write: impl FnOnce() -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let blocked = Blocked::new();
        let written = write();
        if matches!(&written, Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe) {
            blocked.remove_raised();
        }
        written
    }

    /// The signal, blocked on this thread until the value is dropped.
    struct Blocked {
        before: SignalSet,
        /// `true` if a signal from elsewhere was pending. It merges with that of the write, and
        /// stays.
        was_pending: bool,
    }

    impl Blocked {
        fn new() -> Self {
            let mut before = MaybeUninit::uninit();
            // SAFETY: both sets live until the call returns, which fills in `before`. It does not
            // fail for these arguments.
            let before = unsafe {
                libc::pthread_sigmask(libc::SIG_BLOCK, &sigpipe(), before.as_mut_ptr());
                before.assume_init()
            };
            let was_pending = contains(&before) && contains(&pending());
            Self { before, was_pending }
        }

        /// Removes the signal that a write to a broken pipe has raised on this thread.
        fn remove_raised(&self) {
            if self.was_pending {
                return;
            }
            let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            // SAFETY: set and time live until the call returns. It does not wait.
            while unsafe { libc::sigtimedwait(&sigpipe(), null_mut(), &now) } == -1
                && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
            {}
        }
    }

    impl Drop for Blocked {
        fn drop(&mut self) {
            // SAFETY: the set lives until the call returns, and was filled in by the system.
            unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, null_mut()) };
        }
    }

    fn sigpipe() -> SignalSet {
        let mut set = MaybeUninit::uninit();
        // SAFETY: the first call initializes the set, and the second gets an initialized one.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            libc::sigaddset(set.as_mut_ptr(), libc::SIGPIPE);
            set.assume_init()
        }
    }

    fn pending() -> SignalSet {
        let mut set = MaybeUninit::uninit();
        // SAFETY: the first call initializes the set, which the second overwrites.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            libc::sigpending(set.as_mut_ptr());
            set.assume_init()
        }
    }

    /// Returns `true` if the signal is blocked on this thread, and `true` if it is pending.
    #[cfg(test)]
    pub(super) fn state() -> (bool, bool) {
        let blocked = Blocked::new();
        (contains(&blocked.before), contains(&pending()))
    }

    fn contains(set: &SignalSet) -> bool {
        // SAFETY: the set is initialized.
        unsafe { libc::sigismember(set, libc::SIGPIPE) == 1 }
    }
}

#[cfg(all(test, not(target_vendor = "apple")))]
mod tests {
    use std::io::Write;

    use super::*;

    fn write_to_broken_pipe(guard: SigpipeGuard) -> io::Error {
        let (reader, mut writer) = io::pipe().unwrap();
        drop(reader);
        match guard.run(|| Poll::Ready(writer.write(b"x"))) {
            Poll::Ready(Err(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_signal_of_a_broken_pipe_is_neither_delivered_nor_left_pending() {
        // A program may have another action than the test runner.
        let guard = SigpipeGuard { is_needed: true };
        for _ in 0..2 {
            assert_eq!(write_to_broken_pipe(guard).kind(), io::ErrorKind::BrokenPipe);
            assert_eq!(blocked::state(), (false, false));
        }
    }

    #[test]
    fn rust_programs_ignore_the_signal_and_need_no_guard() {
        assert!(!SigpipeGuard::new(io::stderr()).is_needed);
    }
}
