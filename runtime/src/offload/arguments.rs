use isolated_workers_codec::zero_copy_bytes::maybe_bytes::{MaybeBytes, MaybeBytesRef};
use isolated_workers_core::{Sendable, Value};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Type of the argument at `INDEX` of an offloaded function. It has the only bound on that type, so
/// that the compiler reports a type without serde support once, where it is written.
pub trait Argument<const INDEX: usize> {
    /// Type as written.
    type Value: Value;
}

/// Types of `COUNT` arguments as a tuple. Implemented for every function with that number of them.
pub trait Types<const COUNT: usize> {
    /// The tuple.
    type Arguments: Arguments;
}

/// Arguments of an offloaded function: a tuple of values. `Vec<u8>` and `Bytes` are sent as bytes.
pub trait Arguments: Sized + 'static {
    /// Encodes the arguments in their order.
    ///
    /// # Errors
    /// The errors of the types and of the serializer.
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;

    /// Decodes the arguments.
    ///
    /// # Errors
    /// The errors of the types and of the deserializer.
    fn decode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;

    /// Converts the arguments to a form that can be moved to another thread.
    fn into_sendable(self) -> Sendable<Self>;
}

impl<F> Types<0> for F {
    type Arguments = ();
}

impl Arguments for () {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }

    fn decode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <()>::deserialize(deserializer)
    }

    fn into_sendable(self) -> Sendable<Self> {
        Box::new(|| ())
    }
}

macro_rules! arguments {
    ($($count:literal: $($type:ident $index:tt)*;)*) => {$(
        impl<F: $(Argument<$index> +)*> Types<$count> for F {
            type Arguments = ($(<F as Argument<$index>>::Value,)*);
        }

        impl<$($type: Value),*> Arguments for ($($type,)*) {
            fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                ($(MaybeBytesRef(&self.$index),)*).serialize(serializer)
            }

            fn decode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let values = <($(MaybeBytes<$type>,)*)>::deserialize(deserializer)?;
                Ok(($(values.$index.0,)*))
            }

            fn into_sendable(self) -> Sendable<Self> {
                let values = ($(self.$index.into_sendable(),)*);
                Box::new(move || ($((values.$index)(),)*))
            }
        }
    )*};
}

arguments! {
    1: A0 0;
    2: A0 0 A1 1;
    3: A0 0 A1 1 A2 2;
    4: A0 0 A1 1 A2 2 A3 3;
    5: A0 0 A1 1 A2 2 A3 3 A4 4;
    6: A0 0 A1 1 A2 2 A3 3 A4 4 A5 5;
    7: A0 0 A1 1 A2 2 A3 3 A4 4 A5 5 A6 6;
    8: A0 0 A1 1 A2 2 A3 3 A4 4 A5 5 A6 6 A7 7;
    9: A0 0 A1 1 A2 2 A3 3 A4 4 A5 5 A6 6 A7 7 A8 8;
    10: A0 0 A1 1 A2 2 A3 3 A4 4 A5 5 A6 6 A7 7 A8 8 A9 9;
    11: A0 0 A1 1 A2 2 A3 3 A4 4 A5 5 A6 6 A7 7 A8 8 A9 9 A10 10;
    12: A0 0 A1 1 A2 2 A3 3 A4 4 A5 5 A6 6 A7 7 A8 8 A9 9 A10 10 A11 11;
}
