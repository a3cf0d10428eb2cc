//! Codec of hosts, workers and services whose builder names none.

/// [`Json`](crate::Json) with the feature `json`, which is enabled by default. Otherwise `NoCodec`,
/// which fails to compile when it is used.
#[cfg(feature = "json")]
pub type DefaultCodec = crate::Json;

/// [`NoCodec`], because the feature `json` is not enabled.
#[cfg(not(feature = "json"))]
pub type DefaultCodec = NoCodec;

/// Placeholder for a codec that the user must choose.
///
/// Without the feature `json` there is no default codec. A builder that is used without
/// `.codec(..)` then does not compile: evaluating [`ID`](crate::Codec::ID) fails with an error that
/// says so.
#[cfg(not(feature = "json"))]
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCodec;

#[cfg(not(feature = "json"))]
mod no_codec {
    use bytes::BytesMut;
    use isolated_workers_core::Limits;
    use serde::{Deserialize, Serialize};

    use super::NoCodec;
    use crate::{Codec, CodecError, LengthPrefixed};

    const ADVICE: &str = "no codec: call `.codec(..)`, or enable the feature `json` for a default";

    // A type parameter with a bound needs a default that satisfies it, so this implements `Codec`.
    impl Codec for NoCodec {
        const ID: &'static str = panic!("{}", ADVICE);
        type Framing = LengthPrefixed;

        fn encode<T: Serialize + ?Sized>(&self, _: &T, _: &mut BytesMut) -> Result<(), CodecError> {
            Err(CodecError::new(ADVICE))
        }

        fn decode<'de, T: Deserialize<'de>>(&self, _: &'de [u8]) -> Result<T, CodecError> {
            Err(CodecError::new(ADVICE))
        }

        fn framing(&self, limits: Limits) -> LengthPrefixed {
            LengthPrefixed::new(limits)
        }
    }
}
