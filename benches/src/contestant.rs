//! What is compared: bytes that come back from another process, by one way or another.

mod blocking;
#[cfg(feature = "peers")]
mod capnp;
mod descriptor;
mod empty;
#[cfg(feature = "peers")]
mod ipc_channel;
mod ours;
mod pooled;
mod raw_std;
mod raw_tokio;
mod records;
#[cfg(feature = "peers")]
mod remoc;
mod sealed;
mod spliced;
#[cfg(feature = "peers")]
mod tarpc;
#[cfg(feature = "peers")]
mod tonic;
mod way;
#[cfg(feature = "peers")]
mod zbus;

use bytes::Bytes;
use tokio::runtime::Runtime;

#[cfg(feature = "peers")]
pub use self::{capnp::Capnp, ipc_channel::IpcChannel, remoc::Remoc, tarpc::Tarpc, tonic::Tonic, zbus::Zbus};
pub use empty::{Depth, Eight, Four, Layered, One};
pub use ours::{Choice, Ours, Stack};
pub use pooled::Pooled;
pub use raw_std::RawStd;
pub use raw_tokio::RawTokio;
pub use records::Records;
pub use sealed::Sealed;
pub use spliced::Spliced;
pub use way::{Unasked, Unheard, Usual, Way};

use crate::flavor::Flavor;

/// A child process that echoes bytes, and the way to it.
pub trait Contestant: Sized {
    /// Runs the host's side.
    fn block_on<F: Future>(runtime: &Runtime, future: F) -> F::Output {
        runtime.block_on(future)
    }

    /// Starts the child, on a runtime of this flavor where it has one.
    async fn start(flavor: Flavor) -> Self;

    /// Panics where the call fails: a comparison with one that fails is none.
    async fn echo(&self, data: Bytes) -> Bytes;

    fn pid(&self) -> u32;

    async fn stop(self);
}

/// One that has a call which nobody answers, of which many can be in flight.
pub trait QueueStats: Contestant {
    async fn wait(&self);
}

/// Runs this process as the child of a contestant, where it was started as one.
pub fn serve_if_child() -> bool {
    let mut args = std::env::args().skip(1);
    let (Some(name), Some(flavor)) = (args.next(), args.next()) else { return false };
    let runtime = || Flavor::of(&flavor).runtime();
    match name.as_str() {
        RawStd::CHILD => raw_std::serve(),
        Sealed::CHILD => sealed::serve(),
        Spliced::CHILD => spliced::serve(),
        RawTokio::CHILD => runtime().block_on(raw_tokio::serve()),
        Ours::CHILD => runtime().block_on(ours::serve(args.next().as_deref(), args.next().as_deref())),
        #[cfg(feature = "peers")]
        Capnp::CHILD => Capnp::block_on(&runtime(), capnp::serve()),
        #[cfg(feature = "peers")]
        IpcChannel::CHILD => ipc_channel::serve(),
        #[cfg(feature = "peers")]
        Remoc::CHILD => runtime().block_on(remoc::serve()),
        #[cfg(feature = "peers")]
        Tarpc::CHILD => runtime().block_on(tarpc::serve()),
        #[cfg(feature = "peers")]
        Tonic::CHILD => runtime().block_on(tonic::serve()),
        #[cfg(feature = "peers")]
        Zbus::CHILD => runtime().block_on(zbus::serve()),
        _ => return false,
    }
    true
}
