//! Rendezvous hashing: assigns keys to slots.
//!
//! Each slot gets a score for a key, and the slot with the highest score has the key. If a slot is
//! gone, only its own keys move.

/// Returns the slot of `slots` that has this key.
pub(super) fn choose(key: u64, slots: impl Iterator<Item = usize>) -> Option<usize> {
    slots.max_by_key(|slot| mix(key ^ mix(*slot as u64 + 1)))
}

/// Finalizer of splitmix64: each bit of the result depends on all bits of `z`.
pub(super) const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_spread_evenly_and_only_those_of_a_removed_slot_move() {
        let mut counts = [0; 8];
        for key in 0..8000 {
            let before = choose(key, 0..8).unwrap();
            counts[before] += 1;
            let after = choose(key, (0..8).filter(|slot| *slot != 3)).unwrap();
            assert!(after == before || before == 3, "key {key} moved from {before} to {after}");
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }
}
