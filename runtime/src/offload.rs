//! Functions of a program that run in worker processes of the same program.
//!
//! `#[offload]` registers a function under its path. A call is a message with that name, which also
//! carries the build of its caller. The worker is the same program: [`init`] at the beginning of
//! its `main` serves [`Functions`] there.

mod arguments;
mod build_id;
mod call;
mod default_pool;
mod function;
mod functions;
mod program;

#[doc(hidden)]
pub use self::arguments::{Argument, Arguments, Types};
#[doc(hidden)]
pub use self::call::{FunctionService, answer, answer_blocking, blocking, on, run, task};
pub use self::default_pool::pool;
#[doc(hidden)]
pub use self::function::{Function, FunctionCodec, Offloaded};
pub use self::functions::Functions;
pub(crate) use self::program::serve_if_started_for_functions;
pub use self::program::{init, program};
