//! Panic guard for user code that runs within a connection: framings, streams and id generators.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

/// Runs `code`. Converts a panic to an error text that says that `what` panicked.
///
/// After a panic, the caller must not use the object that panicked again, because its state is
/// unknown.
#[inline]
pub(crate) fn catch<T>(what: &str, code: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|panic| describe(what, &*panic))
}

/// Wakes all wakers, even if one of them panics. A waker is user code.
#[inline]
pub(crate) fn wake_all(wakers: impl IntoIterator<Item = Waker, IntoIter: ExactSizeIterator>) {
    let mut wakers = wakers.into_iter();
    if wakers.len() == 0 {
        return;
    }
    let mut wake = || {
        for waker in wakers.by_ref() {
            waker.wake();
        }
    };
    // Each panic has used up a waker.
    while catch_unwind(AssertUnwindSafe(&mut wake)).is_err() {}
}

/// Returns the error text of a panic. It says that `what` panicked.
#[cold]
pub(super) fn describe(what: &str, panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("{what} panicked: {}", text.unwrap_or("a value that is not a string"))
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    use bytes::BytesMut;
    use isolated_workers_codec::{Codec, CodecError, FrameError, Json};
    use isolated_workers_core::{
        Body, Error, ErrorKind, Executed, Frame, Limits, Name, Request, Response, SequentialIds,
        TxIdGenerator,
    };
    use serde::{Deserialize, Serialize};
    use tokio::io::{AsyncWrite, AsyncWriteExt, duplex};
    use tokio_util::codec::{Decoder, Encoder};

    use super::super::{Call, CloseReason, ConnectionTask, Link, RejectAll};

    /// JSON codec whose framing panics for frames with the name `hostile`.
    #[derive(Clone)]
    struct Hostile;

    struct HostileFraming(<Json as Codec>::Framing);

    impl Codec for Hostile {
        const ID: &'static str = "hostile";
        type Framing = HostileFraming;

        fn encode<T: Serialize + ?Sized>(&self, value: &T, out: &mut BytesMut) -> Result<(), CodecError> {
            Json.encode(value, out)
        }

        fn decode<'de, T: Deserialize<'de>>(&self, bytes: &'de [u8]) -> Result<T, CodecError> {
            Json.decode(bytes)
        }

        fn framing(&self, limits: Limits) -> HostileFraming {
            HostileFraming(Json.framing(limits))
        }
    }

    impl Encoder<&Frame> for HostileFraming {
        type Error = FrameError;

        fn encode(&mut self, frame: &Frame, out: &mut BytesMut) -> Result<(), FrameError> {
            if let Frame::Request { request, .. } = frame {
                assert_ne!(request.name(), "hostile", "no encoding");
            }
            self.0.encode(frame, out)
        }
    }

    impl Decoder for HostileFraming {
        type Item = Frame;
        type Error = FrameError;

        fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
            assert!(!buffer.starts_with(b"hostile"), "no decoding");
            self.0.decode(buffer)
        }
    }

    impl isolated_workers_codec::Framing for HostileFraming {}

    /// Writer that panics.
    struct HostileWriter;

    impl AsyncWrite for HostileWriter {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            panic!("no write")
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn link<C: Codec>(codec: C, writer: impl AsyncWrite + Send + Unpin + 'static) -> Link<C> {
        let ids: Arc<dyn TxIdGenerator> = Arc::new(SequentialIds::default());
        Link::new(codec, Limits::default(), ids, Duration::ZERO, writer)
    }

    fn request(name: &str) -> Request {
        Request::new(Name::from(name), Body::from(b"{}".to_vec()))
    }

    fn poll<C: Codec>(call: &mut Call<&Link<C>>) -> Poll<Result<Response, Error>> {
        Pin::new(call).poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Checks that a call ended with the error of a broken connection, and that the error contains
    /// `panic`.
    fn assert_lost<C: Codec>(call: &mut Call<&Link<C>>, panic: &str) {
        let Poll::Ready(Err(error)) = poll(call) else { panic!("the call has not ended") };
        assert_eq!(error.kind(), ErrorKind::Crashed);
        assert!(error.to_string().contains(panic), "{error}");
    }

    /// Checks that no call is in flight and that a new call fails immediately.
    fn assert_closed<C: Codec>(link: &Link<C>) {
        assert!(link.is_idle());
        let Poll::Ready(Err(error)) = poll(&mut Call::new(link, request("late"))) else {
            panic!("a call started on a broken connection")
        };
        assert_eq!((error.kind(), error.executed()), (ErrorKind::Closed, Executed::No));
    }

    #[tokio::test]
    async fn a_panicking_id_generator_fails_its_call_and_not_the_connection() {
        let (here, _there) = duplex(1 << 16);
        let ids: Arc<dyn TxIdGenerator> = Arc::new(|| panic!("no id"));
        let link = Link::new(Json, Limits::default(), ids, Duration::ZERO, here);
        let Poll::Ready(Err(error)) = poll(&mut Call::new(&link, request("work"))) else {
            panic!("the call has not ended")
        };
        assert_eq!((error.kind(), error.executed()), (ErrorKind::Panicked, Executed::No));
        assert!(error.to_string().contains("the id generator panicked: no id"), "{error}");
        assert!(link.is_idle());
        let mut with_id = request("work");
        with_id.set_id(7.into());
        assert!(poll(&mut Call::new(&link, with_id)).is_pending());
    }

    #[tokio::test]
    async fn a_framing_that_panics_while_encoding_ends_every_call_with_its_panic() {
        let (here, _there) = duplex(1 << 16);
        let link = link(Hostile, here);
        let mut calls = ["work", "hostile"].map(|name| Call::new(&link, request(name)));
        for call in &mut calls {
            assert!(poll(call).is_pending());
        }
        for call in &mut calls {
            assert_lost(call, "no encoding");
        }
        assert_closed(&link);
    }

    #[tokio::test]
    async fn a_writer_that_panics_ends_every_call_with_its_panic() {
        let link = link(Json, HostileWriter);
        let mut call = Call::new(&link, request("work"));
        assert!(poll(&mut call).is_pending());
        assert_lost(&mut call, "no write");
        assert_closed(&link);
    }

    #[tokio::test]
    async fn a_framing_that_panics_while_decoding_ends_every_call_with_its_panic() {
        let (here, _there) = duplex(1 << 16);
        let (mut peer, reader) = duplex(1 << 16);
        let link = link(Hostile, here);
        let mut call = Call::new(&link, request("work"));
        assert!(poll(&mut call).is_pending());
        peer.write_all(b"hostile\n").await.unwrap();
        let task = ConnectionTask::new(
            link.clone(),
            Limits::default(),
            reader,
            BytesMut::new(),
            RejectAll::default(),
        );
        let reason = task.await;
        assert!(matches!(&reason, CloseReason::Broken(error) if error.to_string().contains("no decoding")));
        assert_lost(&mut call, "no decoding");
        assert_closed(&link);
    }
}
