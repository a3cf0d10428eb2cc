use super::Driver;
use crate::Program;

/// Argument of [`Worker::builder`](crate::Worker::builder): any [`Driver`].
///
/// The compiler reports a type that is no driver once. With `Driver` itself as the bound, it also
/// reported every method of the builder that needs a driver. It does not report them for a type
/// that it could not infer, and with two implementations it cannot infer `Driver` from a type that
/// has neither.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot run a worker",
    label = "not a driver",
    note = "pass `Program::new(path)`, `Program::current_exe()?`, `Thread::new(|| ..)`, or a type that implements `Driver`"
)]
pub trait IntoDriver<Kind> {
    /// The driver.
    type Driver: Driver;

    /// Returns the driver.
    fn into_driver(self) -> Self::Driver;
}

/// [`IntoDriver`] of a type that is a driver.
#[derive(Debug)]
pub enum Itself {}

#[diagnostic::do_not_recommend]
impl<D: Driver> IntoDriver<Itself> for D {
    type Driver = D;

    fn into_driver(self) -> D {
        self
    }
}

/// [`IntoDriver`] of no type.
#[derive(Debug)]
pub enum Nothing {}

/// Implemented for no type.
pub trait Unimplemented {
    fn program(self) -> Program;
}

#[diagnostic::do_not_recommend]
impl<T: Unimplemented> IntoDriver<Nothing> for T {
    type Driver = Program;

    fn into_driver(self) -> Program {
        self.program()
    }
}
