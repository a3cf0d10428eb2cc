use std::ops::Deref;

use isolated_workers_codec::Codec;

use super::Link;

/// Owner of a link: the task that drives its connections, one after the other.
///
/// A link whose owner is gone would never answer: nothing reads its stream or expires its calls. So
/// dropping the owner ends every call, in flight or parked, and refuses later ones, unless the link
/// was closed or has failed before. A task is dropped when its runtime is shut down, when it is
/// aborted and when it panics.
pub(crate) struct LinkOwner<C: Codec>(Link<C>);

impl<C: Codec> LinkOwner<C> {
    pub(crate) fn new(link: Link<C>) -> Self {
        Self(link)
    }
}

impl<C: Codec> Deref for LinkOwner<C> {
    type Target = Link<C>;

    fn deref(&self) -> &Link<C> {
        &self.0
    }
}

impl<C: Codec> Drop for LinkOwner<C> {
    fn drop(&mut self) {
        // The writer is dropped after the mutex is released.
        let _writer = self.0.change(|state| state.abandon_link());
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    use bytes::BytesMut;
    use isolated_workers_codec::Json;
    use isolated_workers_core::{
        Body, Error, ErrorKind, Executed, Limits, Message, Name, Never, Request, Response, SequentialIds,
    };
    use tokio::io::{DuplexStream, duplex};
    use tokio::runtime::Runtime;

    use super::super::parked::CallKind;
    use super::super::{Availability, Call, ConnectionTask, RejectAll};
    use super::*;

    fn runtime() -> Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
    }

    fn link(writer: DuplexStream) -> Link<Json> {
        Link::new(Json, Limits::default(), Arc::new(SequentialIds::default()), Duration::ZERO, writer)
    }

    fn call(link: &Link<Json>, size: usize) -> Call<&Link<Json>> {
        Call::new(link, Request::new(Name::from("work"), Body::from(vec![b'1'; size])))
    }

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Notice;

    impl Message for Notice {
        const NAME: &'static str = "notice";
        const ONEWAY: bool = true;
        type Reply = ();
        type Error = Never;
    }

    fn oneway(link: &Link<Json>) -> Call<&Link<Json>> {
        Call::new(link, Request::of::<Notice>(Body::empty()))
    }

    fn poll(call: &mut Call<&Link<Json>>) -> Poll<Result<Response, Error>> {
        Pin::new(call).poll(&mut Context::from_waker(Waker::noop()))
    }

    fn error(call: &mut Call<&Link<Json>>) -> Error {
        match poll(call) {
            Poll::Ready(Err(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_dropped_task_ends_calls_in_flight_and_parked_and_refuses_later_ones() {
        let (here, there) = duplex(16);
        let (_peer, reader) = duplex(16);
        let runtime = runtime();
        let home = runtime.enter();
        let link = link(here);
        link.open_permits(4, u64::MAX, u64::MAX);
        let owner = LinkOwner::new(link.clone());
        runtime.spawn(async move {
            ConnectionTask::new(
                owner.clone(),
                Limits::default(),
                reader,
                BytesMut::new(),
                RejectAll::default(),
            )
            .await
        });
        let mut calls = [call(&link, 3 << 20), call(&link, 1), oneway(&link)];
        for call in &mut calls {
            assert!(poll(call).is_pending());
        }
        let oneway = CallKind { is_oneway: true, ..CallKind::default() };
        assert!(link.lock().must_wait(oneway), "the oneway message is parked");
        drop(home);
        drop(runtime);
        for (call, executed) in calls.iter_mut().zip([Executed::Maybe, Executed::No, Executed::No]) {
            let error = error(call);
            assert_eq!((error.kind(), error.executed()), (ErrorKind::Closed, executed), "{error}");
            assert!(error.to_string().contains("the task that drives its connection was dropped"), "{error}");
        }
        assert_eq!(error(&mut call(&link, 1)).executed(), Executed::No);
        assert!(!link.acquire_permit() && link.available_permits() == 0 && link.is_idle());
        // The stream is closed, although the link still exists.
        let mut there = there;
        let read = async { tokio::io::AsyncReadExt::read_to_end(&mut there, &mut Vec::new()).await };
        self::runtime().block_on(read).unwrap();
    }

    #[test]
    fn an_owner_keeps_the_reason_of_a_link_that_has_ended_before() {
        let (here, _there) = duplex(16);
        let link = link(here);
        let owner = LinkOwner::new(link.clone());
        let gone = Error::new(ErrorKind::Startup, "the worker could not be started");
        owner.fail(Availability::Failed(gone), |_| unreachable!("no call is in flight"));
        drop(owner);
        assert_eq!(error(&mut call(&link, 1)).kind(), ErrorKind::Startup);
    }
}
