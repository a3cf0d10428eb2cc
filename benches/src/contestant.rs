use bytes::Bytes;
use tokio::runtime::Runtime;

use crate::flavor::Flavor;

/// A connection to a child process that echoes bytes.
pub trait Contestant: Sized {
    /// Runs the host's side.
    fn block_on<F: Future>(runtime: &Runtime, future: F) -> F::Output {
        runtime.block_on(future)
    }

    /// Starts the child. If it uses a runtime, the runtime has this flavor.
    async fn start(flavor: Flavor) -> Self;

    /// Sends the bytes and returns the reply. Panics if the call fails: a failed call cannot be
    /// compared.
    async fn echo(&self, data: Bytes) -> Bytes;

    fn pid(&self) -> u32;

    async fn stop(self);
}

/// A contestant with a call that is never answered. Many can be in flight.
pub trait PendingCall: Contestant {
    async fn pending(&self);
}
