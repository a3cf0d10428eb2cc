//! What a program that uses workers is tested with, and a transport, a codec or a driver of your own.
//!
//! Behind the feature `testing`. [`conformance`] is the suite that every one of the box passes, too; [`Dribble`] makes
//! a transport as slow as it may be, for tests of anything that reads or writes. [`RoundTrip`] tells which values of a
//! service which codec cannot carry, and [`Faults`] makes calls go wrong, to see what a program makes of it.

pub mod conformance;
mod dribble;
mod faults;
mod round_trip;

#[doc(inline)]
pub use crate::conformance_tests;
pub use dribble::{Dribble, OneByte};
pub use faults::{Fault, Faults};
#[doc(hidden)]
pub use round_trip::{Loss, RoundTrip};
