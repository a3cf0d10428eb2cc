//! `offload::closure!`.

use isolated_workers::prelude::*;
use isolated_workers::{CallError, offload};

/// Item that a closure may use: it is no variable.
const OFFSET: u64 = 1;

fn next(n: u64) -> u64 {
    n + OFFSET
}

#[isolated_workers::test]
async fn closures_run_in_another_process() -> Result<(), Error> {
    let pool = offload::pool().await?;
    let square = offload::closure!(&pool, |n: u64| -> u64 { n * n });
    let pid = offload::closure!(&pool, || -> u32 { std::process::id() });
    let sum = offload::closure!(pool.clone(), |(a, b): (u64, u64), mut c: u64| -> u64 {
        c += OFFSET;
        let total = (0..=b).map(next).map(|n| n + a).sum::<u64>();
        total + c
    });
    assert_eq!(square(12).await?, 144);
    assert_ne!(pid().await?, std::process::id());
    assert_eq!(sum((10, 1), 0).await?, 1 + 2 + 20 + 1);
    Ok(())
}

#[isolated_workers::test]
async fn an_async_closure_may_fail() -> Result<(), Error> {
    let pool = offload::pool().await?;
    let half = offload::closure!(&pool, async |n: u64| -> Result<u64, String> {
        std::future::ready(n / 2).await;
        n.is_multiple_of(2).then_some(n / 2).ok_or(format!("{n} is odd"))
    });
    assert_eq!(half(8).await.unwrap(), 4);
    let error = half(7).await.expect_err("its error");
    assert!(matches!(&error, CallError::Service(text) if text == "7 is odd"), "{error}");
    Ok(())
}
