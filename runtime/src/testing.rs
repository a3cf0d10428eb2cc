//! Test tools for programs that use workers, and for custom transports, codecs and drivers.
//!
//! These items require the feature `testing`.
//!
//! - [`conformance`] is a test suite that every built-in transport, codec and driver passes.
//! - [`Dribble`] makes a transport deliver one byte at a time, to test code that reads or writes.
//! - [`RoundTrip`] finds values of a service that a codec cannot represent.
//! - [`Faults`] injects faults into calls, to test how a program reacts.

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
