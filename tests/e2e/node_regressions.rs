//! What goes wrong in `isolated-workers` for Node.js, which this project follows, and the tests that hold that it does not
//! here. One of them, [`each_test_of_the_table_exists`], reads this table and their sources.
//!
//! | there | the tests here |
//! |---|---|
//! | a crash is told as "closed", without exit code or signal | `tests/e2e/crash.rs` `a_crash_reports_its_exit_code_or_signal_and_the_call_in_flight`, `tests/interop/node_worker.rs` `a_crash_reports_its_exit_code_and_last_output` |
//! | calls are refused while a worker is started again | `tests/e2e/respawn.rs` `calls_made_during_a_respawn_wait_for_it` |
//! | a call that is made again skips the middleware | `tests/e2e/respawn.rs` `every_attempt_passes_the_middleware` |
//! | a worker that dies idle is never started again | `tests/e2e/respawn.rs` `an_idle_worker_that_crashes_is_respawned_if_the_policy_says_so` |
//! | timeouts that are zero, negative or huge are over at once | `tests/e2e/node_regressions.rs` `a_timeout_of_zero_means_no_timeout`, `tests/e2e/node_regressions.rs` `a_call_can_disable_the_timeout_of_its_message`, `tests/e2e/hang_detection.rs` `invalid_timeouts_and_heartbeats_are_refused`, `core/tests/protocol/timeout.rs` `a_timeout_past_the_end_of_time_is_none` |
//! | one number for all timeouts ends the start, too | `tests/e2e/node_regressions.rs` `a_short_message_timeout_does_not_affect_startup` |
//! | the timeout of the start is ignored | `tests/e2e/startup.rs` `a_worker_that_never_serves_is_killed_at_the_startup_timeout` |
//! | the exit code of a worker that did not come up is lost | `tests/e2e/startup.rs` `a_worker_that_exits_before_it_is_ready_reports_how`, `tests/interop/node_worker.rs` `a_failed_start_reports_its_cause` |
//! | a bad working directory ends the host | `tests/e2e/node_regressions.rs` `a_missing_working_directory_does_not_end_the_host`, `tests/e2e/startup.rs` `each_spawn_failure_has_its_own_message` |
//! | disconnecting and reconnecting only set flags | `tests/e2e/reconnect.rs` `reconnect_finds_the_state_of_the_worker_intact`, `tests/e2e/reconnect.rs` `calls_fail_while_a_worker_is_disconnected` |
//! | a detached worker keeps its host from ending | `tests/e2e/reconnect.rs` `a_host_exits_after_detach_and_another_process_attaches` |
//! | startup data is documented and does not exist | `tests/e2e/startup_data.rs` `startup_data_reaches_the_worker_on_every_transport`, `tests/e2e/startup_data.rs` `startup_data_is_not_in_arguments_environment_or_debug_output` |
//! | an error in a middleware hangs the call or ends the host | `middleware/tests/local/stacks.rs` `a_panic_fails_one_call_alone`, `tests/middleware/layer_order.rs` `layers_run_in_order_in_both_directions_whatever_fails` |
//! | binary serializers corrupt data | `codec/tests/values.rs` `every_kind_of_value`, `codec/tests/framing.rs` `every_frame_comes_back`, `tests/service/main.rs` `in_a_worker_as_postcard` |
//! | a character that is split between two reads is corrupted | `codec/tests/framing.rs` `a_long_text_comes_in_pieces_that_split_its_characters`, `tests/interop/node_worker.rs` `split_characters_and_large_payloads_arrive_intact` |
//! | serializers that do not fit together hang | `tests/e2e/startup.rs` `a_handshake_mismatch_is_reported`, `tests/service/skew.rs` `another_codec_is_refused` |
//! | throwing what is no `Error` hangs | `tests/e2e/calls.rs` `a_panic_fails_only_its_own_call`, `tests/interop/node_worker.rs` `thrown_strings_and_unknown_messages_are_remote_errors`, `codec/tests/json.rs` `makes_an_error_of_whatever_was_thrown` |
//! | of two calls with one id, one gets the answer of the other | `tests/e2e/calls.rs` `a_duplicate_id_is_refused_and_the_first_call_continues`, `core/tests/protocol/cancel.rs` `the_id_of_an_abandoned_call_is_refused_until_its_answer_came` |
//! | `toString` is taken for a handler | `tests/e2e/node_regressions.rs` `names_of_javascript_object_members_are_unknown_messages` |
//! | SIGKILL is never sent at close | `tests/e2e/close.rs` `a_worker_that_does_not_exit_is_killed_after_the_grace_period` |
//! | closing after a crash stalls for 5 s | `tests/e2e/node_regressions.rs` `close_after_a_crash_returns_at_once`, `tests/e2e/node_regressions.rs` `close_during_a_crash_does_not_wait_for_the_grace_period` |
//! | anyone may connect to the socket | `transport/tests/unix/unix_socket.rs` `another_user_cannot_connect`, `transport/tests/unix/unix_socket.rs` `folder_and_socket_are_the_users_alone`, `tests/e2e/reconnect.rs` `a_detached_worker_refuses_a_wrong_token` |
//! | the path of a socket that is too long is cut off silently | `transport/tests/unix/unix_socket.rs` `a_path_that_is_too_long_is_named_with_its_length_and_the_limit` |
//! | socket files are left behind | `tests/e2e/transports.rs` `nothing_is_left`, `tests/e2e/orphans.rs` `no_worker_outlives_a_killed_host` |
//! | a host that is killed leaves orphans | `tests/e2e/orphans.rs` `no_worker_outlives_a_killed_host`, `tests/e2e/orphans.rs` `no_stopped_worker_outlives_its_host` |
//! | a reply whose name ends in "Error" is taken for an error | `codec/tests/json.rs` `tells_a_message_with_the_name_of_an_answer_from_one`, `tests/interop/node_worker.rs` `a_message_can_be_named_like_a_reply` |
//! | a large message takes time that grows with the square of its size | `tests/e2e/node_regressions.rs` `a_message_in_small_pieces_is_searched_once` |
//! | fifteen workers that are started at once fail | `tests/e2e/node_regressions.rs` `fifteen_workers_start_concurrently_with_default_settings`, `tests/e2e/startup.rs` `many_workers_start_concurrently` |

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use futures_util::future::join_all;
use futures_util::poll;
use isolated_workers::{
    Body, Codec, Error, ErrorKind, Executed, Frame, Json, Name, OnCrash, Request, Service, Status, Timeouts,
    TxId,
};
use isolated_workers_test_support::process::PidFd;
use rustix::process::Signal;
use tokio_util::codec::{Decoder, Encoder};

