use std::cell::Cell;
use std::fmt;

use isolated_workers_core::{Budget, Limits};
use serde::de;

use crate::CodecError;

/// Limit of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    Decoded,
    Elements,
    Depth,
}

/// Returns the error of a value that nests deeper than [`Limits::MAX_DEPTH`].
#[cold]
pub(crate) fn deeper_than_any_budget() -> CodecError {
    let max = Limits::MAX_DEPTH;
    CodecError::over_maximum(format!(
        "it nests deeper than {max} levels, the maximum of `Limits::depth`; send it in a flatter form"
    ))
}

impl Limit {
    /// Returns the error of a value: the limit that it exceeds, and the remedy.
    pub(super) fn error(self, budget: Budget) -> CodecError {
        let Budget { decoded, elements, depth, .. } = budget;
        let (cause, setting) = match self {
            Self::Depth if depth >= Limits::MAX_DEPTH => return deeper_than_any_budget(),
            Self::Decoded => (format!("it takes more than {decoded} bytes of memory"), "decoded"),
            Self::Elements => (format!("it has more than {elements} elements"), "elements"),
            Self::Depth => (format!("it nests deeper than {depth} levels"), "depth"),
        };
        CodecError::over_budget(format!("{cause}; raise `Limits::{setting}` on the side that receives it"))
    }
}

/// Error that the codec sees. [`decode_within`](super::decode_within) replaces it.
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "over the budget of {self:?}")
    }
}

/// Key of a map that `serde_json::Value` replaces by its value, a string that it decodes as JSON.
/// This happens outside of every budget, and with every format.
const EMBEDDED_JSON_KEY: &str = "$serde_json::private::RawValue";

/// Remaining budget.
pub(super) struct Meter {
    decoded_bytes: Cell<usize>,
    elements: Cell<usize>,
    exceeded: Cell<Option<Limit>>,
}

impl Meter {
    pub(super) fn new(budget: Budget) -> Self {
        let elements = if budget.elements == u32::MAX { usize::MAX } else { budget.elements as usize };
        Self { decoded_bytes: budget.decoded.into(), elements: elements.into(), exceeded: None.into() }
    }

    /// Returns the scope of the outermost value.
    pub(super) fn root(&self, depth: u32) -> Scope<'_> {
        Scope { meter: self, depth, is_key: false, paid_bytes: 0 }
    }

    /// Returns the limit that was exceeded first, even if the type ignored the error.
    pub(super) fn exceeded(&self) -> Option<Limit> {
        self.exceeded.get()
    }

    #[cold]
    fn exceed<E: de::Error>(&self, limit: Limit) -> E {
        self.exceeded.set(self.exceeded.get().or(Some(limit)));
        // A type that ignores the error can decode nothing more.
        self.decoded_bytes.set(0);
        self.elements.set(0);
        E::custom(limit)
    }
}

#[cold]
fn reserved_key<E: de::Error>() -> E {
    E::custom(format_args!("the key `{EMBEDDED_JSON_KEY}` is reserved for `serde_json`"))
}

/// Position of a nested value within the value that is being decoded.
#[derive(Clone, Copy)]
pub(super) struct Scope<'m> {
    meter: &'m Meter,
    /// Number of further levels allowed.
    depth: u32,
    /// `true` for the key of a map, and within it.
    is_key: bool,
    /// Size of the memory around the value that has been counted. A larger value is in a box, and
    /// its memory has not been counted.
    paid_bytes: usize,
}

impl<'m> Scope<'m> {
    /// Returns the scope of a part of type `T` of this scope's value.
    #[inline]
    pub(super) fn part<T>(self) -> Self {
        Self { paid_bytes: size_of::<T>(), ..self }
    }

    /// Returns the scope of a key of this scope's map.
    #[inline]
    pub(super) fn key(self) -> Self {
        Self { is_key: true, ..self }
    }

    /// Enters the next level, for a value of type `T`.
    #[inline]
    pub(super) fn enter<T, E: de::Error>(self) -> Result<Self, E> {
        let size = size_of::<T>();
        if size > self.paid_bytes {
            self.take_bytes(size - self.paid_bytes)?;
        }
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth, paid_bytes: self.paid_bytes.max(size), ..self }),
            None => Err(self.meter.exceed(Limit::Depth)),
        }
    }

    /// Counts one element of a sequence or one entry of a map.
    #[inline]
    pub(super) fn take_element<E: de::Error>(self) -> Result<(), E> {
        match self.meter.elements.get().checked_sub(1) {
            Some(rest) => {
                self.meter.elements.set(rest);
                Ok(())
            }
            None => Err(self.meter.exceed(Limit::Elements)),
        }
    }

    /// Counts bytes of memory.
    #[inline]
    pub(super) fn take_bytes<E: de::Error>(self, bytes: usize) -> Result<(), E> {
        match self.meter.decoded_bytes.get().checked_sub(bytes) {
            Some(rest) => {
                self.meter.decoded_bytes.set(rest);
                Ok(())
            }
            None => Err(self.meter.exceed(Limit::Decoded)),
        }
    }

    /// Counts the memory of a text.
    #[inline]
    pub(super) fn take_text<E: de::Error>(self, text: &str) -> Result<(), E> {
        if self.is_key && text == EMBEDDED_JSON_KEY {
            return Err(reserved_key());
        }
        self.take_bytes(text.len())
    }

    /// Counts the memory of bytes that are no text.
    #[inline]
    pub(super) fn take_blob<E: de::Error>(self, blob: &[u8]) -> Result<(), E> {
        self.take_bytes(blob.len())
    }

    /// Number of elements that a type may reserve memory for, given the number that the bytes
    /// claim.
    #[inline]
    pub(super) fn expected(self, claimed: Option<usize>) -> Option<usize> {
        /// Memory for further elements is reserved as they arrive.
        const MAX_RESERVED_ELEMENTS: usize = 4096;
        claimed.map(|claimed| claimed.min(self.meter.elements.get()).min(MAX_RESERVED_ELEMENTS))
    }
}
