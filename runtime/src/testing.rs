//! What a transport, a codec or a driver of your own is tested with.
//!
//! Behind the feature `testing`. [`conformance`] is the suite that every one of the box passes, too; [`Dribble`] makes
//! a transport as slow as it may be, for tests of anything that reads or writes.

pub mod conformance;
mod dribble;

#[doc(inline)]
pub use crate::conformance_tests;
pub use dribble::{Dribble, OneByte};
