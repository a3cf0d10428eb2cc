//! Bugs of `isolated-workers` for Node.js, the model of this project, and the tests that show that
//! this project does not have them.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use futures_util::future::join_all;
use futures_util::poll;
use isolated_workers::codec::{Codec, Json};
use isolated_workers::error::Executed;
use isolated_workers::host::{OnCrash, Status, Timeouts};
use isolated_workers::protocol::{Body, Frame, Name, Request, TxId};
use isolated_workers::{Error, ErrorKind, Service};
use isolated_workers_test_support::process::PidFd;
use rustix::process::Signal;
use tokio_util::codec::{Decoder, Encoder};

use super::*;

/// Bug of the Node.js library, and the tests that exclude it here, each as a file and a test name.
type Row = (&'static str, &'static [(&'static str, &'static str)]);

const TABLE: &[Row] = &[
    (
        "a crash is reported as \"closed\", without exit code or signal",
        &[
            ("tests/e2e/crash.rs", "a_crash_reports_its_exit_code_or_signal_and_the_call_in_flight"),
            ("tests/interop/node_worker.rs", "a_crash_reports_its_exit_code_and_last_output"),
        ],
    ),
    (
        "calls are refused during a respawn",
        &[("tests/e2e/respawn.rs", "calls_made_during_a_respawn_wait_for_it")],
    ),
    (
        "a retried call skips the middleware",
        &[("tests/e2e/respawn.rs", "every_attempt_passes_the_middleware")],
    ),
    (
        "a worker that crashes while idle is never respawned",
        &[("tests/e2e/respawn.rs", "an_idle_worker_that_crashes_is_respawned_if_the_policy_says_so")],
    ),
    (
        "zero, negative and huge timeouts expire at once",
        &[
            ("tests/e2e/node_regressions.rs", "a_timeout_of_zero_means_no_timeout"),
            ("tests/e2e/node_regressions.rs", "a_call_can_disable_the_timeout_of_its_message"),
            ("tests/e2e/hang_detection.rs", "invalid_timeouts_and_heartbeats_are_refused"),
            ("core/tests/protocol/timeout.rs", "a_timeout_beyond_the_range_of_instant_never_expires"),
        ],
    ),
    (
        "the timeout for calls also limits startup",
        &[("tests/e2e/node_regressions.rs", "a_short_message_timeout_does_not_affect_startup")],
    ),
    (
        "the startup timeout is ignored",
        &[("tests/e2e/startup.rs", "a_worker_that_never_serves_is_killed_at_the_startup_timeout")],
    ),
    (
        "the exit code of a failed start is lost",
        &[
            ("tests/e2e/startup.rs", "a_worker_that_exits_before_it_is_ready_reports_how"),
            ("tests/interop/node_worker.rs", "a_failed_start_reports_its_cause"),
        ],
    ),
    (
        "a missing working directory ends the host",
        &[
            ("tests/e2e/node_regressions.rs", "a_missing_working_directory_does_not_end_the_host"),
            ("tests/e2e/startup.rs", "each_spawn_failure_has_its_own_message"),
        ],
    ),
    (
        "disconnect and reconnect only set flags",
        &[
            ("tests/e2e/reconnect.rs", "reconnect_finds_the_state_of_the_worker_intact"),
            ("tests/e2e/reconnect.rs", "calls_fail_while_a_worker_is_disconnected"),
        ],
    ),
    (
        "a detached worker keeps its host alive",
        &[("tests/e2e/reconnect.rs", "a_host_exits_after_detach_and_another_process_attaches")],
    ),
    (
        "startup data is documented but not implemented",
        &[
            ("tests/e2e/startup_data.rs", "startup_data_reaches_the_worker_on_every_transport"),
            ("tests/e2e/startup_data.rs", "startup_data_is_not_in_arguments_environment_or_debug_output"),
        ],
    ),
    (
        "a middleware error hangs the call or ends the host",
        &[
            ("middleware/tests/local/stacks.rs", "a_panic_fails_only_its_call"),
            ("tests/middleware/layer_order.rs", "layers_run_in_order_in_both_directions_whatever_fails"),
        ],
    ),
    (
        "binary serializers corrupt data",
        &[
            ("codec/tests/values.rs", "every_kind_of_value_round_trips"),
            ("codec/tests/framing.rs", "every_frame_round_trips"),
            ("tests/service/main.rs", "in_a_worker_as_postcard"),
        ],
    ),
    (
        "a character split between two reads is corrupted",
        &[
            ("codec/tests/framing.rs", "a_long_text_decodes_from_reads_that_split_characters"),
            ("tests/interop/node_worker.rs", "split_characters_and_large_payloads_arrive_intact"),
        ],
    ),
    (
        "mismatched serializers hang",
        &[
            ("tests/e2e/startup.rs", "a_handshake_mismatch_is_reported"),
            ("tests/service/version_skew.rs", "another_codec_is_refused"),
        ],
    ),
    (
        "throwing a value that is not an `Error` hangs",
        &[
            ("tests/e2e/calls.rs", "a_panic_fails_only_its_own_call"),
            ("tests/interop/node_worker.rs", "thrown_strings_and_unknown_messages_are_remote_errors"),
            ("codec/tests/json.rs", "any_thrown_value_becomes_an_error"),
        ],
    ),
    (
        "of two calls with the same id, one gets the reply of the other",
        &[
            ("tests/e2e/calls.rs", "a_duplicate_id_is_refused_and_the_first_call_continues"),
            (
                "core/tests/protocol/cancel.rs",
                "the_id_of_a_cancelled_call_is_in_use_until_its_answer_arrives",
            ),
        ],
    ),
    (
        "`toString` is called as a handler",
        &[("tests/e2e/node_regressions.rs", "names_of_javascript_object_members_are_unknown_messages")],
    ),
    (
        "SIGKILL is never sent at close",
        &[("tests/e2e/close.rs", "a_worker_that_does_not_exit_is_killed_after_the_grace_period")],
    ),
    (
        "close stalls for 5 s after a crash",
        &[
            ("tests/e2e/node_regressions.rs", "close_after_a_crash_returns_at_once"),
            ("tests/e2e/node_regressions.rs", "close_during_a_crash_does_not_wait_for_the_grace_period"),
        ],
    ),
    (
        "any user can connect to the socket",
        &[
            ("transport/tests/unix/unix_socket.rs", "another_user_cannot_connect"),
            ("transport/tests/unix/unix_socket.rs", "only_the_user_can_access_directory_and_socket"),
            ("tests/e2e/reconnect.rs", "a_detached_worker_refuses_a_wrong_token"),
        ],
    ),
    (
        "a socket path that is too long is truncated silently",
        &[(
            "transport/tests/unix/unix_socket.rs",
            "the_error_of_a_long_path_states_its_length_and_the_limit",
        )],
    ),
    (
        "socket files remain",
        &[
            ("tests/e2e/transports.rs", "nothing_is_left"),
            ("tests/e2e/orphans.rs", "no_worker_outlives_a_killed_host"),
        ],
    ),
    (
        "a killed host leaves orphans",
        &[
            ("tests/e2e/orphans.rs", "no_worker_outlives_a_killed_host"),
            ("tests/e2e/orphans.rs", "no_stopped_worker_outlives_its_host"),
        ],
    ),
    (
        "a reply whose name ends in \"Error\" is taken for an error",
        &[
            ("codec/tests/json.rs", "a_request_with_the_name_of_an_answer_has_a_kind"),
            ("tests/interop/node_worker.rs", "a_message_can_be_named_like_a_reply"),
        ],
    ),
    (
        "the time for a large message grows with the square of its size",
        &[("tests/e2e/node_regressions.rs", "a_message_in_small_pieces_is_searched_once")],
    ),
    (
        "starting fifteen workers at once fails",
        &[
            ("tests/e2e/node_regressions.rs", "fifteen_workers_start_concurrently_with_default_settings"),
            ("tests/e2e/startup.rs", "many_workers_start_concurrently"),
        ],
    ),
];

