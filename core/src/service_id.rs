use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Identity of a service: its name and a fingerprint of its messages. The handshake compares the
/// identities of both sides.
///
/// The fingerprint covers the names and types of messages, arguments and replies as written in the
/// source. If host and worker were built from different definitions, the worker fails to start. No
/// value is decoded as the wrong type.
#[derive(Clone, Serialize, Deserialize)]
pub struct Schema {
    service: Cow<'static, str>,
    fingerprint: u64,
    /// Name and fingerprint of each message. Empty if they are not known.
    #[serde(skip)]
    messages: &'static [(&'static str, u32)],
}

impl Schema {
    /// Creates a schema. `#[service]` computes both arguments. If you write it by hand, increment
    /// the fingerprint with each incompatible change.
    pub const fn new(service: &'static str, fingerprint: u64) -> Self {
        Self { service: Cow::Borrowed(service), fingerprint, messages: &[] }
    }

    /// Adds the name and a fingerprint of each message. If two schemas differ, the error of the
    /// handshake then names the messages that do.
    #[must_use]
    pub const fn with_messages(mut self, messages: &'static [(&'static str, u32)]) -> Self {
        self.messages = messages;
        self
    }

    /// Name of the service.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Fingerprint of the messages.
    pub const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Name and fingerprint of each message. Empty if they are not known, as in the schema of a
    /// peer.
    pub const fn messages(&self) -> &'static [(&'static str, u32)] {
        self.messages
    }
}

/// Compares the name of the service and the fingerprint of all messages.
impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        (&self.service, self.fingerprint) == (&other.service, other.fingerprint)
    }
}

impl Eq for Schema {}

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
