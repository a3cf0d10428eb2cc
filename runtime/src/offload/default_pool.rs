//! Pool for calls that name no other.

use std::future::pending;
use std::ops::RangeInclusive;
use std::panic::resume_unwind;
use std::sync::OnceLock;
use std::thread;

use isolated_workers_core::{Error, ErrorKind};
use tokio::runtime::{Builder, Handle};
use tokio::sync::OnceCell;

use super::program::{is_started_for_functions, program};
use crate::{OnTimeout, Pool};

/// Returns the default pool of offloaded functions, which `run` and `blocking` call. The first use
/// starts it.
///
/// It has one worker at first, and starts further ones if a call would have to wait, up to the
/// number of available CPUs. A worker above the first ends when it has been idle for a minute. A
/// call that times out ends its worker ([`OnTimeout::Kill`]), because a function that computes
/// cannot be cancelled. Other settings are the defaults of [`PoolBuilder`](crate::PoolBuilder). For
/// other settings, build a pool of [`program`](super::program), and call its functions with `on`.
///
/// It runs on a thread of its own, and ends with the process. Once it was drained or closed, calls
/// fail with [`Closed`](ErrorKind::Closed). Cancel-safe: if the future is dropped, the next use
/// starts the pool.
///
/// # Errors
/// - Those of [`program`](super::program).
/// - `Config` in a worker that serves offloaded functions: its functions call each other directly.
/// - The error of the first worker, if it does not start. The next use tries again.
pub async fn pool() -> Result<Pool, Error> {
    static POOL: OnceCell<Pool> = OnceCell::const_new();
    let start = async || {
        let program = program_of_host()?;
        let size = size();
        let builder = Pool::builder(program).size(size).on_timeout(OnTimeout::Kill);
        // Its tasks run on the runtime of this task.
        match runtime()?.spawn(builder.spawn()).await {
            Ok(started) => started,
            Err(error) => resume_unwind(error.into_panic()),
        }
    };
    POOL.get_or_try_init(start).await.cloned()
}

fn size() -> RangeInclusive<usize> {
    1..=thread::available_parallelism().map_or(1, usize::from)
}

fn program_of_host() -> Result<crate::Program, Error> {
    if !is_started_for_functions() {
        return program();
    }
    let cause =
        "this process is itself a worker for offloaded functions, and each would start others without end";
    let text = format!("could not use the default pool: {cause}; call the function directly, as `f(..)`");
    Err(Error::new(ErrorKind::Config, text))
}

/// Returns the runtime of the default pool. The first use starts its thread.
///
/// # Errors
/// `Spawn` if the system refuses the thread.
pub(super) fn runtime() -> Result<&'static Handle, Error> {
    static RUNTIME: OnceLock<Result<Handle, Error>> = OnceLock::new();
    let start = || {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let run = move || runtime.block_on(pending::<()>());
        thread::Builder::new().name("offload".to_owned()).spawn(run)?;
        Ok(handle)
    };
    let started = RUNTIME.get_or_init(|| {
        start().map_err(|error: std::io::Error| {
            let text =
                "could not start the thread of the default pool; raise the limit of threads (`ulimit -u`)";
            Error::with_source(ErrorKind::Spawn, text, error)
        })
    });
    started.as_ref().map_err(Error::clone)
}
