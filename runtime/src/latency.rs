use std::time::Duration;

use isolated_workers_core::{Error, ErrorKind};

/// Time for which one side of a connection looks for input before its thread sleeps.
///
/// An idle thread takes some 20 µs to wake, which is several times what a short call takes
/// otherwise. After a call was sent, a request was answered, or input has arrived, the connection
/// therefore yields its core a few times and looks for input in between, until this time has
/// passed. Other threads run meanwhile, and so do the other tasks of the runtime. Each side decides
/// for itself: [`Builder::latency`](crate::Builder::latency) on the host,
/// [`Serve::latency`](crate::Serve::latency) in the worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Latency {
    /// Sleeps at once. No CPU time is spent on waiting. For a machine that runs on a battery, or
    /// whose cores have more work than they can do.
    Frugal,
    /// Looks for input for at most 20 µs, and only while that succeeds: after a time that has
    /// passed in vain, some occasions are passed over, up to 64 in a row. The default.
    #[default]
    Balanced,
    /// Looks for input for this time on every occasion. At most 10 ms. For a call whose latency
    /// matters more than CPU time, to a handler that takes longer than 20 µs.
    Spin(Duration),
}

impl Latency {
    /// Maximum of [`Spin`](Self::Spin).
    pub const MAX_SPIN: Duration = Duration::from_millis(10);

    /// Checks that the time is in its valid range.
    pub(crate) fn check(self) -> Result<(), Error> {
        match self {
            Self::Spin(time) if time > Self::MAX_SPIN => {
                let max = Self::MAX_SPIN;
                let text = format!("invalid Latency: Spin({time:?}) is more than {max:?}; set at most that");
                Err(Error::new(ErrorKind::Config, text))
            }
            _ => Ok(()),
        }
    }
}
