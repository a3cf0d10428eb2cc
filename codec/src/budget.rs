//! Counts what a value takes while it is decoded, whatever the codec.
//!
//! A codec decodes any type that is [`Deserialize`]. So it is given [`Budgeted`], which wraps the codec's deserializer
//! into one that counts, and decodes the value from that. How much there is to spend, and why there was not enough,
//! passes the codec by in thread-locals: decoding does not change threads.

mod access;
mod deserializer;
mod meter;
mod told;
mod visitor;

use std::cell::Cell;

use isolated_workers_core::{Body, Budget};
use serde::de::{Deserialize, Deserializer};

use self::deserializer::Counted;
pub(crate) use self::meter::Limit;
use self::meter::Meter;
use crate::zero_copy_bytes::source::Lent;
use crate::{Codec, CodecError};

/// Decodes a value within `budget`, whatever the codec.
///
/// [`Codec::decode`] by itself knows no budget: middleware that decodes what a peer has
/// sent had better use this, or [`decode_body`] where it has a body.
///
/// ```
/// use isolated_workers_codec::{Json, decode_within};
/// use isolated_workers_core::Limits;
///
/// let budget = Limits::default().elements(3).budget();
/// let numbers: Vec<u8> = decode_within(&Json, b"[1,2,3]", budget).unwrap();
/// assert_eq!(numbers, [1, 2, 3]);
///
/// let error = decode_within::<_, Vec<u8>>(&Json, b"[1,2,3,4]", budget).unwrap_err();
/// assert!(error.is_over_budget());
/// assert!(error.to_string().contains("raise `Limits::elements`"));
/// ```
///
/// # Errors
/// Those of the codec, and one for which [`CodecError::is_over_budget`] holds where the budget does not do.
#[inline]
pub fn decode_within<'de, C, T>(codec: &C, bytes: &'de [u8], budget: Budget) -> Result<T, CodecError>
where
    C: Codec,
    T: Deserialize<'de>,
{
    BUDGET.set(budget);
    PASSAGE.set(Passage::Budget);
    let decoded = codec.decode::<Budgeted<T>>(bytes);
    let passage = PASSAGE.get();
    match decoded {
        // Also where a type went on without what it did not get.
        Ok(Budgeted(value)) => match passage {
            Passage::Exceeded(limit) => Err(CodecError::over_budget(limit, budget)),
            _ => Ok(value),
        },
        Err(error) => Err(failure(error, passage, budget)),
    }
}

/// Decodes the value of a body within its budget, as calls do: [`zero_copy_bytes`](crate::zero_copy_bytes) are parts of it.
///
/// ```
/// use isolated_workers_codec::{Json, decode_body};
/// use isolated_workers_core::Body;
///
/// let body = Body::from(b"[1,2,3]".to_vec());
/// assert_eq!(decode_body::<_, Vec<u8>>(&Json, &body)?, [1, 2, 3]);
/// # Ok::<(), isolated_workers_codec::CodecError>(())
/// ```
///
/// # Errors
/// Those of [`decode_within`].
#[inline]
pub fn decode_body<'de, C, T>(codec: &C, body: &'de Body) -> Result<T, CodecError>
where
    C: Codec,
    T: Deserialize<'de>,
{
    let _lent = body.flat().and_then(Lent::new);
    decode_within(codec, body.as_bytes(), body.budget())
}

#[cold]
fn failure(error: CodecError, passage: Passage, budget: Budget) -> CodecError {
    match passage {
        Passage::Exceeded(limit) => CodecError::over_budget(limit, budget),
        Passage::Refused => error.with_lost_reason(told::reason()),
        Passage::Nothing | Passage::Budget => error,
    }
}

/// What passes by the codec, in one direction and the other.
#[derive(Clone, Copy)]
enum Passage {
    Nothing,
    /// A value is to be decoded within [`BUDGET`].
    Budget,
    Exceeded(Limit),
    /// A type had something against its bytes: [`told::reason`].
    Refused,
}

// Of types that need no drop, so that they cost no more than variables.
thread_local! {
    static BUDGET: Cell<Budget> = const { Cell::new(Budget::LOCAL) };
    static PASSAGE: Cell<Passage> = const { Cell::new(Passage::Nothing) };
}

/// A value that is counted while it is decoded.
struct Budgeted<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Budgeted<T> {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Taken at once: the type may decode something else in its turn.
        let budget = match PASSAGE.replace(Passage::Nothing) {
            Passage::Budget => BUDGET.get(),
            _ => Budget::default(),
        };
        let meter = Meter::new(budget);
        let decoded = T::deserialize(Counted::new(deserializer, meter.root(budget.depth)));
        if let Some(limit) = meter.exceeded() {
            PASSAGE.set(Passage::Exceeded(limit));
        }
        decoded.map(Self).map_err(|told| told.0)
    }
}
