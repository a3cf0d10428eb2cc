//! Tests of a link that continues over another stream.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use isolated_workers_codec::Postcard;
use isolated_workers_core::{Body, Limits, Name, Request, SequentialIds};
use isolated_workers_middleware::Service;
use tokio::io::sink;

use super::Link;

#[tokio::test]
async fn a_call_that_an_earlier_worker_did_not_answer_takes_no_permit_of_its_successor() {
    let ids = Arc::new(SequentialIds::default());
    let link = Link::new(Postcard, Limits::default(), ids, Duration::ZERO, sink());
    {
        let mut given_up = pin!(link.call(Request::new(Name::from_static("work"), Body::empty())));
        assert!(given_up.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert_eq!(link.permits().given_up, 1);
    link.reconnect(Limits::default().into(), sink());
    assert_eq!(link.permits().given_up, 0);
}
