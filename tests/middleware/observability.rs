//! What host and worker tell of a call.

use std::collections::BTreeMap;

use isolated_workers::{ErrorKind, Trace};
use isolated_workers_test_support::soon;

use crate::support::recorder::Recorder;
use crate::support::service::DeskClient;
use crate::{desk, program};

/// The fields of a span's line.
fn fields(line: &str) -> BTreeMap<&str, &str> {
    line.split(' ').filter_map(|field| field.split_once('=')).collect()
}

#[tokio::test]
async fn worker_spans_join_the_trace_of_their_host() {
    let recorder = Recorder::default();
    recorder.install();
    let worker = program(&["trace"]).layer(Trace).spawn().await.unwrap();
    let desk = DeskClient::new(worker);
    soon(desk.add(2, 3)).await.unwrap();
    let there = soon(desk.written()).await.unwrap();
    let here = recorder.written();

    let call = here.iter().find(|line| line.starts_with("call message=add")).unwrap();
    let handle = there.iter().find(|line| line.starts_with("handle message=add")).unwrap();
    let (call, handle) = (fields(call), fields(handle));
    assert_eq!(call["trace_id"], handle["trace_id"]);
    assert_eq!(call["span_id"], handle["parent_id"]);
    assert_ne!(call["span_id"], handle["span_id"]);
}

#[tokio::test]
async fn a_worker_labels_metrics_by_name_only_for_handled_calls() {
    let desk = desk(&["metrics"]).await;
    soon(desk.add(2, 3)).await.unwrap();
    assert_eq!(soon(desk.add(-2, 3)).await.unwrap_err().kind(), ErrorKind::Invalid);
    soon(desk.fail()).await.unwrap_err();
    let nobody = isolated_workers::Request::new("nobody".into(), b"null".to_vec().into());
    soon(isolated_workers::Service::call(desk.service(), nobody)).await.unwrap_err();

    let mut written = soon(desk.written()).await.unwrap();
    written.retain(|line| !line.contains("_bytes_"));
    written.sort();
    let expected = [
        "isolated_workers_calls_total ,worker 2",
        "isolated_workers_calls_total add,worker 1",
        "isolated_workers_calls_total fail,worker 1",
        "isolated_workers_errors_total ,worker,Invalid 1",
        "isolated_workers_errors_total ,worker,UnknownMessage 1",
        "isolated_workers_errors_total fail,worker,Remote 1",
    ];
    assert_eq!(written, expected);
}
