//! Tests of a connection whose peer sends other descriptors than its frames name.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use isolated_workers_codec::{Codec, Postcard};
use isolated_workers_core::{
    AttachmentCount, Attachments, Body, Error, Frame, Limits, Metadata, Request, SequentialIds,
};
use isolated_workers_middleware::Service;
use isolated_workers_transport::{
    Bound, ChannelDescriptors, DescriptorBatch, Handle, InMemory, InMemoryWriter, Transport,
};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;
use tokio_util::codec::Encoder;

use super::{CloseReason, ConnectionTask, Link, RejectAll};

/// Connection whose peer is the test.
struct DescriptorStage {
    link: Link<Postcard>,
    task: JoinHandle<CloseReason>,
    writer: InMemoryWriter,
    descriptors: ChannelDescriptors,
}

impl DescriptorStage {
    /// `agreed`: `true` if the handshake agreed on descriptors.
    async fn set(agreed: bool) -> Self {
        let mut bound = InMemory.bind().unwrap();
        let peer = InMemory.adopt(bound.inheritance().local.unwrap()).await.unwrap();
        let own = bound.establish().await.unwrap();
        let (limits, ids) = (Limits::default(), Arc::new(SequentialIds::default()));
        let link = Link::new(Postcard, limits, ids, Duration::ZERO, own.writer);
        if agreed {
            link.carry_descriptors(&own.descriptors.unwrap());
        }
        let task =
            ConnectionTask::new(link.clone(), limits, own.reader, BytesMut::new(), RejectAll::default());
        Self { link, task: tokio::spawn(task), writer: peer.writer, descriptors: peer.descriptors.unwrap() }
    }

    /// Writes `bytes` with this number of descriptors.
    async fn write(&mut self, bytes: &[u8], count: usize) {
        if count > 0 {
            self.descriptors.outgoing.push(DescriptorBatch { handles: handles(count), is_incomplete: false });
        }
        self.writer.write_all(bytes).await.unwrap();
    }

    /// Returns the error with which the connection ends.
    async fn violation(self) -> String {
        match self.task.await.unwrap() {
            CloseReason::Violated(error) => error.to_string(),
            other => panic!("{other:?}"),
        }
    }
}

fn handles(count: usize) -> Vec<Handle> {
    (0..count).map(|_| File::open(std::env::current_exe().unwrap()).unwrap().into()).collect()
}

/// Reply to the call `id` that names this number of descriptors.
fn reply(id: u64, named: usize) -> BytesMut {
    let mut body = Body::from(vec![0]);
    if named > 0 {
        body.attach(Attachments::Named(named));
    }
    let mut wire = BytesMut::new();
    let frame = Frame::reply(id.into(), "open".into(), body, Metadata::new());
    Postcard.framing(Limits::default()).encode(&frame, &mut wire).unwrap();
    wire
}

#[tokio::test]
async fn a_frame_that_names_descriptors_which_did_not_arrive_breaks_the_protocol() {
    for (named, arrived) in [(1, 0), (2, 1), (1, 2), (16, 15), (17, 16)] {
        let mut stage = DescriptorStage::set(true).await;
        stage.write(&reply(1, named), arrived).await;
        let error = stage.violation().await;
        assert!(error.contains(&format!("names {named} descriptors")), "{error}");
    }
}

#[tokio::test]
async fn descriptors_that_no_frame_names_break_the_protocol() {
    let mut stage = DescriptorStage::set(true).await;
    stage.write(&reply(1, 0), 1).await;
    assert!(stage.violation().await.contains("it names none"));
    // Descriptors with each byte of one frame.
    let mut stage = DescriptorStage::set(true).await;
    for byte in reply(1, 1).iter().take(3) {
        stage.write(&[*byte], 1).await;
    }
    assert!(stage.violation().await.contains("it names none"));
}

#[tokio::test]
async fn descriptors_without_an_agreement_are_closed_and_a_frame_that_names_them_is_refused() {
    let mut stage = DescriptorStage::set(false).await;
    stage.write(&reply(1, 0), 1).await;
    stage.write(&reply(1, 1), 1).await;
    assert!(stage.violation().await.contains("the handshake agreed on none"));
}

fn call(link: &Link<Postcard>) -> impl Future<Output = Result<Body, Error>> + use<'_> {
    let call = link.call(Request::new("open".into(), Body::empty()));
    async move { call.await.map(|response| response.body().clone()) }
}

#[tokio::test]
async fn more_descriptors_than_may_wait_cost_their_call_only() {
    let mut stage = DescriptorStage::set(true).await;
    let link = stage.link.clone();
    let mut kept = Vec::new();
    for id in 1..=20 {
        let (body, ()) = tokio::join!(call(&link), async {
            // Sent once the call has its id.
            tokio::task::yield_now().await;
            stage.write(&reply(id, 16), 16).await;
        });
        kept.push(body.unwrap());
    }
    let lost = |body: &&Body| matches!(body.attachments(), Some(Attachments::Lost { count: 16, .. }));
    assert_eq!(kept.iter().filter(lost).count(), 20 - AttachmentCount::MAX / 16);
    kept.clear();
    let (body, ()) = tokio::join!(call(&link), async {
        tokio::task::yield_now().await;
        stage.write(&reply(21, 1), 1).await;
    });
    assert!(matches!(body.unwrap().attachments(), Some(Attachments::Held(held)) if held.len() == 1));
    assert!(!stage.task.is_finished());
}

#[tokio::test]
async fn a_shortage_of_descriptors_costs_the_call_only() {
    let mut stage = DescriptorStage::set(true).await;
    let link = stage.link.clone();
    let (body, ()) = tokio::join!(call(&link), async {
        tokio::task::yield_now().await;
        let batch = DescriptorBatch { handles: handles(1), is_incomplete: true };
        stage.descriptors.outgoing.push(batch);
        stage.write(&reply(1, 3), 0).await;
    });
    let body = body.unwrap();
    let Some(Attachments::Lost { count: 3, reason }) = body.attachments() else { panic!("{body:?}") };
    assert!(reason.contains("no free descriptor"), "{reason}");
    assert!(!stage.task.is_finished());
}
