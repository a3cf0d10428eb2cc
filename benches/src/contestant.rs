//! What is compared: bytes that come back from another process, by one way or another.

#[cfg(feature = "peers")]
mod ipc_channel;
mod ours;
mod pooled;
mod raw_std;
mod raw_tokio;
#[cfg(feature = "peers")]
mod tarpc;
#[cfg(feature = "peers")]
mod zbus;

use bytes::Bytes;

#[cfg(feature = "peers")]
pub use self::{ipc_channel::IpcChannel, tarpc::Tarpc, zbus::Zbus};
pub use ours::Ours;
pub use pooled::Pooled;
pub use raw_std::RawStd;
pub use raw_tokio::RawTokio;

use crate::flavor::Flavor;

/// A child process that echoes bytes, and the way to it.
pub trait Contestant: Sized {
    /// Starts the child, on a runtime of this flavor where it has one.
    async fn start(flavor: Flavor) -> Self;

    /// Panics where the call fails: a comparison with one that fails is none.
    async fn echo(&self, data: Bytes) -> Bytes;

    fn pid(&self) -> u32;

    async fn stop(self);
}

/// Runs this process as the child of a contestant, where it was started as one.
pub fn serve_if_child() -> bool {
    let mut args = std::env::args().skip(1);
    let (Some(name), Some(flavor)) = (args.next(), args.next()) else { return false };
    match name.as_str() {
        RawStd::CHILD => raw_std::serve(),
        RawTokio::CHILD => Flavor::of(&flavor).runtime().block_on(raw_tokio::serve()),
        Ours::CHILD => Flavor::of(&flavor).runtime().block_on(ours::serve()),
        #[cfg(feature = "peers")]
        IpcChannel::CHILD => ipc_channel::serve(),
        #[cfg(feature = "peers")]
        Tarpc::CHILD => Flavor::of(&flavor).runtime().block_on(tarpc::serve()),
        #[cfg(feature = "peers")]
        Zbus::CHILD => Flavor::of(&flavor).runtime().block_on(zbus::serve()),
        _ => return false,
    }
    true
}
