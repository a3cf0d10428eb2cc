use futures_util::future::join_all;
use isolated_workers::ErrorKind;
use isolated_workers::error::{Executed, ExitReason};
use isolated_workers_test_support::{KILLED, process::PidFd};
use rustix::process::Signal;

use super::*;

fn reason<T: std::fmt::Debug>(result: Result<T, isolated_workers::Error>) -> (ErrorKind, ExitReason) {
    let error = result.unwrap_err();
    (error.kind(), error.crash().expect("an error with a crash").reason)
}

#[tokio::test]
async fn a_crash_reports_its_exit_code_or_signal_and_the_call_in_flight() {
    let (worker, client) = started().await;
    let error = soon(client.exit(42)).await.unwrap_err();
    let crash = error.crash().unwrap();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Crashed, Executed::Maybe));
    assert_eq!(crash.reason, ExitReason::Exited(42));
    assert_eq!((crash.message.as_deref(), crash.pid), (Some("exit"), Some(worker.pid())));
    assert!(error.to_string().ends_with("exited with code 42 while `exit` was in flight"), "{error}");

    let (_worker, client) = started().await;
    let (kind, reason) = reason(soon(client.abort()).await);
    assert_eq!(kind, ErrorKind::Crashed);
    assert!(matches!(reason, ExitReason::Signaled { signal: 6, .. }), "{reason}");
}

#[tokio::test]
async fn a_crash_reports_the_panic_that_ended_the_process() {
    for (aborts, how) in [(false, "exited with code 101"), (true, "was killed by signal 6 (SIGABRT)")] {
        let (_worker, client) = started().await;
        // The worker catches this panic, so it is not the cause of the crash.
        soon(client.panic("a caught panic".into())).await.unwrap_err();
        let error = soon(client.panic_outside("out of cheese\n  and wine".into(), aborts)).await.unwrap_err();
        let crash = error.crash().unwrap();
        let panic = crash.panic.as_deref().unwrap_or_else(|| panic!("no panic in {}", crash.stderr));
        assert!(panic.starts_with("out of cheese\n  and wine, at "), "{panic}");
        assert!(panic.contains("programs/faults_worker.rs:"), "{panic}");
        let text = error.to_string();
        assert!(text.contains(how) && text.ends_with(&format!("; it panicked: {panic}")), "{text}");
    }
}

#[tokio::test]
async fn a_caught_panic_is_not_reported_as_the_cause_of_a_crash() {
    let (_worker, client) = started().await;
    soon(client.panic("a caught panic".into())).await.unwrap_err();
    let error = soon(client.exit(3)).await.unwrap_err();
    assert_eq!(error.crash().unwrap().panic, None);
    // A process ends like this after a panic as well.
    for code in [None, Some(101)] {
        let (_worker, client) = started().await;
        for _ in 0..2 {
            soon(client.panic("a caught panic".into())).await.unwrap_err();
        }
        let end = async {
            match code {
                Some(code) => client.exit(code).await,
                None => client.abort().await,
            }
        };
        let error = soon(end).await.unwrap_err();
        assert_eq!(error.crash().unwrap().panic, None, "{code:?}: {error}");
    }
}

#[tokio::test]
async fn a_plain_sigkill_is_not_reported_as_oom() {
    let (worker, client) = started().await;
    let kill = async {
        until_waiting(&client, 1).await;
        PidFd::open(worker.pid()).signal(Signal::KILL);
    };
    let (end, ()) = soon(async { tokio::join!(client.wait(), kill) }).await;
    let error = end.unwrap_err();
    let crash = error.crash().unwrap();
    assert_eq!((crash.reason, crash.out_of_memory), (KILLED, false));
    assert_eq!((crash.attempt, crash.max_attempts), (1, 1));
}

