use std::time::Instant;

use bytes::Bytes;
use tokio::runtime::Runtime;

use crate::flavor::Flavor;
use crate::items::Items;
use crate::service::Record;

/// A connection to a child process that echoes bytes.
pub trait Contestant: Sized {
    /// Runs the host's side.
    fn block_on<F: Future>(runtime: &Runtime, future: F) -> F::Output {
        runtime.block_on(future)
    }

    /// Starts the child. If it uses a runtime, the runtime has this flavor.
    async fn start(flavor: Flavor) -> Self;

    /// Returns a body of this size in bytes.
    fn body(bytes: usize) -> Bytes {
        vec![7; bytes].into()
    }

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

/// A contestant that also echoes a struct of ten fields.
pub trait Describe: Contestant {
    /// Sends the record and returns the reply. Panics if the call fails.
    async fn describe(&self, record: Record) -> Record;
}

/// A contestant with streams of items in both directions.
pub trait Streams: Contestant {
    /// Receives items that the child sends. Returns the time of the first one, after the end of the
    /// stream.
    async fn receive(&self, items: Items) -> Instant;

    /// Sends items, and returns once the child has taken all of them.
    async fn send(&self, items: Items);

    /// Makes one call whose handler calls `echo` of this host with 64 bytes, this often and one
    /// callback after the other. Panics if the contestant has no callbacks.
    async fn call_back(&self, calls: u32);
}
