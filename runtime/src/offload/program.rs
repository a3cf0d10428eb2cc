//! This program as a worker that calls its offloaded functions.

use std::sync::atomic::{AtomicBool, Ordering};

use isolated_workers_core::{Error, ErrorKind};

use super::{Functions, build_id};
use crate::driver::TestEntry;
use crate::worker::serve_and_exit;
use crate::{Output, Program, launch, serve};

/// Entry of a worker that calls offloaded functions.
const ENTRY: &str = "offload";

/// `true` if this program calls [`init`], and so do its workers.
static IS_INITIALIZED: AtomicBool = AtomicBool::new(false);

/// Serves the offloaded functions of this program, if this process is a worker that was started for
/// them: it then ends the process. Returns at once in any other process.
///
/// Call it first in `main`, before [`is_worker`](crate::is_worker) and before the program parses
/// its arguments or starts anything. `main` may be `#[tokio::main]`.
pub fn init() {
    IS_INITIALIZED.store(true, Ordering::Release);
    // Before the file of this program can be replaced.
    build_id::get();
    serve_if_started_for_functions();
}

/// Serves the offloaded functions and ends the process, if it was started for that.
pub(crate) fn serve_if_started_for_functions() {
    if launch::must_serve() && is_started_for_functions() {
        serve_and_exit(async || serve(Functions).await);
    }
}

/// Returns `true` in a worker that calls offloaded functions.
pub(super) fn is_started_for_functions() -> bool {
    launch::entry().as_deref() == Some(ENTRY)
}

/// Returns this program as a worker that serves [`Functions`], for a pool or a worker with settings
/// of its own: `Pool::builder(offload::program()?)`.
///
/// The worker prints to the standard streams of this process ([`Output::Inherit`]). With
/// `.stderr(Output::Keep)`, the error of a crash has the last lines that it has printed.
///
/// In a test program with at least one `#[isolated_workers::test]`, the harness takes the place of
/// a `main` that calls [`init`].
///
/// # Errors
/// `Config` if `main` has not called [`init`], without which the worker would run `main` as the
/// host does. `Spawn` if the path of this program cannot be determined.
pub fn program() -> Result<Program, Error> {
    let program = if IS_INITIALIZED.load(Ordering::Acquire) {
        // Output that went through this process would be lost at its end.
        Program::current_exe()?.stdout(Output::Inherit).stderr(Output::Inherit)
    } else if let Some(test) = inventory::iter::<TestEntry>.into_iter().next() {
        test.program()?
    } else {
        let cause = "`main` has not called `isolated_workers::offload::init()`";
        let remedy =
            "call it first in `main`; in tests, put `#[isolated_workers::test]` on at least one of them";
        let text = format!("could not start a worker for offloaded functions: {cause}; {remedy}");
        return Err(Error::new(ErrorKind::Config, text));
    };
    Ok(program.entry(ENTRY))
}
