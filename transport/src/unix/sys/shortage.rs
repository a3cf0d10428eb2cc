//! Shortages of a resource of the system, such as descriptors or memory. They pass: whoever holds
//! the resource releases it, and the attempt is repeated.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::io::Errno;
use tokio::runtime::Handle;
use tokio::time::{Sleep, sleep};

/// Pause before the next attempt. No event reports the end of a shortage.
const PAUSE: Duration = Duration::from_millis(5);

/// Pause in the repetition of a system call during a shortage.
#[derive(Debug, Default)]
pub(in crate::unix) struct ShortagePause(Option<Pin<Box<Sleep>>>);

impl ShortagePause {
    /// Starts a pause if `error` is a shortage, and returns any other error.
    ///
    /// The timer belongs to `runtime`: the task that polls may run on another runtime, or on none.
    pub(in crate::unix) fn start(&mut self, error: io::Error, runtime: &Handle) -> io::Result<()> {
        if !is_shortage(&error) {
            return Err(error);
        }
        let _guard = runtime.enter();
        self.0 = Some(Box::pin(sleep(PAUSE)));
        Ok(())
    }

    /// Waits for the end of the pause. Returns at once if there is none.
    #[inline]
    pub(in crate::unix) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(pause) = &mut self.0 {
            ready!(pause.as_mut().poll(cx));
            self.0 = None;
        }
        Poll::Ready(())
    }
}

fn is_shortage(error: &io::Error) -> bool {
    // NOSPC: the user may register no more descriptors (`fs.epoll.max_user_watches`).
    // TOOMANYREFS: the user has sent too many descriptors that were not received yet.
    let shortages =
        [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::NOSPC, Errno::TOOMANYREFS];
    error.raw_os_error().is_some_and(|code| shortages.iter().any(|shortage| shortage.raw_os_error() == code))
}
