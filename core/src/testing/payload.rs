//! Bodies of a simulation. Each holds the number of the request, which identifies its answer, and
//! then padding of random length.

use super::Rng;
use crate::Body;

pub(super) fn body(number: usize, rng: &mut Rng) -> Body {
    let mut bytes = (number as u64).to_le_bytes().to_vec();
    bytes.resize(8 + rng.below(40) as usize, 0xaa);
    Body::from(bytes)
}

pub(super) fn number_of(body: &Body) -> Option<usize> {
    let bytes = body.as_bytes().first_chunk()?;
    usize::try_from(u64::from_le_bytes(*bytes)).ok()
}
