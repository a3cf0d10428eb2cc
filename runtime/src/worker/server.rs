use tokio::sync::watch;

/// Handle of a serving worker, from [`Serve::start`](crate::Serve::start). Clones control the same
/// worker.
#[derive(Clone, Debug)]
pub struct Server(watch::Sender<bool>);

impl Server {
    pub(super) fn new() -> (Self, watch::Receiver<bool>) {
        let (stop, stopped) = watch::channel(false);
        (Self(stop), stopped)
    }

    /// Drains the worker: it sends a go-away and answers the calls in flight, then serving ends
    /// with `Ok`. Does nothing if the worker was stopped before.
    pub fn stop(&self) {
        self.stop_first();
    }

    /// Returns `true` until the future of [`Serve::start`](crate::Serve::start) has ended or is
    /// dropped.
    pub fn is_running(&self) -> bool {
        !self.0.is_closed()
    }

    /// Stops the worker. Returns `false` if it was already stopped or has ended.
    pub(super) fn stop_first(&self) -> bool {
        self.is_running() && self.0.send_if_modified(|stopped| !std::mem::replace(stopped, true))
    }
}
