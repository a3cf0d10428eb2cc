use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use isolated_workers_codec::zero_copy_bytes::maybe_bytes::MaybeBytesRef;
use isolated_workers_codec::{BodyLimit, Codec};
use isolated_workers_core::{Body, Error, Value};
use pin_project_lite::pin_project;

use crate::service::encoding::{Part, encode};

pin_project! {
    /// Encoded items of a stream of values.
    pub(in super::super) struct EncodedItems<S, C, F> {
        #[pin]
        items: S,
        codec: C,
        limit: BodyLimit,
        name: &'static str,
        // Converts the error that ends the stream.
        fail: F,
    }
}

impl<S, C, F> EncodedItems<S, C, F> {
    /// `name`: name of the message.
    pub(in super::super) fn new(items: S, codec: C, limit: BodyLimit, name: &'static str, fail: F) -> Self {
        Self { items, codec, limit, name, fail }
    }
}

impl<S, C, F, T, E> Stream for EncodedItems<S, C, F>
where
    S: Stream<Item = Result<T, E>>,
    C: Codec,
    F: Fn(&C, E) -> Error,
    T: Value,
{
    type Item = Result<Body, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        this.items.poll_next(cx).map(|next| {
            Some(match next? {
                Ok(item) => encode(this.codec, *this.limit, &MaybeBytesRef(&item), Part::Item, this.name),
                Err(error) => Err((this.fail)(this.codec, error)),
            })
        })
    }
}
