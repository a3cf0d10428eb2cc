use std::fmt;

use serde::{Deserialize, Serialize};

/// Identity of a service: its name and a fingerprint of its messages. The handshake compares the
/// identities of both sides.
///
/// The fingerprint covers the names and types of messages, arguments and replies as written in the
/// source. If host and worker were built from different definitions, the worker fails to start. No
/// value is decoded as the wrong type.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    service: std::borrow::Cow<'static, str>,
    fingerprint: u64,
}

impl Schema {
    /// Creates a schema. `#[service]` computes both arguments. If you write it by hand, increment
    /// the fingerprint with each incompatible change.
    pub const fn new(service: &'static str, fingerprint: u64) -> Self {
        Self { service: std::borrow::Cow::Borrowed(service), fingerprint }
    }

    /// Name of the service.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Fingerprint of the messages.
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
