//! Type-erased service, for the functions of `from_fn`.

use std::any::Any;
use std::cell::Cell;

use isolated_workers_codec::zero_copy_bytes::maybe_bytes::MaybeBytes;
use isolated_workers_codec::{Codec, CodecError, decode_body};
use isolated_workers_core::{Body, Error, Request, Value};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

use crate::Service;
use crate::service::{BoxFuture, Part, encode};

/// [`Service`] without its types. Bodies go through `erased_serde`.
pub(crate) trait ErasedService: Sync {
    fn call(&self, request: Request) -> BoxFuture<'_>;
    fn codec_name(&self) -> &'static str;
    fn encode(&self, value: &dyn erased_serde::Serialize, part: Part, name: &str) -> Result<Body, Error>;
    fn decode(&self, body: &Body, read: ReadFn) -> Result<Box<dyn Any>, CodecError>;
}

impl<S: Service> ErasedService for S {
    fn call(&self, request: Request) -> BoxFuture<'_> {
        Box::pin(Service::call(self, request))
    }

    fn codec_name(&self) -> &'static str {
        S::Codec::ID
    }

    fn encode(&self, value: &dyn erased_serde::Serialize, part: Part, name: &str) -> Result<Body, Error> {
        encode(self.codec(), self.body_limit(), &value, part, name)
    }

    fn decode(&self, body: &Body, read: ReadFn) -> Result<Box<dyn Any>, CodecError> {
        let before = READ.replace(Some(read));
        let value = decode_body(self.codec(), body);
        READ.set(before);
        value.map(|DecodedValue(value)| value)
    }
}

/// Function that decodes a value of a type known to its creator.
pub(crate) type ReadFn = fn(&mut dyn erased_serde::Deserializer<'_>) -> erased_serde::Result<Box<dyn Any>>;

/// Decodes a `T`.
pub(crate) fn read<T: DeserializeOwned + 'static>(
    from: &mut dyn erased_serde::Deserializer<'_>,
) -> erased_serde::Result<Box<dyn Any>> {
    erased_serde::deserialize::<T>(from).map(|value| Box::new(value) as Box<dyn Any>)
}

/// Decodes a reply as the codec does: as a `T`, or as shared bytes.
pub(crate) fn read_reply<T: Value>(
    from: &mut dyn erased_serde::Deserializer<'_>,
) -> erased_serde::Result<Box<dyn Any>> {
    erased_serde::deserialize::<MaybeBytes<T>>(from).map(|MaybeBytes(value)| Box::new(value) as Box<dyn Any>)
}

thread_local! {
    /// Function that decodes the next [`DecodedValue`]. A thread-local, because `Deserialize` has
    /// no argument through which to pass it.
    static READ: Cell<Option<ReadFn>> = const { Cell::new(None) };
}

/// Value decoded by the function in `READ`.
struct DecodedValue(Box<dyn Any>);

impl<'de> Deserialize<'de> for DecodedValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = READ.get().ok_or_else(|| D::Error::custom("the type to decode is not set"))?;
        let mut deserializer = <dyn erased_serde::Deserializer<'_>>::erase(deserializer);
        read(&mut deserializer).map(DecodedValue).map_err(D::Error::custom)
    }
}
