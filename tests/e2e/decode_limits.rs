//! Values that exceed the decode limits. Each one fails its call and nothing else.

use super::services::faults::Tree;
use isolated_workers::codec::{Cbor, Codec, Json};
use isolated_workers::error::Executed;
use isolated_workers::{CallError, Error, ErrorKind, Service};

use super::*;

/// Returns a tree with this many levels below the root.
fn deep(levels: u32) -> Tree {
    (0..levels).fold(Tree { branches: vec![] }, |tree, _| Tree { branches: vec![tree] })
}

fn wide(branches: usize) -> Tree {
    Tree { branches: vec![Tree { branches: vec![] }; branches] }
}

async fn start<C: Codec>(
    how: &str,
    codec: C,
    limits: Limits,
) -> (Worker<Link<C>>, FaultsClient<Worker<Link<C>>>) {
    let program = Program::new(WORKER).arg(how);
    let worker = Worker::builder(program).codec(codec).limits(limits).spawn().await.unwrap();
    (worker.clone(), FaultsClient::new(worker))
}

#[track_caller]
fn refused(result: Result<Tree, CallError<Tree>>, executed: Executed, words: &[&str]) {
    let Err(CallError::Call(error)) = result else { panic!("{result:?}") };
    assert_eq!((error.kind(), error.executed()), (ErrorKind::TooLarge, executed), "{error}");
    let text = error.to_string();
    words.iter().for_each(|word| assert!(text.contains(word), "{text}\n  does not contain: {word}"));
}

async fn works<S: Service>(client: &FaultsClient<S>, tree: Tree) {
    assert_eq!(soon(client.mirror(tree.clone(), false)).await.unwrap(), tree);
    let failure = soon(client.mirror(tree.clone(), true)).await.unwrap_err();
    assert_eq!(failure.service().unwrap(), tree);
}

#[tokio::test]
async fn a_worker_rejects_a_message_over_its_limits_and_keeps_serving() {
    let (worker, client) = start("frugal", Postcard, Limits::default()).await;
    let waiting = client.gate(1);
    let calls = async {
        // Each tree is one level, and its branches are another unless empty. The message adds one
        // more.
        works(&client, deep(3)).await;
        let words = [
            "could not decode `mirror` from postcard: it nests deeper than 9 levels; raise `Limits::depth`",
            "`serve(..).limits(..)`",
        ];
        refused(soon(client.mirror(deep(4), false)).await, Executed::Maybe, &words);
        works(&client, wide(100)).await;
        let words = ["it has more than 100 elements; raise `Limits::elements`", "the worker"];
        refused(soon(client.mirror(wide(101), false)).await, Executed::Maybe, &words);
        works(&client, deep(3)).await;
        release(&client, [1]).await;
    };
    let (waited, ()) = soon(async { tokio::join!(waiting, calls) }).await;
    assert_eq!(waited.unwrap(), 1, "a call in flight during all rejections");
    worker.close().await.unwrap();
}

async fn a_host_rejects_a_reply_over_its_limits_and_keeps_calling<C: Codec>(how: &str, codec: C) {
    let limits = Limits::default().depth(8).elements(100);
    let (worker, client) = start(how, codec, limits).await;
    works(&client, deep(3)).await;
    let words = [
        "could not decode the reply to `mirror`",
        "it nests deeper than 8 levels",
        "`Worker::builder(..).limits(..)`",
    ];
    refused(soon(client.mirror(deep(4), false)).await, Executed::Yes, &words);
    works(&client, wide(100)).await;
    let words = ["could not decode the error of `mirror`", "it has more than 100 elements", "the host"];
    refused(soon(client.mirror(wide(101), true)).await, Executed::Yes, &words);
    works(&client, deep(3)).await;
    worker.close().await.unwrap();
}

#[tokio::test]
async fn a_host_rejects_a_json_reply_over_its_limits_and_keeps_calling() {
    a_host_rejects_a_reply_over_its_limits_and_keeps_calling("", Json).await;
}

#[tokio::test]
async fn a_host_rejects_a_postcard_reply_over_its_limits_and_keeps_calling() {
    a_host_rejects_a_reply_over_its_limits_and_keeps_calling("postcard", Postcard).await;
}

/// Runs on a thread with the usual stack size, as tests do.
async fn a_tree_at_the_maximum_depth_passes_in_both_directions<C: Codec>(codec: C) {
    let limits = Limits::default().depth(Limits::MAX_DEPTH);
    let program = Program::new(WORKER).args(["deep", C::ID]);
    let worker = Worker::builder(program).codec(codec).limits(limits).spawn().await.unwrap();
    let client = FaultsClient::new(worker.clone());
    // The message is a level, and each tree is two, except for the last, whose branches are empty.
    let levels = Limits::MAX_DEPTH / 2 - 2;
    works(&client, deep(levels)).await;
    let words =
        ["could not decode `mirror`", "it nests deeper than 256 levels, the maximum of `Limits::depth`"];
    refused(soon(client.mirror(deep(levels + 2), false)).await, Executed::Maybe, &words);
    works(&client, deep(levels)).await;
    worker.close().await.unwrap();
}

#[tokio::test]
async fn a_tree_at_the_maximum_depth_passes_with_every_codec() {
    a_tree_at_the_maximum_depth_passes_in_both_directions(Json).await;
    a_tree_at_the_maximum_depth_passes_in_both_directions(Cbor).await;
    a_tree_at_the_maximum_depth_passes_in_both_directions(Postcard).await;
}

#[tokio::test]
async fn invalid_limits_fail_the_start_on_either_side() {
    let spawn = |how: &str, limits| Worker::builder(Program::new(WORKER).arg(how)).limits(limits).spawn();
    let error: Error = soon(spawn("", Limits::default().depth(0))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("invalid `Limits::depth` of 0 levels"), "{error}");
    let error = soon(spawn("no-depth", Limits::default())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Startup);
    assert!(
        error.to_string().contains("invalid `Limits::depth` of 0 levels: it must be between 1 and 256"),
        "{error}"
    );
}
