/// Lifecycle state of a worker, watched by [`Worker::status`](crate::Worker::status).
///
/// The usual order is `Starting -> Connected -> Active -> Closing -> Closed`. A worker that crashes
/// and is respawned returns to `Starting`. A disconnected worker is `Disconnected` until it is
/// reconnected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// The process is being started or respawned. Calls wait.
    Starting,
    /// The connection exists; the handshake is in progress. Calls wait.
    Connected,
    /// The worker takes calls.
    Active,
    /// The connection has ended and the process lingers. Calls fail.
    Disconnected,
    /// The worker is being drained or closed. New calls fail.
    Closing,
    /// The process has ended, or was detached.
    Closed,
}
