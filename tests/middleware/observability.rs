//! Traces and metrics of calls on host and worker.

use std::collections::BTreeMap;

use isolated_workers::ErrorKind;
use isolated_workers::layer::Trace;
use isolated_workers_test_support::soon;

use crate::support::recorder::Recorder;
use crate::support::service::DeskClient;
use crate::{desk, program};

/// Fields of a recorded span.
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
    let worker_spans = soon(desk.recorded()).await.unwrap();
    let host_spans = recorder.lines();

    let call = host_spans.iter().find(|line| line.starts_with("call message=add")).unwrap();
    let handle = worker_spans.iter().find(|line| line.starts_with("handle message=add")).unwrap();
    let (call, handle) = (fields(call), fields(handle));
    assert_eq!(call["trace_id"], handle["trace_id"]);
    assert_eq!(call["span_id"], handle["parent_id"]);
    assert_ne!(call["span_id"], handle["span_id"]);
    assert_eq!((call["service"], handle["service"]), ("Desk", "Desk"));
}

#[tokio::test]
async fn a_worker_labels_metrics_by_name_only_for_handled_calls() {
    let desk = desk(&["metrics"]).await;
    soon(desk.add(2, 3)).await.unwrap();
    assert_eq!(soon(desk.add(-2, 3)).await.unwrap_err().kind(), ErrorKind::Invalid);
    soon(desk.fail()).await.unwrap_err();
    let unknown = isolated_workers::protocol::Request::new("unknown".into(), b"null".to_vec().into());
    soon(isolated_workers::Service::call(desk.service(), unknown)).await.unwrap_err();

    let mut recorded = soon(desk.recorded()).await.unwrap();
    recorded.retain(|line| !line.contains("_bytes_"));
    recorded.sort();
    let expected = [
        "isolated_workers_calls_total Desk,,worker 2",
        "isolated_workers_calls_total Desk,add,worker 1",
        "isolated_workers_calls_total Desk,fail,worker 1",
        "isolated_workers_errors_total Desk,,worker,Invalid 1",
        "isolated_workers_errors_total Desk,,worker,UnknownMessage 1",
        "isolated_workers_errors_total Desk,fail,worker,Remote 1",
    ];
    assert_eq!(recorded, expected);
}
