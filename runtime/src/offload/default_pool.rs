//! Pool for calls that name no other.

use std::ops::RangeInclusive;
use std::panic::resume_unwind;
use std::thread;

use isolated_workers_core::{Error, ErrorKind};
use tokio::sync::OnceCell;

use super::program::{is_started_for_functions, program};
use crate::blocking::background;
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
/// It runs on a thread of the library, and ends with the process. Once it was drained or closed, calls
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
        match background::handle("use the default pool")?.spawn(builder.spawn()).await {
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
