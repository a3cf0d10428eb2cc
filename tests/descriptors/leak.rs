//! Calls with files leave no descriptor open. Each test runs in its own process, because other
//! tests open files too.

use isolated_workers::host::OnCrash;
use isolated_workers::testing::conformance::alone;
use isolated_workers_test_support::{block_on, count_from_env};

use super::*;
use crate::service::open_descriptors;

/// Number of files in each direction: set `ISOLATED_WORKERS_FILES=10000` for a long run.
fn count() -> u32 {
    count_from_env("ISOLATED_WORKERS_FILES", 10_000)
}

#[test]
fn files_in_both_directions_with_kills_in_between_leak_no_descriptor() {
    alone(
        concat!(module_path!(), "::files_in_both_directions_with_kills_in_between_leak_no_descriptor"),
        || {
            block_on(exchange());
        },
    );
}

async fn exchange() {
    let builder = Worker::builder(program("postcard")).codec(Postcard).descriptors();
    let worker = soon(builder.on_crash(OnCrash::respawn()).spawn()).await.unwrap();
    let files = FilesClient::new(worker);
    let mut before = None;
    for number in 0..count() {
        match number % 1_000 {
            // The worker has the file when it ends.
            500 => drop(soon(files.die(file(""))).await.unwrap_err()),
            // Calls are in every state when their worker ends.
            501 => {
                let calls = (0..20).map(|_| files.read(file("text")));
                let all = futures_util::future::join_all(calls);
                let (_, killed) = soon(futures_util::future::join(all, files.die(file("")))).await;
                drop(killed.unwrap_err());
            }
            // Of a dropped call, whatever its state.
            502 => drop(futures_util::poll!(std::pin::pin!(files.read(file("text"))))),
            _ => {}
        }
        let text_of_number = number.to_string();
        assert_eq!(soon(files.read(file(&text_of_number))).await.unwrap(), text_of_number);
        assert_eq!(text(soon(files.open(text_of_number.clone())).await.unwrap()), text_of_number);
        // The first calls and the first crash open what stays.
        if number == 999.min(count() - 1) {
            before = Some((open_descriptors(), soon(files.count()).await.unwrap()));
        }
    }
    let after = (open_descriptors(), soon(files.count()).await.unwrap());
    println!("{} files in each direction: {before:?} -> {after:?} descriptors of host and worker", count());
    assert_eq!(Some(after), before);
}

#[test]
fn files_that_nobody_takes_are_closed() {
    alone(concat!(module_path!(), "::files_that_nobody_takes_are_closed"), || {
        block_on(async {
            let files = started("json", Json, UnixSocket).await;
            let round = async || {
                soon(files.ignore((0..16).map(|_| file("")).collect())).await.unwrap();
                drop(soon(files.open("unread".into())).await.unwrap());
                // Some of these items are never taken.
                let mut opened = files.open_each(5);
                soon(opened.next()).await.unwrap().unwrap();
            };
            // Of both processes.
            let count = async || open_descriptors() + soon(files.count()).await.unwrap();
            round().await;
            let before = count().await;
            for _ in 0..100 {
                round().await;
            }
            // The worker's event thread starts late and opens five descriptors. A leak in each
            // round would be a hundred.
            soon(async { while count().await > before + 10 {} }).await;
        });
    });
}
