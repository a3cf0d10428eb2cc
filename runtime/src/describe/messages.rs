//! Messages of the reserved service.

use isolated_workers_core::{Message, Never, Schema, Sendable, Services};
use isolated_workers_middleware::arguments;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Schema of the reserved service. It is not compared, because both sides may be of other versions.
pub(super) static RESERVED: Schema = Schema::new(Services::RESERVED, 1);

/// Generates messages without arguments.
macro_rules! messages {
    ($($(#[$doc:meta])* $message:ident = $name:literal -> $reply:ty;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $message;

        impl Message for $message {
            const NAME: &'static str = $name;
            type Reply = $reply;
            type Error = Never;
            const IDEMPOTENT: bool = true;
            const SERVICE: Option<&'static Schema> = Some(&RESERVED);

            fn into_sendable(self) -> Result<Sendable<Self>, Self> {
                Ok(Box::new(move || self))
            }
        }

        impl Serialize for $message {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_unit_struct(stringify!($message))
            }
        }

        impl<'de> Deserialize<'de> for $message {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                arguments::deserialize_none(stringify!($message), deserializer).map(|()| Self)
            }
        }
    )*};
}

messages! {
    /// Asks for a [`Description`](super::Description), as a JSON document.
    Describe = "describe" -> String;
    /// Asks for a [`StatusReport`](super::StatusReport), as a JSON document.
    AskStatus = "status" -> String;
    /// Asks for an answer.
    Ping = "ping" -> ();
}
