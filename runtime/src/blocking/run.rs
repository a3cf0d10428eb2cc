use isolated_workers_core::Error;

use crate::run_worker;

/// Runs a worker on this thread until it ends, for a `main` without async code.
///
/// Pass the [`Serve`](crate::Serve) that [`serve`](crate::serve) or
/// [`serve_with`](crate::serve_with) returns. Its handlers run on a runtime of their own, with one
/// thread. Those of methods that block or compute are `#[message(blocking)]`, and run on further
/// threads.
///
/// ```no_run
/// # use isolated_workers_core::Error;
/// # use isolated_workers_middleware::Handler;
/// # use isolated_workers_runtime::{blocking, serve};
/// # fn example(calculator: impl Handler) -> Result<(), Error> {
/// blocking::run(serve(calculator))
/// # }
/// ```
///
/// # Errors
/// Errors of serving: see [`serve`](crate::serve).
///
/// # Panics
/// If the system refuses the descriptors of a runtime, and within an async runtime.
pub fn run(serve: impl IntoFuture<Output = Result<(), Error>>) -> Result<(), Error> {
    run_worker(async { serve.await })
}