#[test]
fn each_test_of_the_table_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for (bug, tests) in TABLE {
        for (file, name) in *tests {
            let source = std::fs::read_to_string(root.join(file));
            let source = source.unwrap_or_else(|error| panic!("{file}: {error}"));
            let lines: Vec<_> = source.lines().map(str::trim).collect();
            let is_test = lines.windows(2).any(|pair| {
                let function = pair[1].trim_start_matches("async ").strip_prefix("fn ");
                let rest = function.and_then(|function| function.strip_prefix(name));
                pair[0].ends_with("test]") && rest.is_some_and(|rest| rest.starts_with("()"))
            });
            assert!(is_test, "{file} has no test `{name}`, which excludes: {bug}");
        }
    }
}

fn no_timeouts() -> Timeouts {
    let none = Duration::ZERO;
    Timeouts::default().startup(none).message(none).close(none).disconnected(none)
}

/// Returns a request for a message without arguments.
fn call(name: &'static str) -> Request {
    Request::new(Name::from_static(name), Body::empty())
}

#[tokio::test]
async fn a_timeout_of_zero_means_no_timeout() {
    let worker = soon(worker().timeouts(no_timeouts()).spawn()).await.unwrap();
    let client = FaultsClient::new(worker.clone());
    let mut gate = Box::pin(client.gate(1));
    assert!(poll!(&mut gate).is_pending());
    // A timeout of zero that expired would end the call in one of these rounds.
    for _ in 0..100 {
        client.count().await.unwrap();
    }
    assert!(poll!(&mut gate).is_pending());
    assert!(soon(client.release(1)).await.unwrap());
    assert_eq!(soon(gate).await.unwrap(), 1);
    soon(worker.disconnect()).await.unwrap();
    soon(worker.reconnect()).await.unwrap();
    assert_eq!(soon(client.count()).await.unwrap(), 101, "the worker kept its state");
    soon(worker.close()).await.unwrap();
}

