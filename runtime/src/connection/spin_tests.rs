//! Test that a connection task looks for input before it sleeps.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use isolated_workers_codec::{Codec, Postcard};
use isolated_workers_core::{Body, Frame, Limits, Metadata, Name, Request, Response, SequentialIds};
use isolated_workers_transport::TryRead;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::codec::{Decoder, Encoder};

use super::{Call, ConnectionTask, Link, LinkOwner, RejectAll};
use crate::Latency;

type Framing = <Postcard as Codec>::Framing;

/// Peer in memory that answers at once, and whose answers the runtime never reports.
#[derive(Clone, Default)]
struct Unreported(Arc<Mutex<BytesMut>>);

impl AsyncRead for Unreported {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl TryRead for Unreported {
    fn try_read(self: Pin<&mut Self>, buf: &mut ReadBuf<'_>) -> io::Result<()> {
        let mut answers = self.0.lock().unwrap();
        if answers.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let size = answers.len().min(buf.remaining());
        buf.put_slice(&answers[..size]);
        answers.advance(size);
        Ok(())
    }
}

impl AsyncWrite for Unreported {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut framing: Framing = Postcard.framing(Limits::default());
        let mut requests = BytesMut::from(bytes);
        while let Some(Frame::Request { id, request }) = framing.decode(&mut requests).unwrap() {
            let answer = Frame::reply(id, request.to_name(), request.body().clone(), Metadata::new());
            framing.encode(&answer, &mut self.0.lock().unwrap()).unwrap();
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Calls one after the other with this latency.
async fn call(latency: Latency, calls: usize, timeout: Duration) -> Vec<Result<Response, String>> {
    let peer = Unreported::default();
    let ids = Arc::new(SequentialIds::default());
    let owner = LinkOwner::new(Link::new(Postcard, Limits::default(), ids, Duration::ZERO, peer.clone()));
    let link = Link::clone(&owner);
    let (limits, handler) = (Limits::default(), RejectAll::default());
    let task = ConnectionTask::new(link.clone(), limits, peer, BytesMut::new(), handler);
    let running = tokio::spawn(task.with_latency(latency));
    let mut answers = Vec::new();
    for number in 0..calls {
        let mut request = Request::new(Name::from("work"), Body::from(vec![number as u8; 100]));
        request.set_timeout(Some(timeout));
        answers.push(Call::new(&link, request).await.map_err(|error| error.to_string()));
    }
    running.abort();
    answers
}

#[tokio::test]
async fn an_answer_is_found_before_the_runtime_reports_it() {
    let answers = call(Latency::Spin(Duration::from_millis(10)), 1000, Duration::from_secs(60)).await;
    for (number, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.unwrap().body().as_bytes(), [number as u8; 100]);
    }
}

#[tokio::test]
async fn a_frugal_connection_waits_for_the_runtime() {
    let answers = call(Latency::Frugal, 1, Duration::from_millis(20)).await;
    assert!(answers[0].as_ref().unwrap_err().contains("it was not answered within 20ms"), "{answers:?}");
}
