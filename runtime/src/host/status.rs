/// Lifecycle state of a worker, watched by [`Worker::status`](crate::Worker::status).
///
/// The usual order is `Starting -> Connected -> Active -> Closing -> Closed`. A worker that
/// crashes, or announces its end, and is respawned returns to `Starting`. A disconnected worker is
/// `Disconnected` until it is reconnected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// The process is being started or respawned. Calls wait.
    Starting,
    /// The connection exists; the handshake is in progress. Calls wait.
    Connected,
    /// The worker takes calls.
    Active,
    /// The host has ended the connection, and the process lingers. Calls fail. The worker may not
    /// have confirmed yet.
    Disconnected,
    /// The worker is being drained or closed, or has announced its end and is not respawned. New
    /// calls fail.
    Closing,
    /// All processes have ended, or the worker was detached.
    Closed,
}
