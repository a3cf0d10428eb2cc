//! Runs tests whose worker is the test program itself. `#[isolated_workers::test]` expands to these
//! functions.

use isolated_workers_codec::Codec;
use isolated_workers_core::Error;
use isolated_workers_middleware::{Handler, Layers};

#[cfg(feature = "blocking")]
use crate::blocking;
use crate::driver::TestEntry;
use crate::worker::{MakeHandler, run_worker, serve_and_exit};
#[cfg(feature = "pool")]
use crate::{Dispatch, Pool};
use crate::{Link, Program, Serve, Worker, launch, serve};

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

/// Argument of a test without a runtime, made from the program that starts its worker.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the argument of a test that is a plain `fn`",
    label = "needs to be made from the program of a worker",
    note = "take the `Program` itself, or a `blocking::Worker` or a `blocking::Pool` (feature `blocking`); for a `Worker` or a `Pool`, make the test an `async fn`"
)]
pub trait FromProgramBlocking<C: Codec>: Sized {
    fn from_program_blocking(program: Program, codec: C) -> Result<Self, Error>;
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

/// Runs a test without a worker on a new runtime.
#[doc(hidden)]
pub fn run_test<F: Future>(entry: TestEntry, test: impl FnOnce() -> F) -> F::Output {
    serve_other_entry(entry);
    run_worker(async { test().await })
}

/// Runs a test on a new runtime. Its worker is a process of this program that runs the same entry.
/// There, this function serves and ends the process.
///
/// # Panics
/// Panics if the argument cannot be made.
#[doc(hidden)]
pub fn run_test_with_worker<A, C, H, F>(
    entry: TestEntry,
    handler: impl FnOnce() -> H + Send,
    codec: C,
    test: impl FnOnce(A) -> F,
) -> F::Output
where
    A: FromProgram<C>,
    C: Codec,
    H: Future<Output: ServeInTest<C>>,
    F: Future,
{
    let codec = serve_if_started(entry, handler, codec);
    run_worker(async {
        let argument = async { A::from_program(entry.program()?.entry(entry.path), codec).await };
        match argument.await {
            Ok(argument) => test(argument).await,
            Err(error) => not_started(entry, &error),
        }
    })
}

/// Runs a test without a worker and without a runtime.
#[doc(hidden)]
pub fn run_blocking_test<T>(entry: TestEntry, test: impl FnOnce() -> T) -> T {
    serve_other_entry(entry);
    test()
}

/// [`run_test_with_worker`] for a test without a runtime.
///
/// # Panics
/// Panics if the argument cannot be made.
#[doc(hidden)]
pub fn run_blocking_test_with_worker<A, C, H, T>(
    entry: TestEntry,
    handler: impl FnOnce() -> H + Send,
    codec: C,
    test: impl FnOnce(A) -> T,
) -> T
where
    A: FromProgramBlocking<C>,
    C: Codec,
    H: Future<Output: ServeInTest<C>>,
{
    let codec = serve_if_started(entry, handler, codec);
    let argument =
        entry.program().and_then(|program| A::from_program_blocking(program.entry(entry.path), codec));
    match argument {
        Ok(argument) => test(argument),
        Err(error) => not_started(entry, &error),
    }
}

/// Serves and ends the process if it was started as the worker of this test. Returns the codec.
fn serve_if_started<C, H>(entry: TestEntry, handler: impl FnOnce() -> H + Send, codec: C) -> C
where
    C: Codec,
    H: Future<Output: ServeInTest<C>>,
{
    if launch::must_serve() && launch::entry().as_deref() == Some(entry.path) {
        serve_and_exit(async || handler().await.serve(codec).await);
    }
    serve_other_entry(entry);
    codec
}

fn not_started(entry: TestEntry, error: &Error) -> ! {
    panic!("could not start the worker of the test `{}`: {error:#}", entry.path)
}

/// Ends a worker that was not started for this test. It must not run as a test in this process.
fn serve_other_entry(entry: TestEntry) {
    if !launch::must_serve() {
        return;
    }
    #[cfg(feature = "offload")]
    crate::offload::serve_if_started_for_functions();
    let cause = "this process was started as a worker by `Program::current_exe()`, which runs all tests";
    let remedy = "start the worker with the argument that `#[isolated_workers::test(serve = ..)]` passes";
    eprintln!("Error: could not run the test `{}`: {cause}; {remedy}", entry.path);
    std::process::exit(1)
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

impl<C: Codec> FromProgramBlocking<C> for Program {
    fn from_program_blocking(program: Program, _: C) -> Result<Self, Error> {
        Ok(program)
    }
}

#[cfg(feature = "blocking")]
impl<C: Codec> FromProgramBlocking<C> for blocking::Worker<Link<C>> {
    fn from_program_blocking(program: Program, codec: C) -> Result<Self, Error> {
        blocking::Worker::spawn(Worker::builder(program).codec(codec))
    }
}

#[cfg(all(feature = "blocking", feature = "pool"))]
impl<C: Codec> FromProgramBlocking<C> for blocking::Pool<Dispatch<C>> {
    fn from_program_blocking(program: Program, codec: C) -> Result<Self, Error> {
        blocking::Pool::spawn(Pool::builder(program).codec(codec))
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