#[tokio::test]
async fn a_call_can_disable_the_timeout_of_its_message() {
    let (worker, client) = started().await;
    let mut unlimited = call("wait_a_little");
    unlimited.set_timeout(Some(Duration::ZERO));
    let mut unlimited = Box::pin(worker.call(unlimited));
    assert!(poll!(&mut unlimited).is_pending());
    // This call starts later and times out.
    assert_eq!(soon(client.wait_a_little()).await.unwrap_err().kind(), ErrorKind::Timeout);
    until_waiting(&client, 1).await;
    let result = poll!(&mut unlimited);
    assert!(result.is_pending(), "{result:?}");
}

#[tokio::test]
async fn a_short_message_timeout_does_not_affect_startup() {
    let short = Timeouts::default().message(Duration::from_nanos(1));
    let worker = soon(worker().timeouts(short).spawn()).await.unwrap();
    let error = soon(FaultsClient::new(worker.clone()).wait()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    soon(worker.close()).await.unwrap();
}

#[tokio::test]
async fn a_missing_working_directory_does_not_end_the_host() {
    let (other, other_client) = started().await;
    let folder = tempfile::tempdir().unwrap();
    let program = Program::new(WORKER).current_dir(folder.path());
    let policy = OnCrash::respawn().backoff(Duration::ZERO, Duration::ZERO);
    let worker = soon(Worker::builder(program.clone()).on_crash(policy).spawn()).await.unwrap();
    let client = FaultsClient::new(worker.clone());
    folder.close().unwrap();

    let assert_no_folder = |error: Error| {
        assert_eq!((error.kind(), error.executed()), (ErrorKind::Spawn, Executed::No), "{error}");
        assert!(error.to_string().contains("its working directory"), "{error}");
    };
    assert_no_folder(soon(Worker::builder(program).spawn()).await.unwrap_err());
    // A respawn fails in the same way.
    PidFd::open(worker.pid()).signal(Signal::KILL);
    soon(worker.closed()).await;
    assert_no_folder(soon(client.count()).await.unwrap_err());

    assert_eq!(soon(other_client.count()).await.unwrap(), 1);
    soon(other.close()).await.unwrap();
}

#[tokio::test]
async fn names_of_javascript_object_members_are_unknown_messages() {
    let (worker, client) = started().await;
    for name in [
        "toString",
        "constructor",
        "__proto__",
        "hasOwnProperty",
        "valueOf",
        "isPrototypeOf",
        "__defineGetter__",
        // Names that look like those of replies.
        "countResult",
        "countError",
    ] {
        let error = soon(worker.call(call(name))).await.unwrap_err();
        assert_eq!((error.kind(), error.executed()), (ErrorKind::UnknownMessage, Executed::No), "{error}");
        let text = format!("the service Faults has no message `{name}`");
        assert!(error.to_string().starts_with(&text), "{error}");
    }
    assert_eq!(soon(client.count()).await.unwrap(), 1, "the worker still answers");
}

#[tokio::test]
async fn close_after_a_crash_returns_at_once() {
    for idle in [true, false] {
        let (worker, client) = started().await;
        if idle {
            PidFd::open(worker.pid()).signal(Signal::KILL);
            soon(worker.closed()).await;
        } else {
            assert_eq!(soon(client.abort()).await.unwrap_err().kind(), ErrorKind::Crashed);
        }
        // The future is ready at its first poll.
        assert!(matches!(poll!(Box::pin(worker.close())), std::task::Poll::Ready(Ok(()))), "idle: {idle}");
    }
}

#[tokio::test]
async fn close_during_a_crash_does_not_wait_for_the_grace_period() {
    // The grace period is unlimited here, so waiting for it would hang.
    let (worker, client) = {
        let worker = soon(worker().timeouts(no_timeouts()).spawn()).await.unwrap();
        (worker.clone(), FaultsClient::new(worker))
    };
    PidFd::open(worker.pid()).signal(Signal::KILL);
    soon(worker.close()).await.unwrap();
    assert_eq!(soon(client.count()).await.unwrap_err().kind(), ErrorKind::Closed);

    // The same during a respawn.
    let policy = OnCrash::respawn().backoff(Duration::from_secs(600), Duration::from_secs(600));
    let worker = soon(super::worker().timeouts(no_timeouts()).on_crash(policy).spawn()).await.unwrap();
    let mut status = worker.status();
    PidFd::open(worker.pid()).signal(Signal::KILL);
    soon(status.wait_for(|status| *status == Status::Starting)).await.unwrap();
    soon(worker.close()).await.unwrap();
}

/// A search that restarts with each piece would scan 2^42 bytes, which takes minutes.
#[test]
fn a_message_in_small_pieces_is_searched_once() {
    let mut framing = Json.framing(Limits::default());
    let (body, mut line) = (format!("{:?}", "x".repeat(4 << 20)), BytesMut::new());
    let id = TxId::from(1u64);
    let frame = Frame::reply(id, Name::from_static("big"), body.into_bytes().into(), Default::default());
    framing.encode(&frame, &mut line).unwrap();
    let before = Instant::now();
    let (mut buffer, mut frames) = (BytesMut::new(), 0);
    for piece in line.chunks(2) {
        buffer.extend_from_slice(piece);
        frames += usize::from(framing.decode(&mut buffer).unwrap().is_some());
        assert!(before.elapsed() < HANG_TIMEOUT, "after {} of {} bytes", buffer.len(), line.len());
    }
    assert_eq!((frames, buffer.len()), (1, 0));
}

#[tokio::test]
async fn fifteen_workers_start_concurrently_with_default_settings() {
    let workers = soon(join_all((0..15).map(|_| Worker::builder(Program::new(WORKER)).spawn()))).await;
    for worker in workers {
        let worker = worker.unwrap();
        assert_eq!(soon(FaultsClient::new(worker.clone()).count()).await.unwrap(), 1);
        soon(worker.close()).await.unwrap();
    }
}
