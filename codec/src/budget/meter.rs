use std::cell::Cell;
use std::fmt;

use isolated_workers_core::Budget;
use serde::de;

/// A part of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Decoded,
    Elements,
    Depth,
}

impl Limit {
    /// What went over it, how much there was, and what to do.
    pub(crate) fn text(self, budget: Budget) -> String {
        let Budget { decoded, elements, depth, .. } = budget;
        let (what, name) = match self {
            Self::Decoded => (format!("it takes more than {decoded} bytes of memory"), "decoded"),
            Self::Elements => (format!("it has more than {elements} elements"), "elements"),
            Self::Depth => (format!("it nests deeper than {depth} levels"), "depth"),
        };
        format!("{what}; raise `Limits::{name}` on the side that receives it")
    }
}

/// What the codec is told instead; it may make anything of it.
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "over the budget of {self:?}")
    }
}

/// What is left of a budget.
pub(super) struct Meter {
    decoded: Cell<usize>,
    elements: Cell<usize>,
    exceeded: Cell<Option<Limit>>,
}

impl Meter {
    pub(super) fn new(budget: Budget) -> Self {
        let elements = if budget.elements == u32::MAX { usize::MAX } else { budget.elements as usize };
        Self { decoded: budget.decoded.into(), elements: elements.into(), exceeded: None.into() }
    }

    /// Where the outermost value is decoded.
    pub(super) fn root(&self, depth: u32) -> Place<'_> {
        Place { meter: self, depth, paid: 0 }
    }

    /// Which limit was reached first, also where a type went on after the error.
    pub(super) fn exceeded(&self) -> Option<Limit> {
        self.exceeded.get()
    }

    #[cold]
    fn exceed<E: de::Error>(&self, limit: Limit) -> E {
        self.exceeded.set(self.exceeded.get().or(Some(limit)));
        // Whoever goes on gets nothing more.
        self.decoded.set(0);
        self.elements.set(0);
        E::custom(limit)
    }
}

/// Where a value is decoded.
#[derive(Clone, Copy)]
pub(super) struct Place<'m> {
    meter: &'m Meter,
    /// How many more levels are allowed.
    depth: u32,
    /// The bytes of the place, which have been counted. A value that is larger is not in it but in a box.
    paid: usize,
}

impl<'m> Place<'m> {
    /// The place of a part of type `T` in the value that is decoded here.
    #[inline]
    pub(super) fn part<T>(self) -> Self {
        Self { paid: size_of::<T>(), ..self }
    }

    /// One level down, for a value of type `T`.
    #[inline]
    pub(super) fn enter<T, E: de::Error>(self) -> Result<Self, E> {
        let size = size_of::<T>();
        if size > self.paid {
            self.take_bytes(size - self.paid)?;
        }
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth, paid: self.paid.max(size), ..self }),
            None => Err(self.meter.exceed(Limit::Depth)),
        }
    }

    /// Counts one element of a sequence or entry of a map.
    #[inline]
    pub(super) fn take_element<E: de::Error>(self) -> Result<(), E> {
        match self.meter.elements.get().checked_sub(1) {
            Some(left) => {
                self.meter.elements.set(left);
                Ok(())
            }
            None => Err(self.meter.exceed(Limit::Elements)),
        }
    }

    #[inline]
    pub(super) fn take_bytes<E: de::Error>(self, bytes: usize) -> Result<(), E> {
        match self.meter.decoded.get().checked_sub(bytes) {
            Some(left) => {
                self.meter.decoded.set(left);
                Ok(())
            }
            None => Err(self.meter.exceed(Limit::Decoded)),
        }
    }

    /// How many elements may be prepared for of those that the bytes claim to have.
    #[inline]
    pub(super) fn expected(self, claimed: Option<usize>) -> Option<usize> {
        /// More room is made as they come.
        const AHEAD: usize = 4096;
        claimed.map(|claimed| claimed.min(self.meter.elements.get()).min(AHEAD))
    }
}
