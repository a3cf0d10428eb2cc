use bytes::BytesMut;
use isolated_workers_codec::{BodyLimit, Codec, CodecError, Pieces};
use isolated_workers_core::Limits;
use serde::{Deserialize, Serialize};

/// Codec of a connection for its handlers: encoding stops at the limit.
#[derive(Clone, Copy, Debug)]
pub struct LimitedCodec<C> {
    pub(super) codec: C,
    pub(super) limit: BodyLimit,
}

#[diagnostic::do_not_recommend]
impl<C: Codec> Codec for LimitedCodec<C> {
    const ID: &'static str = C::ID;
    type Framing = C::Framing;

    fn encode<T: Serialize + ?Sized>(&self, value: &T, out: &mut BytesMut) -> Result<(), CodecError> {
        self.codec.encode(value, out)
    }

    fn encode_pieces<T: Serialize + ?Sized>(
        &self,
        value: &T,
        out: &mut Pieces<'_>,
    ) -> Result<(), CodecError> {
        out.limit_to(self.limit);
        self.codec.encode_pieces(value, out)
    }

    #[inline]
    fn decode<'de, T: Deserialize<'de>>(&self, bytes: &'de [u8]) -> Result<T, CodecError> {
        self.codec.decode(bytes)
    }

    fn body_limit(&self, limits: Limits) -> BodyLimit {
        self.codec.body_limit(limits).min(self.limit)
    }

    fn framing(&self, limits: Limits) -> C::Framing {
        self.codec.framing(limits)
    }
}
