use std::fmt::{Debug, Display};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Something that a host can ask of a worker: a name, a payload (the type itself) and the reply it gets.
///
/// `#[service]` writes these; by hand it is:
///
/// ```
/// use isolated_workers_core::{Message, Never};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Add {
///     a: i64,
///     b: i64,
/// }
///
/// impl Message for Add {
///     const NAME: &'static str = "add";
///     type Reply = i64;
///     type Error = Never;
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a message",
    note = "declare it as a method of a `#[service]` trait, or implement `Message` for it by hand"
)]
pub trait Message: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What the message is called on the wire; unique within its service.
    const NAME: &'static str;
    /// What a successful call returns.
    type Reply: Serialize + DeserializeOwned + Send + 'static;
    /// What the handler itself may fail with; [`Never`] where it cannot.
    type Error: ServiceError;
    /// Whether the caller waits for no reply: the worker sends none, not even an error. Default: `false`.
    const ONEWAY: bool = false;
    /// How long a call may take: `None` (the default) for what the worker's builder says, zero for no limit.
    const TIMEOUT: Option<Duration> = None;
    /// How many times the message may be run again after its worker crashed: 0, the default, for what the worker's
    /// builder says. Anything else says that the message is idempotent.
    const RETRY: u32 = 0;
    /// Whether the message can be run twice without harm. Default: where [`RETRY`](Self::RETRY) is not 0.
    const IDEMPOTENT: bool = Self::RETRY > 0;
}

/// What a handler may fail with: any error that can travel and be read.
///
/// Implemented for every type that can; a type from `thiserror`, or `String`, will do.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a method",
    note = "it travels and is read: it needs `Serialize`, `Deserialize`, `Display` and `Debug`, and owns its data"
)]
pub trait ServiceError: Serialize + DeserializeOwned + Display + Debug + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<E: Serialize + DeserializeOwned + Display + Debug + Send + Sync + 'static> ServiceError for E {}

/// The error of a message that has none of its own. No value of it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Never {}

impl Display for Never {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {}
    }
}

impl std::error::Error for Never {}
