//! Workers in Python and Node.js that are killed while a pool in Rust calls them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use isolated_workers::{ErrorKind, Pool};
use isolated_workers_test_support::process::kill;
use isolated_workers_test_support::soon;
use tokio::sync::watch;

use super::interpreters::Language;
use super::service::PeerClient;

const KILLS: usize = 20;

/// Answers between two kills.
const ANSWERS: u64 = 50;

/// Each answer belongs to its call, and each call that was answered has run exactly once.
async fn nothing_is_lost_or_swapped(language: Language) {
    let Some(program) = language.worker() else { return };
    let journal = tempfile::NamedTempFile::new().unwrap();
    let pool = Pool::builder(program.env("JOURNAL", journal.path())).workers(3);
    let pool =
        pool.restart_limit(u32::MAX, Duration::from_secs(1)).spawn_rate(u32::MAX, Duration::from_secs(1));
    let pool = soon(pool.spawn()).await.unwrap();
    let client = PeerClient::new(pool.clone());
    let (ids, is_over, answers) = (AtomicU64::new(0), AtomicBool::new(false), watch::Sender::new(0_u64));
    let call = async || {
        let (mut answered, mut crashed) = (Vec::new(), Vec::new());
        while !is_over.load(Ordering::Relaxed) {
            let id = ids.fetch_add(1, Ordering::Relaxed);
            match client.run(id).await {
                Ok(answer) => {
                    assert_eq!(answer, id);
                    answered.push(id);
                    answers.send_modify(|answers| *answers += 1);
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Crashed, "{error}");
                    crashed.push(id);
                }
            }
            tokio::task::yield_now().await;
        }
        (answered, crashed)
    };
    let killing = async {
        let mut answers = answers.subscribe();
        for round in 0..KILLS {
            let before = *answers.borrow_and_update();
            answers.wait_for(|&answers| answers >= before + ANSWERS).await.unwrap();
            let pids: Vec<u32> = pool.stats().workers.iter().filter_map(|worker| worker.pid).collect();
            if !pids.is_empty() {
                kill(pids[round % pids.len()]);
            }
        }
        is_over.store(true, Ordering::Relaxed);
    };
    let ((), results) = soon(async { tokio::join!(killing, join_all((0..6).map(|_| call()))) }).await;
    soon(pool.close()).await.unwrap();

    let answered: BTreeSet<u64> = results.iter().flat_map(|(answered, _)| answered).copied().collect();
    let crashed: BTreeSet<u64> = results.iter().flat_map(|(_, crashed)| crashed).copied().collect();
    let lines = std::fs::read_to_string(journal.path()).unwrap();
    let ran: Vec<u64> = lines.lines().map(|line| line.parse().unwrap()).collect();
    let once: BTreeSet<u64> = ran.iter().copied().collect();
    assert_eq!(ran.len(), once.len(), "a call has run twice");
    assert!(answered.is_subset(&once), "an answered call has not run");
    assert!(once.iter().all(|id| answered.contains(id) || crashed.contains(id)), "an unknown call has run");
    assert!(!crashed.is_empty(), "no call was hit");
}

#[tokio::test]
async fn a_host_in_rust_loses_and_swaps_nothing_while_workers_in_python_are_killed() {
    nothing_is_lost_or_swapped(Language::Python).await;
}

#[tokio::test]
async fn a_host_in_rust_loses_and_swaps_nothing_while_workers_in_node_are_killed() {
    nothing_is_lost_or_swapped(Language::Node).await;
}
