use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use isolated_workers_codec::{BodyLimit, Codec};
use isolated_workers_core::{Body, Error, Value};
use pin_project_lite::pin_project;

use crate::service::encoding::Part;
use crate::service::large_value::{Encoded, LargeValue, encode_value};

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
        // Item, or error at the end, that is encoded elsewhere. The next one waits for it.
        large: Option<Box<LargeValue<Body>>>,
    }
}

impl<S, C, F> EncodedItems<S, C, F> {
    /// `name`: name of the message.
    pub(in super::super) fn new(items: S, codec: C, limit: BodyLimit, name: &'static str, fail: F) -> Self {
        Self { items, codec, limit, name, fail, large: None }
    }
}

impl<S, C, F, T, E> Stream for EncodedItems<S, C, F>
where
    S: Stream<Item = Result<T, E>>,
    C: Codec,
    F: Fn(&C, E) -> Encoded<Body>,
    T: Value,
{
    type Item = Result<Body, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        let large = match this.large {
            Some(large) => large,
            None => {
                let encoded = match ready!(this.items.poll_next(cx)) {
                    None => return Poll::Ready(None),
                    Some(Ok(item)) => encode_value(this.codec, *this.limit, item, Part::Item, this.name),
                    Some(Err(error)) => (this.fail)(this.codec, error),
                };
                match encoded {
                    Encoded::Done(item) => return Poll::Ready(Some(item)),
                    Encoded::Later(item) => this.large.insert(item),
                }
            }
        };
        let item = ready!(Pin::new(large).poll(cx));
        *this.large = None;
        Poll::Ready(Some(item))
    }
}
