//! What a transport, a codec or a driver of your own is tested with.
//!
//! Behind the feature `testing`. [`conformance`] is the suite that every one of the box passes, too; [`Dribble`] makes
//! a transport as slow as it may be, for tests of anything that reads or writes. [`RoundTrip`] tells which values of a
//! service which codec cannot carry.

pub mod conformance;
mod dribble;
mod hello;
mod round_trip;

#[doc(inline)]
pub use crate::conformance_tests;
pub use dribble::{Dribble, OneByte};
#[doc(hidden)]
pub use hello::hear_handshake;
pub use round_trip::{Loss, RoundTrip};
