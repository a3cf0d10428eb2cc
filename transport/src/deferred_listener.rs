use std::{fmt, io};

use crate::Cleanup;

type Open = dyn FnMut() -> io::Result<(String, Cleanup)> + Send;

/// A listener that gets its name only when the host wants to reach the worker again.
///
/// A listener needs a name in the file system or a similar resource. Few hosts ever disconnect from
/// a worker, so nothing is created before [`open`](Self::open).
pub struct DeferredListener(Box<Open>);

impl DeferredListener {
    /// Returns a listener that `open` opens.
    ///
    /// `open` returns the address for [`Reconnect::dial`](crate::Reconnect::dial), and the cleanup
    /// to run once the worker is gone. It may be called again after it has failed.
    pub fn new(open: impl FnMut() -> io::Result<(String, Cleanup)> + Send + 'static) -> Self {
        Self(Box::new(open))
    }

    /// Opens the listener. From now on the worker can be dialed; it accepts the new connection once
    /// the current one has ended.
    ///
    /// # Errors
    /// Returns an error if the listener could not be opened. The current connection stays open.
    pub fn open(&mut self) -> io::Result<(String, Cleanup)> {
        (self.0)()
    }
}

impl fmt::Debug for DeferredListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeferredListener").finish_non_exhaustive()
    }
}