use super::*;

/// The tests of the table: the behaviour that each is for, its file and its name.
fn table() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let rows = include_str!("node_regressions.rs").lines().filter_map(|line| line.strip_prefix("//! | "));
    let mut tests = Vec::new();
    for row in rows.skip(1) {
        let (behaviour, named) = row.strip_suffix(" |").unwrap().rsplit_once(" | ").unwrap();
        for test in named.split(", ") {
            let (file, name) = test.split_once(' ').unwrap_or_else(|| panic!("{test} has no name"));
            let [file, name] = [file, name].map(|quoted| quoted.trim_matches('`').to_owned());
            tests.push((behaviour.to_owned(), root.join(file), name));
        }
    }
    tests
}

#[test]
fn each_test_of_the_table_exists() {
    let tests = table();
    assert!(tests.len() >= 26, "the table was read: {tests:?}");
    for (behaviour, file, name) in tests {
        let source = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
        let lines: Vec<_> = source.lines().map(str::trim).collect();
        let is_test = lines.windows(2).any(|pair| {
            let function = pair[1].trim_start_matches("async ").strip_prefix("fn ");
            let is_named = function.and_then(|function| function.strip_prefix(&name));
            pair[0].ends_with("test]") && is_named.is_some_and(|rest| rest.starts_with("()"))
        });
        assert!(is_test, "{file:?} has no test `{name}`, which is to hold that not: {behaviour}");
    }
}

