use std::fmt::{Debug, Display};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Schema, Sendable, Value};

/// Typed message of a service, with its name, reply and error. The type itself is the payload.
///
/// `#[service]` generates the implementations. A manual implementation:
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
pub trait Message: Serialize + DeserializeOwned + 'static {
    /// Name of the message on the wire, unique within its service.
    const NAME: &'static str;
    /// Reply of a successful call.
    type Reply: Value;
    /// Error of the handler. [`Never`] if the handler cannot fail.
    type Error: ServiceError;
    /// `true` if the message has no reply, not even an error. Default: `false`.
    const ONEWAY: bool = false;
    /// Timeout of a call. `None`, the default, uses the timeout set on the worker's builder. Zero
    /// means no limit.
    const TIMEOUT: Option<Duration> = None;
    /// Maximum number of retries after a crash of the worker. 0, the default, uses the number set
    /// on the worker's builder. Any other number makes [`IDEMPOTENT`](Self::IDEMPOTENT) default to
    /// `true`.
    const RETRY: u32 = 0;
    /// `true` if the message may run twice without harm. Default: `true` if [`RETRY`](Self::RETRY)
    /// is not 0.
    const IDEMPOTENT: bool = Self::RETRY > 0;
    /// Identity of the service that the message belongs to. A callee that serves several services
    /// chooses by it. `None`, the default, is the callee's default service. A `static`, so that two
    /// messages of a service share it:
    ///
    /// ```
    /// # use isolated_workers_core::Schema;
    /// static CALCULATOR: Schema = Schema::new("Calculator", 1);
    /// const SERVICE: Option<&'static Schema> = Some(&CALCULATOR);
    /// ```
    const SERVICE: Option<&'static Schema> = None;

    /// Converts the message to a form that can be moved to another thread, on which a large message
    /// is encoded. Messages of a `#[service]` do it. Default: an error.
    ///
    /// ```
    /// # use isolated_workers_core::{Message, Never, Sendable};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Store { records: Vec<u64> }
    /// # impl Message for Store {
    /// #     const NAME: &'static str = "store";
    /// #     type Reply = ();
    /// #     type Error = Never;
    /// fn into_sendable(self) -> Result<Sendable<Self>, Self> {
    ///     Ok(Box::new(|| self))
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// Returns the message if it must stay on its thread. It is then encoded there, whatever its
    /// size.
    // Not a bound `Send`: the compiler would report an argument that is not `Send` a second time.
    fn into_sendable(self) -> Result<Sendable<Self>, Self> {
        Err(self)
    }
}

/// Message of which the caller sends items besides it.
///
/// `#[service]` implements it for a method with an argument of the type `Streaming<Item>`.
pub trait RequestStream: Message {
    /// Item of the caller.
    type Item: Value;
}

/// Message that is answered with a stream of items.
///
/// `#[service]` implements it for a method that returns `impl Stream<Item = Item>` or
/// `impl Stream<Item = Result<Item, Error>>`. The first error ends the stream. The reply after the
/// last item is empty.
pub trait ReplyStream: Message<Reply = ()> {
    /// Item of the callee.
    type Item: Value;
    /// Maximum time that a caller waits for the next item, after the first one. `None`, the
    /// default, means no limit. The [`TIMEOUT`](Message::TIMEOUT) of the message includes the whole
    /// stream, and so the wait for the first item.
    const IDLE: Option<Duration> = None;
}

/// Error of a handler: any type that can be serialized and displayed.
///
/// Implemented for every such type, for example a `thiserror` type or `String`. Code that is
/// generic over errors encodes and displays them with the methods of this trait.
// Without supertraits, like `Value`: the compiler would report each of them that a type lacks.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a method",
    label = "needs `Serialize`, `Deserialize`, `Display`, `Debug`, `Send` and `Sync`, and must own its data",
    note = "add `#[derive(Debug, serde::Serialize, serde::Deserialize)]` to a type of your own, and implement `Display`, for example with `thiserror`",
    note = "an error of another crate often has no serde support: return its text as a `String`"
)]
pub trait ServiceError: Sized + 'static {
    /// Encodes the error with serde.
    ///
    /// # Errors
    /// The errors of the type and of the serializer.
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;

    /// Decodes an error with serde.
    ///
    /// # Errors
    /// The errors of the type and of the deserializer.
    fn decode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;

    /// Returns the text of the error.
    fn to_text(&self) -> String;

    /// Converts the error to a form that can be moved to another thread.
    fn into_sendable(self) -> Sendable<Self>;
}

#[diagnostic::do_not_recommend]
impl<E: Value + Display + Debug + Send + Sync> ServiceError for E {
    #[inline]
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Value::encode(self, serializer)
    }

    #[inline]
    fn decode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::decode(deserializer)
    }

    fn to_text(&self) -> String {
        self.to_string()
    }

    fn into_sendable(self) -> Sendable<Self> {
        Value::into_sendable(self)
    }
}

/// Error type of a message that cannot fail. It has no values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Never {}

impl Display for Never {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {}
    }
}

impl std::error::Error for Never {}
