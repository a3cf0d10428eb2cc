//! Document that says what a worker can do.

use isolated_workers_core::{Error, ErrorKind};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a worker can do: its services with their methods, its codecs, features and limits.
///
/// The book's page "Describe a worker" specifies the JSON document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Description {
    /// Version of the protocol, and of this document.
    #[serde(rename = "isolated-workers")]
    pub protocol: u32,
    /// Version of isolated-workers.
    #[serde(default)]
    pub build: String,
    /// Process id of the worker.
    #[serde(default)]
    pub pid: u32,
    /// Codecs that the worker offers.
    #[serde(default)]
    pub codecs: Vec<String>,
    /// Features that the worker announces.
    #[serde(default)]
    pub features: Vec<String>,
    /// Limits of what the worker receives.
    #[serde(default)]
    pub limits: DescribedLimits,
    /// Protections that confine the worker, as it announces them. `None` if it is not confined.
    #[serde(default)]
    pub sandbox: Option<String>,
    /// Services of the worker, the default first.
    pub services: Vec<DescribedService>,
    /// Names of the services that the worker requires of its host.
    #[serde(default)]
    pub host_services: Vec<String>,
    /// Schemas of named types, to which the other schemas refer with `#/$defs/Name`.
    #[serde(rename = "$defs", default)]
    pub definitions: Map<String, Value>,
}

/// Limits of a described worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DescribedLimits {
    /// Maximum size of a frame in bytes.
    #[serde(default)]
    pub frame_bytes: u64,
    /// Maximum size of the metadata in a frame in bytes.
    #[serde(default)]
    pub metadata_bytes: u64,
}

/// Service of a described worker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DescribedService {
    /// Name of the service.
    pub name: String,
    /// Documentation of the service. Empty if there is none.
    #[serde(default)]
    pub docs: String,
    /// Fingerprint that the handshake compares, as 16 hexadecimal digits.
    #[serde(default)]
    pub fingerprint: String,
    /// Methods in the order of their definition. Empty if they are not known, because the handler
    /// was written by hand.
    #[serde(default)]
    pub methods: Vec<DescribedMethod>,
}

/// Method of a described service. A schema is JSON Schema 2020-12, and `None` if it is not known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DescribedMethod {
    /// Name of the message on the wire.
    pub name: String,
    /// Documentation of the method. Empty if there is none.
    #[serde(default)]
    pub docs: String,
    /// Arguments in the order of the definition.
    #[serde(default)]
    pub arguments: Vec<DescribedArgument>,
    /// Schema of the reply.
    #[serde(default)]
    pub reply: Option<Value>,
    /// Schema of the method's own error.
    #[serde(default)]
    pub error: Option<Value>,
    /// Schema of the items that the worker sends.
    #[serde(default)]
    pub items: Option<Value>,
    /// Schema of the reply as a host reads it, if it is not the one that a worker writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_read: Option<Value>,
    /// Schema of the error as a host reads it, if it is not the one that a worker writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_read: Option<Value>,
    /// Schema of the items as a host reads it, if it is not the one that a worker writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items_read: Option<Value>,
    /// Items that the caller sends.
    #[serde(default)]
    pub takes: Option<DescribedArgument>,
    /// `true` if the reply is a stream of items.
    #[serde(default)]
    pub streams: bool,
    /// `true` if no answer is sent.
    #[serde(default)]
    pub oneway: bool,
    /// `true` if the message may run twice without harm.
    #[serde(default)]
    pub idempotent: bool,
    /// `true` if the handler runs on a blocking thread.
    #[serde(default)]
    pub blocking: bool,
    /// Timeout of a call in milliseconds. `None` if the host decides.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// Hash of the definition of the method, hexadecimal. Methods with the same hash have the same
    /// definition. Empty if it is not known.
    #[serde(default)]
    pub hash: String,
}

/// Argument of a described method, or the items of its caller.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DescribedArgument {
    /// Name of the argument.
    pub name: String,
    /// Schema of the argument, or of an item. `None` if it is not known.
    #[serde(default)]
    pub schema: Option<Value>,
    /// Schema of the argument as a host writes it, if it is not the one that a worker reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<Value>,
    /// `true` if the argument may not be missing, in a codec with names of fields.
    #[serde(default = "is_required")]
    pub required: bool,
}

fn is_required() -> bool {
    true
}

impl Description {
    /// Reads a description.
    ///
    /// # Errors
    /// `Decode` if the text is no description.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(|error| {
            let remedy = "check that the worker answers the reserved service as docs/wire.md says";
            Error::new(
                ErrorKind::Decode,
                format!("could not read the description of a worker: {error}; {remedy}"),
            )
        })
    }

    /// Returns the JSON document, indented.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a description holds only strings, numbers and JSON")
    }

    /// Returns the service of this name.
    pub fn service(&self, name: &str) -> Option<&DescribedService> {
        self.services.iter().find(|service| service.name == name)
    }
}

impl DescribedService {
    /// Returns the method of this name.
    pub fn method(&self, name: &str) -> Option<&DescribedMethod> {
        self.methods.iter().find(|method| method.name == name)
    }
}
