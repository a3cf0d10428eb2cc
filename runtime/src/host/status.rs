/// Where a worker is in its life: what [`Worker::status`](crate::Worker::status) watches.
///
/// `Starting -> Connected -> Active -> Closing -> Closed` is the way of a worker that nothing happens to. One that
/// crashes and is started again goes back to `Starting`; one that is disconnected is `Disconnected` until it is reached
/// again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// Its process is being started, for the first time or again. Calls wait.
    Starting,
    /// There is a connection, and the two sides are finding out whether they fit together. Calls wait.
    Connected,
    /// It takes calls.
    Active,
    /// It was left and runs on by itself. Calls fail.
    Disconnected,
    /// It is drained or closed: further calls fail.
    Closing,
    /// Its process is gone, or no longer this host's.
    Closed,
}
