//! A worker that dies at each byte of a session, in each direction.

use futures_util::future::join_all;
use isolated_workers::{Error, ErrorKind};

use super::*;

/// How many sessions run at once.
const AT_ONCE: usize = 8;

/// Longer than the session is.
const ENOUGH: usize = 10_000;

#[tokio::test]
async fn a_worker_killed_at_any_byte_it_writes_loses_no_call() {
    sessions("cut-writes").await;
}

#[tokio::test]
async fn a_worker_killed_at_any_byte_it_reads_loses_no_call() {
    sessions("cut-reads").await;
}

/// Runs the session with each offset until it is over before the worker dies.
async fn sessions(direction: &str) {
    let mut survived = 0;
    for first in (1..ENOUGH).step_by(AT_ONCE) {
        let offsets = (first..first + AT_ONCE).map(|offset| session(direction, offset));
        survived += soon(join_all(offsets)).await.into_iter().filter(|survived| *survived).count();
        if survived >= AT_ONCE {
            return;
        }
    }
    panic!("the session has no end");
}

/// Whether the worker was still there when all was said.
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
    let one = client.echo(b"one"[..].into()).await.map(|answer| answer == b"one"[..]);
    let rest = join_all([10u32, 20, 30].map(|number| client.echo(number.to_string().into()))).await;
    let noted = client.note("noted".into()).await;
    let counted = client.count().await.map(|count| count == 1);
    let rest =
        rest.into_iter().zip(["10", "20", "30"]).map(|(answer, own)| answer.map(|answer| answer == own));
    let mut whole = fine(direction, offset, noted.map(|()| true));
    for answer in rest.chain([one, counted]) {
        whole &= fine(direction, offset, answer);
    }
    whole
}

/// Whether there was an answer. It must be the right one, and anything else the end of the worker.
fn fine(direction: &str, offset: usize, answer: Result<bool, Error>) -> bool {
    match answer {
        Ok(is_own) => {
            assert!(is_own, "{direction} {offset}: the answer of another call");
            true
        }
        Err(error) => {
            let dead = matches!(error.kind(), ErrorKind::Crashed | ErrorKind::Closed);
            assert!(dead, "{direction} {offset}: {error:?}");
            false
        }
    }
}
