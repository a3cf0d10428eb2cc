//! Several workers behind one client: a batch that survives a poison call, calls routed to the same
//! worker by key, a session with a worker of its own, and a reload without a failed call.
//!
//! `cargo run --example pool`

use isolated_workers::host::OnCrash;
use isolated_workers::pool::WhenFull;
use isolated_workers::prelude::*;

#[service]
trait Kitchen {
    #[message(idempotent)]
    async fn cook(&self, dish: String) -> Result<String, String>;
    async fn process(&self) -> u32;
    async fn wait(&self);
}

struct Cook;

impl Kitchen for Cook {
    async fn cook(&self, dish: String) -> Result<String, String> {
        match dish.as_str() {
            // A poison call: crashes every worker that runs it.
            "fugu" => std::process::abort(),
            "stone" => Err("a stone cannot be cooked".to_owned()),
            _ => Ok(format!("cooked {dish}")),
        }
    }
    async fn process(&self) -> u32 {
        std::process::id()
    }
    async fn wait(&self) {
        std::future::pending().await
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if is_worker() {
        return serve(Cook.into_service()).await;
    }
    let builder = || Ok::<_, Error>(Pool::builder(Program::current_exe()?).workers(2));
    let pool = builder()?.on_crash(OnCrash::retry(1)).spawn().await?;
    let dishes = ["soup", "fugu", "bread", "stone", "cake"];
    // Results are in the order of the items. With `.unordered()`, in order of completion.
    let mut results =
        pool.map(
            dishes,
            |pool, dish| async move { (dish, KitchenClient::new(pool).cook(dish.to_owned()).await) },
        );
    while let Some((dish, result)) = results.next().await {
        match result {
            Ok(meal) => println!("{dish}: {meal}"),
            Err(CallError::Service(why)) => println!("{dish}: {why}"),
            Err(CallError::Call(error)) => println!("{dish}: {:?}, the batch continues", error.kind()),
        }
    }
    // Each of the two attempts at fugu crashed a worker.
    let replaced = pool.watch().wait_for(|stats| stats.restarts() == 2).await.is_ok();
    println!("two workers were replaced: {replaced}");

    let ada = KitchenClient::new(pool.with_key("Ada"));
    let same = ada.process().await? == ada.process().await?;
    println!("same key, same worker: {same}");
    let session = pool.checkout().await?;
    let own = KitchenClient::new(session.clone()).process().await?;
    let other = KitchenClient::new(pool.clone()).process().await?;
    println!("a session has a worker of its own: {}", own != other);
    session.give_back();
    let before = ada.process().await?;
    pool.reload().await?;
    println!("reload started a new process: {}", ada.process().await? != before);
    pool.drain().await?;

    // One worker and no queue: further calls are rejected.
    let busy = builder()?.workers(1).queue(0, WhenFull::Reject).spawn().await?;
    let kitchen = KitchenClient::new(busy.clone());
    tokio::select! {
        biased;
        _ = kitchen.wait() => println!("unexpected: `wait` returned"),
        result = kitchen.cook("soup".to_owned()) => println!("{}", result.unwrap_err()),
    }
    busy.close().await
}
