use super::Rng;
use crate::TxId;

/// Seeded generator of transaction ids. Does not implement [`TxIdGenerator`](crate::TxIdGenerator),
/// whose generators take no seed.
#[derive(Debug)]
pub(super) enum Ids {
    /// 1, 2, 3 ….
    Sequential(u64),
    /// 16 random bytes.
    Uuid,
    /// Numbers from a small range, so that ids collide often.
    Few(u64),
    /// Texts from a small set.
    Text(u64),
}

impl Ids {
    pub(super) fn random(rng: &mut Rng) -> Self {
        match rng.below(6) {
            0 => Self::Sequential(0),
            1 => Self::Uuid,
            2 => Self::Text(1 + rng.below(6)),
            _ => Self::Few(1 + rng.below(12)),
        }
    }

    pub(super) fn next(&mut self, rng: &mut Rng) -> TxId {
        match self {
            Self::Sequential(last) => {
                *last += 1;
                TxId::from(*last)
            }
            Self::Uuid => {
                let mut bytes = [0; 16];
                bytes[..8].copy_from_slice(&rng.number().to_le_bytes());
                bytes[8..].copy_from_slice(&rng.number().to_le_bytes());
                TxId::from(bytes)
            }
            Self::Few(count) => TxId::from(rng.below(*count)),
            Self::Text(count) => TxId::from(format!("job-{}", rng.below(*count)).as_str()),
        }
    }
}
