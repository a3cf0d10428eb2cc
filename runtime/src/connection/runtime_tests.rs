//! Test that a stream is polled only on the runtime of its connection.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use isolated_workers_codec::Postcard;
use isolated_workers_core::{Body, Limits, Name, Request, SequentialIds};
use tokio::io::{AsyncWrite, duplex};
use tokio::runtime::{Handle, Id, Runtime};

use super::{Call, ConnectionTask, Link, LinkOwner, RejectAll};

/// Writer that records the runtime that polls it. It accepts one byte at a time, and nothing at
/// every second poll.
#[derive(Clone, Default)]
struct Recording(Arc<Mutex<Vec<Option<Id>>>>);

impl AsyncWrite for Recording {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        let mut polls = self.0.lock().unwrap();
        polls.push(Handle::try_current().ok().map(|runtime| runtime.id()));
        if polls.len().is_multiple_of(2) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(1))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

#[test]
fn a_stream_is_polled_only_on_the_runtime_of_its_connection() {
    let (home, other) = (runtime(), runtime());
    let writer = Recording::default();
    let polls = Arc::clone(&writer.0);
    let (_peer, reader) = duplex(16);
    let guard = home.enter();
    let ids = Arc::new(SequentialIds::default());
    let owner = LinkOwner::new(Link::new(Postcard, Limits::default(), ids, Duration::ZERO, writer));
    let link = Link::clone(&owner);
    home.spawn(async move {
        ConnectionTask::new(owner.clone(), Limits::default(), reader, BytesMut::new(), RejectAll::default())
            .await
    });
    drop(guard);
    let call = || {
        // Nobody answers, so each call ends with its timeout.
        let mut request = Request::new(Name::from("work"), Body::from(vec![7; 100]));
        request.set_timeout(Some(Duration::from_millis(20)));
        Call::new(&link, request)
    };
    other.block_on(async { call().await.unwrap_err() });
    // A call without any runtime.
    let mut alone = Box::pin(call());
    assert!(alone.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    home.block_on(async { call().await.unwrap_err() });
    // Until three calls of more than 100 bytes were written.
    home.block_on(async {
        while polls.lock().unwrap().len() < 600 {
            tokio::task::yield_now().await;
        }
    });
    let polls = polls.lock().unwrap();
    assert!(polls.iter().all(|runtime| *runtime == Some(home.handle().id())));
}
