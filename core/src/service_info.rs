//! Static descriptions of services, which a worker answers to those who ask what it can do.

use std::time::Duration;

use crate::{Message, Schema, TypeSchema};

/// Description of a service: its documentation and methods. `#[service]` generates it.
///
/// ```
/// use isolated_workers_core::{ArgumentInfo, Message, MethodInfo, Never, Schema, ServiceInfo};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Add { a: i64, b: i64 }
/// # impl Message for Add {
/// #     const NAME: &'static str = "add";
/// #     type Reply = i64;
/// #     type Error = Never;
/// # }
///
/// const ARGUMENTS: &[ArgumentInfo] = &[ArgumentInfo::new("a"), ArgumentInfo::new("b")];
/// const METHODS: &[MethodInfo] = &[MethodInfo::of::<Add>().docs("Adds.").arguments(ARGUMENTS)];
/// let info = ServiceInfo::new(Schema::new("Calculator", 1)).docs("Computes.").methods(METHODS);
/// assert_eq!(info.methods[0].name, "add");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServiceInfo {
    /// Identity of the service.
    pub schema: Schema,
    /// Documentation of the trait. Default: empty.
    pub docs: &'static str,
    /// Methods in the order of their definition. Default: none.
    pub methods: &'static [MethodInfo],
}

impl ServiceInfo {
    /// Creates a description without documentation and methods.
    pub const fn new(schema: Schema) -> Self {
        Self { schema, docs: "", methods: &[] }
    }

    /// Sets the documentation.
    #[must_use]
    pub const fn docs(mut self, docs: &'static str) -> Self {
        self.docs = docs;
        self
    }

    /// Sets the methods.
    #[must_use]
    pub const fn methods(mut self, methods: &'static [MethodInfo]) -> Self {
        self.methods = methods;
        self
    }
}

/// Description of a method.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct MethodInfo {
    /// Name of the message on the wire.
    pub name: &'static str,
    /// Documentation. Default: empty.
    pub docs: &'static str,
    /// Arguments in the order of the message's fields. Default: none.
    pub arguments: &'static [ArgumentInfo],
    /// Type of the reply. Default: not known.
    pub reply: Option<TypeSchema>,
    /// Type of the method's own error. Default: not known, or there is none.
    pub error: Option<TypeSchema>,
    /// Type of the items that the callee sends. Default: not known, or there are none.
    pub items: Option<TypeSchema>,
    /// Items that the caller sends. Default: none.
    pub takes: Option<ArgumentInfo>,
    /// `true` if the method returns a stream. Default: `false`.
    pub streams: bool,
    /// `true` if no answer is sent.
    pub oneway: bool,
    /// `true` if the message may run twice without harm.
    pub idempotent: bool,
    /// `true` if the handler runs on a blocking thread. Default: `false`.
    pub blocking: bool,
    /// Timeout of a call. `None` uses that of the host.
    pub timeout: Option<Duration>,
}

impl MethodInfo {
    /// Creates the description of the method that answers the message `M`.
    pub const fn of<M: Message>() -> Self {
        Self {
            name: M::NAME,
            docs: "",
            arguments: &[],
            reply: None,
            error: None,
            items: None,
            takes: None,
            streams: false,
            oneway: M::ONEWAY,
            idempotent: M::IDEMPOTENT,
            blocking: false,
            timeout: M::TIMEOUT,
        }
    }

    /// Sets the documentation.
    #[must_use]
    pub const fn docs(mut self, docs: &'static str) -> Self {
        self.docs = docs;
        self
    }

    /// Sets the arguments.
    #[must_use]
    pub const fn arguments(mut self, arguments: &'static [ArgumentInfo]) -> Self {
        self.arguments = arguments;
        self
    }

    /// Sets the type of the reply.
    #[must_use]
    pub const fn reply(mut self, schema: TypeSchema) -> Self {
        self.reply = Some(schema);
        self
    }

    /// Sets the type of the method's own error.
    #[must_use]
    pub const fn error(mut self, schema: TypeSchema) -> Self {
        self.error = Some(schema);
        self
    }

    /// Says that the method returns a stream.
    #[must_use]
    pub const fn streams(mut self) -> Self {
        self.streams = true;
        self
    }

    /// Sets the type of the items of the stream that the method returns.
    #[must_use]
    pub const fn items(mut self, schema: TypeSchema) -> Self {
        self.items = Some(schema);
        self
    }

    /// Sets the items that the caller sends.
    #[must_use]
    pub const fn takes(mut self, items: ArgumentInfo) -> Self {
        self.takes = Some(items);
        self
    }

    /// Says that the handler runs on a blocking thread.
    #[must_use]
    pub const fn blocking(mut self) -> Self {
        self.blocking = true;
        self
    }
}

/// Description of an argument, or of the items of a caller.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ArgumentInfo {
    /// Name of the argument.
    pub name: &'static str,
    /// Type of the argument, or of an item. Default: not known.
    pub schema: Option<TypeSchema>,
    /// `true` if a message without it cannot be decoded, in a codec with names of fields. Default:
    /// `true`.
    pub required: bool,
}

impl ArgumentInfo {
    /// Creates the description of a required argument.
    pub const fn new(name: &'static str) -> Self {
        Self { name, schema: None, required: true }
    }

    /// Says that the argument may be missing.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.required = false;
        self
    }

    /// Sets the type.
    #[must_use]
    pub const fn schema(mut self, schema: TypeSchema) -> Self {
        self.schema = Some(schema);
        self
    }
}
