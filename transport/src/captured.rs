use std::io;
use std::sync::{Mutex, PoisonError};

use crate::error::not_inherited;

/// Ends that were moved aside before `main`, kept until a worker attaches.
pub(crate) struct Captured<E>(Mutex<Option<Held<E>>>);

struct Held<E> {
    address: String,
    /// `None`: a worker has attached.
    ends: io::Result<Option<E>>,
}

impl<E> Captured<E> {
    pub(crate) const fn nothing() -> Self {
        Self(Mutex::new(None))
    }

    /// Keeps the ends at `address`, or why they could not be moved.
    pub(crate) fn keep(&self, address: String, ends: io::Result<E>) {
        let held = Held { address, ends: ends.map(Some) };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
    }

    /// Whether the ends at `address` were handed to this process.
    pub(crate) fn has(&self, address: &str) -> bool {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().is_some_and(|held| held.address == address)
    }

    /// Takes the ends at `address`. Works once.
    pub(crate) fn take(&self, address: &str) -> io::Result<E> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held = held.as_mut().filter(|held| held.address == address).ok_or_else(not_inherited)?;
        match held.ends.as_mut() {
            Ok(ends) => ends.take().ok_or_else(not_inherited),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        }
    }
}
