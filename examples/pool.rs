//! Many workers behind one stub: a batch that one bad item does not stop, calls that go to the same worker by their key, and
//! a new version of the program without a failed call.
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
            // One that every cook dies of.
            "fugu" => std::process::abort(),
            "stone" => Err("nobody can eat that".to_owned()),
            _ => Ok(format!("{dish}, well done")),
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
    let cooks = || Ok::<_, Error>(Pool::builder(Program::current_exe()?).workers(2));
    let pool = cooks()?.on_crash(OnCrash::retry(1)).spawn().await?;
    let dishes = ["soup", "fugu", "bread", "stone", "cake"];
    // In the order of the items; `.unordered()` hands them out as they come.
    let mut results =
        pool.map(
            dishes,
            |pool, dish| async move { (dish, KitchenClient::new(pool).cook(dish.to_owned()).await) },
        );
    while let Some((dish, result)) = results.next().await {
        match result {
            Ok(meal) => println!("{dish}: {meal}"),
            Err(CallError::Service(refused)) => println!("{dish}: {refused}"),
            Err(CallError::Call(error)) => println!("{dish}: {:?}, the others go on", error.kind()),
        }
    }
    // Each of its two runs cost a worker.
    let replaced = pool.watch().wait_for(|stats| stats.restarts() == 2).await.is_ok();
    println!("two workers were replaced: {replaced}");

    let of_ada = KitchenClient::new(pool.with_key("Ada"));
    let same = of_ada.process().await? == of_ada.process().await?;
    println!("one key, one worker: {same}");
    let before = of_ada.process().await?;
    pool.reload().await?;
    println!("reloaded, another process: {}", of_ada.process().await? != before);
    pool.drain().await?;

    // One worker, and no queue: what comes beyond that is refused.
    let busy = cooks()?.workers(1).queue(0, WhenFull::Reject).spawn().await?;
    let kitchen = KitchenClient::new(busy.clone());
    tokio::select! {
        biased;
        _ = kitchen.wait() => println!("unexpected: it is done"),
        refused = kitchen.cook("soup".to_owned()) => println!("{}", refused.unwrap_err()),
    }
    busy.close().await
}
