//! Tests whose worker is the test program itself. `#[isolated_workers::test]` expands to
//! [`TestEntry`].

use std::panic::{AssertUnwindSafe, catch_unwind};

use isolated_workers_codec::Codec;
use isolated_workers_core::Error;
use isolated_workers_middleware::{Handler, Layers};

use crate::worker::{MakeHandler, run_worker};
#[cfg(feature = "pool")]
use crate::{Dispatch, Pool};
use crate::{Link, Output, Program, Serve, Worker, launch, serve};

/// Test function, and entry of the worker that it starts.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct TestEntry {
    /// Path of the function, which begins with its crate.
    path: &'static str,
    is_main: bool,
}

/// Argument of a test, made from the program that starts its worker.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the argument of a test",
    label = "needs to be made from the program of a worker",
    note = "take the `Program` itself, or a `Worker` or a `Pool` of it that is ready; both have the codec of the option `codec`"
)]
pub trait FromProgram<C: Codec>: Sized {
    fn from_program(program: Program, codec: C) -> impl Future<Output = Result<Self, Error>>;
}

/// Value of the option `serve` of a test.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be served",
    note = "`serve` takes a handler, such as `value.into_service()`, or a handler with options, such as `isolated_workers::serve(handler).layer(..)`"
)]
pub trait ServeInTest<C: Codec> {
    fn serve(self, codec: C) -> impl Future<Output = Result<(), Error>>;
}

impl TestEntry {
    /// Entry of the test function at `path`.
    pub const fn of_test(path: &'static str) -> Self {
        Self { path, is_main: false }
    }

    /// Entry of the `main` at `path`, of a test program without a harness.
    pub const fn of_main(path: &'static str) -> Self {
        Self { path, is_main: true }
    }

    /// Runs a test without a worker on a new runtime.
    pub fn run<F: Future>(self, test: impl FnOnce() -> F) -> F::Output {
        if launch::must_serve() {
            self.exit_unserved();
        }
        run_worker(async { test().await })
    }

    /// Runs a test on a new runtime. Its worker is a process of this program that runs the same
    /// entry. There, this function serves and ends the process.
    ///
    /// # Panics
    /// Panics if the argument cannot be made.
    pub fn run_with_worker<A, C, H, F>(
        self,
        handler: impl FnOnce() -> H,
        codec: C,
        test: impl FnOnce(A) -> F,
    ) -> F::Output
    where
        A: FromProgram<C>,
        C: Codec,
        H: Future<Output: ServeInTest<C>>,
        F: Future,
    {
        if launch::must_serve() {
            if launch::entry().as_deref() != Some(self.path) {
                self.exit_unserved();
            }
            serve_and_exit(async { handler().await.serve(codec).await });
        }
        run_worker(async {
            let argument = async { A::from_program(self.program()?, codec).await };
            match argument.await {
                Ok(argument) => test(argument).await,
                Err(error) => panic!("could not start the worker of the test `{}`: {error:#}", self.path),
            }
        })
    }

    fn program(self) -> Result<Program, Error> {
        let program = Program::current_exe()?.entry(self.path);
        if self.is_main {
            return Ok(program);
        }
        // The harness names tests without their crate.
        let name = self.path.split_once("::").map_or(self.path, |(_, name)| name);
        // Without a thread of its own, and without captured output, so that a panic is printed at
        // once. The harness itself prints to the standard output.
        let arguments = ["--exact", name, "--include-ignored", "--test-threads", "1", "--nocapture"];
        Ok(program.args(arguments).stdout(Output::Capture))
    }

    /// Ends a worker that was not started for this test. It must not run as a test in this process.
    fn exit_unserved(self) -> ! {
        let cause = "this process was started as a worker by `Program::current_exe()`, which runs all tests";
        let remedy = "start the worker with the argument that `#[isolated_workers::test(serve = ..)]` passes";
        eprintln!("Error: could not run the test `{}`: {cause}; {remedy}", self.path);
        std::process::exit(1)
    }
}

/// Serves, and ends the process: its harness must not report a test.
fn serve_and_exit(serving: impl Future<Output = Result<(), Error>>) -> ! {
    let code = match catch_unwind(AssertUnwindSafe(|| run_worker(serving))) {
        Ok(Ok(())) => 0,
        Ok(Err(error)) => {
            eprintln!("Error: {error:?}");
            1
        }
        // The exit code of a `main` that panics.
        Err(_) => 101,
    };
    std::process::exit(code)
}

impl<C: Codec> FromProgram<C> for Program {
    async fn from_program(program: Program, _: C) -> Result<Self, Error> {
        Ok(program)
    }
}

impl<C: Codec> FromProgram<C> for Worker<Link<C>> {
    async fn from_program(program: Program, codec: C) -> Result<Self, Error> {
        Worker::builder(program).codec(codec).spawn().await
    }
}

#[cfg(feature = "pool")]
impl<C: Codec> FromProgram<C> for Pool<Dispatch<C>> {
    async fn from_program(program: Program, codec: C) -> Result<Self, Error> {
        Pool::builder(program).codec(codec).spawn().await
    }
}

#[diagnostic::do_not_recommend]
impl<H: Handler, C: Codec> ServeInTest<C> for H {
    async fn serve(self, codec: C) -> Result<(), Error> {
        serve(self).codec(codec).await
    }
}

#[diagnostic::do_not_recommend]
impl<M: MakeHandler, C: Codec, L: Layers> ServeInTest<C> for Serve<M, C, L> {
    async fn serve(self, _: C) -> Result<(), Error> {
        self.await
    }
}