fn unlimited() -> Timeouts {
    let none = Duration::ZERO;
    Timeouts::default().startup(none).message(none).close(none).disconnected(none)
}

/// A call of a message without arguments.
fn call(name: &'static str) -> Request {
    Request::new(Name::from_static(name), Body::empty())
}

#[tokio::test]
async fn a_timeout_of_zero_means_no_timeout() {
    let worker = soon(worker().timeouts(unlimited()).spawn()).await.unwrap();
    let client = FaultsClient::new(worker.clone());
    let mut gate = Box::pin(client.gate(1));
    assert!(poll!(&mut gate).is_pending());
    // Each round is a turn in which a limit of nothing would have been over.
    for _ in 0..100 {
        client.count().await.unwrap();
    }
    assert!(poll!(&mut gate).is_pending());
    assert!(soon(client.release(1)).await.unwrap());
    assert_eq!(soon(gate).await.unwrap(), 1);
    soon(worker.disconnect()).await.unwrap();
    soon(worker.reconnect()).await.unwrap();
    assert_eq!(soon(client.count()).await.unwrap(), 101, "it has stayed");
    soon(worker.close()).await.unwrap();
}

#[tokio::test]
async fn a_call_can_disable_the_timeout_of_its_message() {
    let (worker, client) = started().await;
    let mut unlimited = call("wait_a_little");
    unlimited.set_timeout(Some(Duration::ZERO));
    let mut unlimited = Box::pin(worker.call(unlimited));
    assert!(poll!(&mut unlimited).is_pending());
    // It was made later, and its time is over.
    assert_eq!(soon(client.wait_a_little()).await.unwrap_err().kind(), ErrorKind::Timeout);
    until_waiting(&client, 1).await;
    let still = poll!(&mut unlimited);
    assert!(still.is_pending(), "{still:?}");
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

    let nowhere = |error: Error| {
        assert_eq!((error.kind(), error.executed()), (ErrorKind::Spawn, Executed::No), "{error}");
        assert!(error.to_string().contains("its working directory"), "{error}");
    };
    nowhere(soon(Worker::builder(program).spawn()).await.unwrap_err());
    // The same where a worker is started again.
    PidFd::open(worker.pid()).signal(Signal::KILL);
    soon(worker.closed()).await;
    nowhere(soon(client.count()).await.unwrap_err());

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
        // And what looks like an answer.
        "countResult",
        "countError",
    ] {
        let error = soon(worker.call(call(name))).await.unwrap_err();
        assert_eq!((error.kind(), error.executed()), (ErrorKind::UnknownMessage, Executed::No), "{error}");
        let text = format!("the service Faults has no message `{name}`");
        assert!(error.to_string().starts_with(&text), "{error}");
    }
    assert_eq!(soon(client.count()).await.unwrap(), 1, "it goes on");
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
        // It is ready when it is asked for the first time.
        assert!(matches!(poll!(Box::pin(worker.close())), std::task::Poll::Ready(Ok(()))), "idle: {idle}");
    }
}

#[tokio::test]
async fn close_during_a_crash_does_not_wait_for_the_grace_period() {
    // The grace is without an end here: whoever waits for it hangs.
    let (worker, client) = {
        let worker = soon(worker().timeouts(unlimited()).spawn()).await.unwrap();
        (worker.clone(), FaultsClient::new(worker))
    };
    PidFd::open(worker.pid()).signal(Signal::KILL);
    soon(worker.close()).await.unwrap();
    assert_eq!(soon(client.count()).await.unwrap_err().kind(), ErrorKind::Closed);

    // Nor for one that is being started again.
    let policy = OnCrash::respawn().backoff(Duration::from_secs(600), Duration::from_secs(600));
    let worker = soon(super::worker().timeouts(unlimited()).on_crash(policy).spawn()).await.unwrap();
    let mut status = worker.status();
    PidFd::open(worker.pid()).signal(Signal::KILL);
    soon(status.wait_for(|status| *status == Status::Starting)).await.unwrap();
    soon(worker.close()).await.unwrap();
}

/// A search that begins anew with each piece would look at 2^42 bytes, which takes minutes.
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
