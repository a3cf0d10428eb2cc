use std::fmt;

use serde::{Deserialize, Serialize};

/// What a service is called and what it looks like, compared in the handshake.
///
/// The fingerprint covers the names and types of messages, arguments and replies as they are written in the source,
/// so that a host and a worker that were built from different definitions find out at the start and not by a value
/// that decodes wrongly.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    service: std::borrow::Cow<'static, str>,
    fingerprint: u64,
}

impl Schema {
    /// A schema of this name and fingerprint. `#[service]` computes both; by hand, count the fingerprint up with
    /// each change that the other side must know of.
    pub const fn new(service: &'static str, fingerprint: u64) -> Self {
        Self { service: std::borrow::Cow::Borrowed(service), fingerprint }
    }

    /// The name of the service.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The fingerprint of its messages.
    pub const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:016x})", self.service, self.fingerprint)
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schema({self})")
    }
}
