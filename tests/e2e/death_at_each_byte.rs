//! A worker that is killed at each byte of a session, in each direction.

use futures_util::future::join_all;
use isolated_workers::{Error, ErrorKind};

use super::*;

/// Number of sessions that run concurrently.
const CONCURRENT_SESSIONS: usize = 8;

/// More bytes than a session has in either direction.
const MAX_BYTES: usize = 10_000;

#[tokio::test]
async fn a_worker_killed_at_any_byte_it_writes_loses_no_call() {
    sessions("cut-writes").await;
}

#[tokio::test]
async fn a_worker_killed_at_any_byte_it_reads_loses_no_call() {
    sessions("cut-reads").await;
}

/// Runs sessions with growing offsets until they complete before the worker is killed.
async fn sessions(direction: &str) {
    let mut survived = 0;
    for first in (1..MAX_BYTES).step_by(CONCURRENT_SESSIONS) {
        let offsets = (first..first + CONCURRENT_SESSIONS).map(|offset| session(direction, offset));
        survived += soon(join_all(offsets)).await.into_iter().filter(|survived| *survived).count();
        if survived >= CONCURRENT_SESSIONS {
            return;
        }
    }
    panic!("no session completed within {MAX_BYTES} bytes");
}

/// Returns `true` if the session completed before the worker was killed.
async fn session(direction: &str, offset: usize) -> bool {
    let program = Program::new(WORKER).args([direction, &offset.to_string()]);
    let worker = match Worker::builder(program).spawn().await {
        Ok(worker) => worker,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Startup, "{direction} {offset}: {error:#}");
            assert!(error.to_string().contains("SIGKILL"), "{direction} {offset}: {error:#}");
            return false;
        }
    };
    let client = FaultsClient::new(worker.clone());
    let first = client.echo(b"one"[..].into()).await.map(|answer| answer == b"one"[..]);
    let rest = join_all([10u32, 20, 30].map(|number| client.echo(number.to_string().into()))).await;
    let noted = client.note("noted".into()).await;
    let counted = client.count().await.map(|count| count == 1);
    let rest =
        rest.into_iter().zip(["10", "20", "30"]).map(|(answer, own)| answer.map(|answer| answer == own));
    let mut completed = is_answered(direction, offset, noted.map(|()| true));
    for answer in rest.chain([first, counted]) {
        completed &= is_answered(direction, offset, answer);
    }
    completed
}

/// Returns `true` if the call was answered. Asserts that the reply is correct, and that an error is
/// caused by the end of the worker.
fn is_answered(direction: &str, offset: usize, answer: Result<bool, Error>) -> bool {
    match answer {
        Ok(is_own) => {
            assert!(is_own, "{direction} {offset}: the reply of another call");
            true
        }
        Err(error) => {
            let is_expected = matches!(error.kind(), ErrorKind::Crashed | ErrorKind::Closed);
            assert!(is_expected, "{direction} {offset}: {error:?}");
            false
        }
    }
}
