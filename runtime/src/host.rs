//! The host's side: starts workers, calls them and shuts them down.

pub(crate) mod attempts;
pub(crate) mod builder;
pub(crate) mod callbacks;
#[cfg(feature = "sandbox")]
mod confinement;
pub(crate) mod crash_policy;
mod heartbeat;
pub(crate) mod settings;
pub(crate) mod starter;
mod status;
pub(crate) mod supervisor;
mod worker;

pub use self::builder::Builder;
pub use self::callbacks::{HostHandler, NoCallbacks};
pub use self::crash_policy::OnCrash;
pub use self::heartbeat::Heartbeat;
pub use self::status::Status;
pub use self::worker::Worker;
