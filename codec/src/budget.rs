//! Limits the memory, the elements and the nesting of a value while it is decoded, with any codec.
//!
//! A codec decodes any [`Deserialize`] type. [`decode_within`] asks the codec for a [`Budgeted`]
//! value, which wraps the codec's deserializer in one that counts. The budget and the outcome
//! bypass the codec in thread-locals ([`thread_state`]), because decoding does not change threads.

mod counting;
mod meter;
mod reason;
mod thread_state;

use isolated_workers_core::Budget;
use serde::de::{Deserialize, Deserializer};

use self::counting::Counting;
use self::meter::Meter;
#[cfg(any(feature = "json", feature = "cbor"))]
pub(crate) use self::meter::deeper_than_any_budget;
use self::thread_state::State;
use crate::{Codec, CodecError};

/// Decodes a value within `budget`, with any codec.
///
/// [`Codec::decode`] alone applies no budget. Use this function, or
/// [`decode_body`](crate::decode_body), for bytes that come from a peer.
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
/// The codec cannot decode the value, or the value exceeds the budget:
/// [`CodecError::is_over_budget`].
#[inline]
pub fn decode_within<'de, C, T>(codec: &C, bytes: &'de [u8], budget: Budget) -> Result<T, CodecError>
where
    C: Codec,
    T: Deserialize<'de>,
{
    thread_state::request(budget);
    let decoded = codec.decode::<Budgeted<T>>(bytes);
    let state = thread_state::get();
    match decoded {
        Ok(Budgeted(value)) => match state {
            // The type has ignored the error and used a fallback.
            State::Exceeded(limit) => Err(limit.error(budget)),
            _ => Ok(value),
        },
        Err(error) => Err(explained(error, state, budget)),
    }
}

/// Returns the maximum depth of the value that is to be decoded, if [`decode_within`] decodes it.
#[cfg(feature = "json")]
#[inline]
pub(crate) fn requested_depth() -> Option<u32> {
    thread_state::requested().map(|budget| budget.depth)
}

#[cold]
fn explained(error: CodecError, state: State, budget: Budget) -> CodecError {
    match state {
        State::Exceeded(limit) => limit.error(budget),
        State::Refused => error.with_lost_reason(thread_state::take_reason()),
        State::Idle | State::Requested => error,
    }
}

/// Value that is counted while it is decoded.
struct Budgeted<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Budgeted<T> {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let budget = thread_state::take_request();
        let meter = Meter::new(budget);
        let decoded = T::deserialize(Counting::new(deserializer, meter.root(budget.depth)));
        if let Some(limit) = meter.exceeded() {
            thread_state::set_exceeded(limit);
        }
        match decoded {
            Ok(value) => Ok(Self(value)),
            Err(error) => Err(error.0),
        }
    }
}
