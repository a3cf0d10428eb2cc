use bytes::Bytes;
use isolated_workers_core::{Limits, Services};

use crate::{Heartbeat, Latency, OnCrash, OnTimeout, Timeouts};

/// Settings of a worker on its host.
pub(crate) struct HostSettings {
    pub(crate) timeouts: Timeouts,
    pub(crate) limits: Limits,
    /// Services that each process must serve.
    pub(crate) services: Services,
    pub(crate) handshake: bool,
    pub(crate) on_crash: OnCrash,
    pub(crate) on_timeout: OnTimeout,
    pub(crate) heartbeat: Option<Heartbeat>,
    pub(crate) latency: Latency,
    /// `true` if calls may carry descriptors.
    pub(crate) descriptors: bool,
    /// Confinement of each process.
    #[cfg(feature = "sandbox")]
    pub(crate) sandbox: Option<crate::sandbox::Sandbox>,
    /// Encoded startup data, sent to each process.
    pub(crate) startup: Option<Bytes>,
}
