use isolated_workers::driver::{Output, Thread};
use isolated_workers::error::{Executed, ExitReason};
use isolated_workers::host::OnCrash;
use isolated_workers::{Error, ErrorKind, serve};

use super::services::life::{Life, Living};
use super::*;

/// Asserts that the error has the panic's message and location. The message is the line number.
fn assert_located(error: &Error) {
    let text = error.to_string();
    let line = text.rsplit_once("on line ").unwrap().1;
    let expected = format!("services/life.rs:{line}:9: on line {line}");
    assert!(text.contains(&expected), "{text}\n  does not contain: {expected}");
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Panicked, Executed::Yes));
}

#[tokio::test]
async fn a_panic_error_has_message_and_location_and_the_worker_keeps_serving() {
    let program = Program::new(LIFE_WORKER).arg("plain").stderr(Output::Capture);
    let worker = soon(Worker::builder(program).spawn()).await.unwrap();
    let client = LifeClient::new(worker.clone());
    assert_located(&soon(client.panic()).await.unwrap_err());
    assert_located(&soon(client.panic_blocking()).await.unwrap_err());
    soon(client.panic_oneway()).await.unwrap();
    assert_eq!(soon(client.pid()).await.unwrap(), worker.pid());
    soon(worker.close()).await.unwrap();
    // The default hook still prints every panic.
    let stderr = worker.stderr();
    let panics = stderr.lines().filter(|line| line.contains("panicked at tests/e2e/"));
    assert_eq!(panics.count(), 3, "{stderr}");
}

#[tokio::test]
async fn a_thread_worker_leaves_the_panic_hook_of_the_host_alone() {
    let thread = Thread::new(|| async { serve(Living::default().into_service()).await });
    let worker = soon(Worker::builder(thread).spawn()).await.unwrap();
    let error = soon(LifeClient::new(worker).panic()).await.unwrap_err();
    assert!(error.to_string().starts_with("the handler of `panic` panicked: on line "), "{error}");
}

#[tokio::test]
async fn exit_on_panic_answers_the_call_and_then_exits() {
    let worker = soon(life_worker("fragile").spawn()).await.unwrap();
    let client = LifeClient::new(worker.clone());
    let mut other_call = Box::pin(client.wait());
    assert!(futures_util::poll!(&mut other_call).is_pending());
    assert_located(&soon(client.panic()).await.unwrap_err());
    let crash = soon(other_call).await.unwrap_err();
    assert_eq!(crash.crash().unwrap().reason, ExitReason::Exited(1), "{crash}");
    assert!(
        crash.crash().unwrap().stderr.contains("this worker ends because of `exit_on_panic`"),
        "{crash:?}"
    );
}

#[tokio::test]
async fn exit_on_panic_also_exits_for_a_oneway_message() {
    let worker = soon(life_worker("fragile").on_crash(OnCrash::respawn()).spawn()).await.unwrap();
    let (client, first) = (LifeClient::new(worker.clone()), worker.pid());
    soon(client.panic_oneway()).await.unwrap();
    // Calls that arrive before the exit are answered or fail because of it.
    soon(async { while client.pid().await.is_ok_and(|pid| pid == first) {} }).await;
    assert_ne!(soon(client.pid()).await.unwrap(), first);
}
