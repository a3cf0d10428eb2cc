//! Helpers shared by services and layers.

pub(crate) mod expiry;
pub(crate) mod guard;
pub(crate) mod guarded_items;
#[doc(hidden)]
pub mod left_threads;
pub(crate) mod names;
#[doc(hidden)]
pub mod panic_location;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// Returns a random number for jitter and trace ids. It is not suitable for secrets.
///
/// The standard library keeps a random seed per thread and increments it with each `RandomState`.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
