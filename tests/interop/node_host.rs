//! A host in Node.js over a worker in Rust. What is expected is written in the script, case by case.

use std::process::{Output, Stdio};

use tokio::process::Command;

use super::{script, soon};

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
    calls_are_answered_and_the_worker_ends_with_its_connection: "calls";
    errors_and_unknown_messages_are_answers: "errors";
    a_message_may_have_the_name_of_an_answer: "names";
    any_string_is_an_id: "ids";
    many_calls_are_in_flight_at_once: "many";
    bytes_may_come_one_by_one: "torn";
    large_payloads_go_both_ways: "large";
    a_signal_ends_the_worker_and_its_socket: "sigterm";
    a_signal_before_there_is_a_connection_does_so_too: "sigterm-unconnected";
    a_crash_is_seen_by_its_exit_code: "crash";
    another_serializer_is_told_at_the_start: "serializer";
    a_host_that_never_connects_is_not_waited_for: "impatient";
    startup_data_that_is_none_is_named: "nonsense";
}

#[tokio::test]
async fn a_worker_does_not_outlive_a_host_that_is_killed() {
    // Both have the same output, so that this waits for the end of both.
    let Some(output) = host("orphan").await else { return };
    let folder = String::from_utf8_lossy(&output.stdout);
    // Empty: the worker has removed its socket.
    std::fs::remove_dir(folder.trim()).unwrap_or_else(|error| panic!("{error}: {output:?}"));
}
