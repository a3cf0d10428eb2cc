//! Metrics of calls.

use futures_util::poll;
use isolated_workers_core::{Error, ErrorKind, Request};
use isolated_workers_middleware::{Metrics, Service, ServiceExt, on_request};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

use crate::{Add, Hang, local};

/// Returns each metric with its labels and value. The value of a histogram is its number of
/// samples.
fn recorded(snapshotter: &Snapshotter) -> Vec<String> {
    let mut recorded: Vec<_> = snapshotter
        .snapshot()
        .into_vec()
        .into_iter()
        .map(|(key, _, _, value)| {
            let key = key.key();
            let labels: Vec<_> = key.labels().map(|label| label.value().to_owned()).collect();
            let value = match value {
                DebugValue::Counter(count) => count.to_string(),
                DebugValue::Gauge(value) => value.to_string(),
                DebugValue::Histogram(values) => format!("{} samples", values.len()),
            };
            format!("{} {} {value}", key.name().trim_start_matches("isolated_workers_"), labels.join(","))
        })
        .collect();
    recorded.sort();
    recorded
}

#[tokio::test]
async fn calls_are_counted_and_their_time_and_size_recorded() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let service = local()
        .wrapped_by(on_request(|request: &mut Request| match request.body().as_bytes() {
            br#"{"a":0,"b":0}"# => Err(Error::new(ErrorKind::Denied, "no")),
            _ => Ok(()),
        }))
        .wrapped_by(Metrics);
    service.send(Add { a: 1, b: 1 }).await.unwrap();
    service.send(Add { a: 2, b: 3 }).await.unwrap();
    service.send(Add { a: 0, b: 0 }).await.unwrap_err();
    let mut hang = Box::pin(service.call(Request::of::<Hang>(b"null".to_vec().into())));
    assert!(poll!(&mut hang).is_pending());
    assert_eq!(
        recorded(&snapshotter),
        [
            "call_duration_seconds ,add,host 3 samples",
            "calls_total ,add,host 3",
            "errors_total ,add,host,Denied 1",
            "in_flight host 1",
            "reply_bytes_total ,add,host 2",
            "request_bytes_total ,add,host 39",
        ]
    );
    drop(hang);
    let dropped = recorded(&snapshotter);
    assert!(dropped.contains(&"errors_total ,hang,host,Cancelled 1".to_owned()), "{dropped:?}");
    // A snapshot resets the recorder, so this is the change since the previous one.
    assert!(dropped.contains(&"in_flight host -1".to_owned()), "{dropped:?}");
}
