//! Functions that run in worker processes of their own program: a crash, an endless loop and a
//! mistake in them are errors of their calls.
//!
//! `cargo run --example offload`

use isolated_workers::{CallError, Error, offload};

/// Number of primes below a limit.
#[offload]
fn count_primes(limit: u64) -> u64 {
    (2..limit).filter(|n| (2..).take_while(|d| d * d <= *n).all(|divisor| n % divisor != 0)).count() as u64
}

/// Depth of nested parentheses. Each level takes space on the stack.
#[offload]
fn depth(text: String) -> Result<usize, String> {
    fn inner(text: &[u8], level: usize) -> Result<usize, String> {
        match text {
            [b'(', rest @ ..] => inner(rest, level + 1).map(|depth| depth.max(level + 1)),
            [b')', rest @ ..] if level > 0 => inner(rest, level - 1),
            [] if level == 0 => Ok(0),
            [] => Err(format!("{level} parentheses are not closed")),
            [byte, ..] => Err(format!("unexpected `{}`", *byte as char)),
        }
    }
    inner(text.as_bytes(), 0)
}

#[offload(timeout = "200ms")]
fn never() {
    loop {
        std::thread::park();
    }
}

fn main() -> Result<(), Error> {
    // The workers are this program, and begin here.
    offload::init();

    println!("{} primes below 100, counted in this process", count_primes(100));
    println!("{} primes below 100000, counted in a worker", count_primes::blocking(100_000)?);

    println!("depth of (()()): {}", depth::blocking("(()())".to_owned()).expect("a depth"));
    for text in ["(()".to_owned(), "(".repeat(1_000_000)] {
        match depth::blocking(text).expect_err("it is not balanced") {
            CallError::Service(error) => println!("the function's own error: {error}"),
            CallError::Call(error) => println!("the call failed: {error}"),
        }
    }
    println!("the call failed: {}", never::blocking().expect_err("it never ends"));

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(many())
}

async fn many() -> Result<(), Error> {
    let pool = offload::pool().await?;
    let mut counts = pool.map((1..=5).map(|n| n * 10_000), count_primes::task);
    while let Some(count) = counts.next().await {
        println!("{} primes, {} of 5 done", count?, counts.progress().done);
    }
    let square = offload::closure!(&pool, |n: u64| -> u64 { n * n });
    println!("12 squared is {}", square(12).await?);
    pool.drain().await
}
