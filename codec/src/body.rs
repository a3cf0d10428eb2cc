use bytes::BytesMut;
use isolated_workers_core::Body;
use serde::{Deserialize, Serialize};

use crate::fd::lend_descriptors;
use crate::zero_copy_bytes::current_buffer::CurrentBuffer;
use crate::{Codec, CodecError, Pieces, collect_descriptors, decode_within};

/// Encodes a value into a body, as a call does. Large [`zero_copy_bytes`](crate::zero_copy_bytes)
/// become pieces of the body if the codec supports that, and descriptors ([`Fd`](crate::Fd)) are
/// attached to it.
///
/// ```
/// use isolated_workers_codec::{Json, encode_body};
///
/// assert_eq!(encode_body(&Json, &[1, 2])?.as_bytes(), b"[1,2]");
/// # Ok::<(), isolated_workers_codec::CodecError>(())
/// ```
///
/// # Errors
/// The codec cannot encode the value.
pub fn encode_body<C: Codec, T: Serialize + ?Sized>(codec: &C, value: &T) -> Result<Body, CodecError> {
    let mut buffer = BytesMut::new();
    let mut pieces = Pieces::new(&mut buffer);
    let (encoded, descriptors) = collect_descriptors(|| codec.encode_pieces(value, &mut pieces));
    encoded?;
    let mut body = pieces.into_shared().into_body(buffer.freeze());
    if let Some(descriptors) = descriptors {
        body.attach(descriptors);
    }
    Ok(body)
}

/// Decodes the value of a body within the body's budget, as a call does. Large
/// [`zero_copy_bytes`](crate::zero_copy_bytes) in it share the memory of the body, and an
/// [`Fd`](crate::Fd) in it is a descriptor of the body.
///
/// ```
/// use isolated_workers_codec::{Json, decode_body};
/// use isolated_workers_core::Body;
///
/// let body = Body::from(b"[1,2,3]".to_vec());
/// assert_eq!(decode_body::<_, Vec<u8>>(&Json, &body)?, [1, 2, 3]);
/// # Ok::<(), isolated_workers_codec::CodecError>(())
/// ```
///
/// # Errors
/// The same as those of [`decode_within`].
#[inline]
pub fn decode_body<'de, C, T>(codec: &C, body: &'de Body) -> Result<T, CodecError>
where
    C: Codec,
    T: Deserialize<'de>,
{
    let _descriptors = lend_descriptors(body);
    let _current = body.flat().and_then(CurrentBuffer::set);
    decode_within(codec, body.as_bytes(), body.budget())
}
