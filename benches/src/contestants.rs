//! The contestants: connections to a child process that echoes bytes, one file each. `blocking` and
//! `scm_rights` are shared by several of them.

mod blocking;
mod blocking_client;
#[cfg(feature = "peers")]
mod capnp;
mod empty_layers;
#[cfg(feature = "peers")]
mod ipc_channel;
mod noise;
mod ours;
mod pooled;
mod raw_std;
mod raw_std_streams;
mod raw_tokio;
mod raw_tokio_streams;
mod records;
#[cfg(feature = "peers")]
mod remoc;
mod scm_rights;
mod sealed_memory;
mod serving_host;
mod spliced_pages;
mod start_options;
#[cfg(feature = "peers")]
mod tarpc;
#[cfg(feature = "peers")]
mod tonic;
#[cfg(feature = "peers")]
mod vox;
#[cfg(feature = "peers")]
mod zbus;

#[cfg(feature = "peers")]
pub use self::{
    capnp::Capnp, ipc_channel::IpcChannel, remoc::Remoc, tarpc::Tarpc, tonic::Tonic, vox::Vox, zbus::Zbus,
};
pub use blocking_client::BlockingClient;
pub use empty_layers::{Depth, Eight, Four, Layered, One};
pub use noise::Noise;
pub use ours::{CodecChoice, Ours, Stack};
pub use pooled::Pooled;
pub use raw_std::{RawStd, RawStdRecords};
pub use raw_std_streams::RawStdStreams;
pub use raw_tokio::RawTokio;
pub use raw_tokio_streams::RawTokioStreams;
pub use records::Records;
pub use sealed_memory::Sealed;
pub use serving_host::ServingHost;
pub use spliced_pages::Spliced;
pub use start_options::{
    Confined, ConfinedByLauncher, CrashOnly, DefaultOptions, Frugal, StartOptions, WithoutHandshake,
    WithoutStderrCapture,
};

#[cfg(feature = "peers")]
use crate::contestant::Contestant;
use crate::flavor::Flavor;

/// Serves if this process was started as the child of a contestant. Returns `false` if not.
pub fn serve_if_child() -> bool {
    let mut args = std::env::args().skip(1);
    let (Some(name), Some(flavor)) = (args.next(), args.next()) else { return false };
    let runtime = || Flavor::from_name(&flavor).runtime();
    match name.as_str() {
        RawStd::CHILD => raw_std::serve(),
        RawStdRecords::CHILD => raw_std::serve_records(),
        RawStdStreams::CHILD => raw_std_streams::serve(),
        Sealed::CHILD => sealed_memory::serve(),
        Spliced::CHILD => spliced_pages::serve(),
        RawTokio::CHILD => runtime().block_on(raw_tokio::serve()),
        RawTokioStreams::CHILD => runtime().block_on(raw_tokio_streams::serve()),
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
        Vox::CHILD => runtime().block_on(vox::serve()),
        #[cfg(feature = "peers")]
        Zbus::CHILD => runtime().block_on(zbus::serve()),
        _ => return false,
    }
    true
}