#[tokio::test]
async fn a_crash_fails_every_call_in_flight_exactly_once() {
    let (worker, client) = started().await;
    let calls = join_all((0..300).map(|_| client.wait()));
    let kill = async {
        until_waiting(&client, 300).await;
        PidFd::open(worker.pid()).signal(Signal::KILL);
    };
    let (ends, ()) = soon(async { tokio::join!(calls, kill) }).await;
    assert_eq!(ends.len(), 300);
    assert!(ends.into_iter().all(|end| reason(end) == (ErrorKind::Crashed, KILLED)));
    assert_eq!(soon(worker.closed()).await, KILLED);
    assert!(!worker.is_active());

    let error = client.echo(vec![].into()).await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Closed, Executed::No));
    soon(worker.close()).await.unwrap();
}

#[tokio::test]
async fn the_crash_of_an_idle_worker_is_noticed() {
    let (worker, _client) = started().await;
    PidFd::open(worker.pid()).signal(Signal::KILL);
    assert_eq!(soon(worker.closed()).await, KILLED);
}

#[tokio::test]
async fn a_child_that_holds_the_socket_does_not_hide_a_crash() {
    let (worker, client) = started().await;
    let child = PidFd::open(client.start_child_apart().await.unwrap());
    let call = client.wait();
    let kill = async {
        until_waiting(&client, 1).await;
        PidFd::open(worker.pid()).signal(Signal::KILL);
    };
    let (end, ()) = soon(async { tokio::join!(call, kill) }).await;
    assert_eq!(reason(end), (ErrorKind::Crashed, KILLED));
    child.signal(Signal::KILL);
}

#[tokio::test]
async fn a_worker_that_closes_its_connection_is_killed() {
    let (worker, client) = started().await;
    let (kind, reason) = reason(soon(client.hang_up()).await);
    assert_eq!((kind, reason), (ErrorKind::Crashed, ExitReason::Disconnected));
    assert!(PidFd::try_open(worker.pid()).is_none());
}

#[tokio::test]
async fn a_worker_that_sends_invalid_frames_is_killed() {
    let (worker, client) = started().await;
    let error = soon(client.send_garbage()).await.unwrap_err();
    let violation = error.crash().unwrap().violation.clone().unwrap();
    assert!(violation.starts_with("could not decode a frame of the peer as json: "), "{violation}");
    assert!(
        error
            .to_string()
            .ends_with(&format!("broke the protocol while `send_garbage` was in flight; {violation}"))
    );
    let (kind, reason) = reason(Err::<(), _>(error));
    assert_eq!((kind, reason), (ErrorKind::Crashed, ExitReason::Violated));
    assert!(PidFd::try_open(worker.pid()).is_none());
}

#[tokio::test]
async fn replies_sent_before_a_crash_arrive() {
    for _ in 0..20 {
        let (_worker, client) = started().await;
        let (echo, exit) =
            soon(async { tokio::join!(client.echo(vec![7; 100_000].into()), client.exit(1)) }).await;
        assert_eq!(echo.unwrap().len(), 100_000);
        assert_eq!(exit.unwrap_err().kind(), ErrorKind::Crashed);
    }
}

#[tokio::test]
async fn a_partial_frame_of_a_killed_worker_is_never_decoded() {
    for turns in 0..30 {
        let (worker, client) = started_binary().await;
        let process = PidFd::open(worker.pid());
        // More than the socket buffers hold, so that each direction takes several writes.
        let call = client.echo(vec![7; 7 << 20].into());
        let kill = async {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            process.signal(Signal::KILL);
        };
        match soon(async { tokio::join!(call, kill) }).await.0 {
            Ok(data) => assert_eq!(data.len(), 7 << 20),
            Err(error) => assert_eq!(error.crash().unwrap().reason, KILLED),
        }
    }
}

#[tokio::test]
async fn a_worker_over_its_memory_limit_says_so() {
    let program = Program::new("sh").args(["-c", "ulimit -v 4000000; exec \"$0\"", WORKER]);
    let worker = soon(Worker::builder(program).spawn()).await.unwrap();
    let error = soon(FaultsClient::new(worker).allocate(1 << 42)).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.ends_with(&format!("; its last output: memory allocation of {} bytes failed", 1_u64 << 42)),
        "{text}"
    );
}
