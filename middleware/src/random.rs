//! Random numbers for what need not be secret: jitter, and ids that are not to meet.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// A random number. The standard library keeps a seed of the system's for each thread, and counts it up.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
