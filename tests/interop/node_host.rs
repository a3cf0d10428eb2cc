//! A host in Node.js with a worker in Rust. The script holds the assertions, case by case.

use std::process::{Output, Stdio};

use isolated_workers_test_support::soon;
use tokio::process::Command;

use super::script;

async fn host(case: &str) -> Option<Output> {
    let mut command = Command::new("node");
    command.arg(script("host.mjs")?).args([case, env!("CARGO_BIN_EXE_interop-worker")]);
    let host = command.stdin(Stdio::null()).kill_on_drop(true).output();
    Some(soon(host).await.unwrap())
}

async fn passes(case: &str) {
    let Some(output) = host(case).await else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

macro_rules! cases {
    ($($test:ident: $case:literal;)*) => {$(
        #[tokio::test]
        async fn $test() {
            passes($case).await;
        }
    )*};
}

cases! {
    calls_are_answered_and_the_end_of_the_connection_ends_the_worker: "calls";
    errors_and_unknown_messages_get_error_replies: "errors";
    a_message_can_be_named_like_a_reply: "names";
    any_string_works_as_an_id: "ids";
    many_calls_run_concurrently: "many";
    frames_may_arrive_byte_by_byte: "torn";
    large_payloads_travel_in_both_directions: "large";
    streams_work_in_both_directions_under_credit: "streams";
    an_error_ends_a_stream_after_its_items: "stream-error";
    a_worker_sends_no_more_than_its_credit_and_a_cancel_ends_its_stream: "stream-credit";
    a_cancel_ends_the_items_of_the_host: "stream-cancel";
    a_request_with_items_without_a_handshake_breaks_the_protocol: "stream-unannounced";
    a_signal_ends_the_worker_and_removes_its_socket: "sigterm";
    a_signal_before_the_connection_ends_the_worker_and_removes_its_socket: "sigterm-unconnected";
    a_crash_shows_as_an_exit_code: "crash";
    a_serializer_mismatch_is_reported_at_startup: "serializer";
    a_worker_exits_if_its_host_never_connects: "impatient";
    invalid_startup_data_is_reported: "nonsense";
}

#[tokio::test]
async fn a_worker_does_not_outlive_a_killed_host() {
    // Host and worker share the output, so this waits until both have ended.
    let Some(output) = host("orphan").await else { return };
    let folder = String::from_utf8_lossy(&output.stdout);
    // The folder is empty, because the worker has removed its socket.
    std::fs::remove_dir(folder.trim()).unwrap_or_else(|error| panic!("{error}: {output:?}"));
}
