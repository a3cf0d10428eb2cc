//! Helpers that services and layers share.

pub(crate) mod guard;
pub(crate) mod names;
#[doc(hidden)]
pub mod panic_location;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// Returns a random number that need not be secret, for jitter and trace ids.
///
/// The standard library keeps a seed from the system per thread, and increments it with each call.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
