//! Process that does nothing else than serve.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use isolated_workers_core::Error;
use tokio::runtime::Handle;

use super::run_worker;

/// Serves, and ends the process. Its exit code is that of a `main` that returns the result.
///
/// May be called within a runtime, which is blocked from then on.
pub(crate) fn serve_and_exit<F>(serve: impl FnOnce() -> F + Send) -> !
where
    F: Future<Output = Result<(), Error>>,
{
    let serve = || catch_unwind(AssertUnwindSafe(|| run_worker(serve())));
    let served = match Handle::try_current() {
        Err(_) => serve(),
        // A thread of a runtime cannot run another one.
        Ok(_) => thread::scope(|scope| scope.spawn(serve).join()).unwrap_or_else(Err),
    };
    std::process::exit(match served {
        Ok(Ok(())) => 0,
        Ok(Err(error)) => {
            eprintln!("Error: {error:?}");
            1
        }
        Err(_) => 101,
    })
}
