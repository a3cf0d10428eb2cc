use std::io;
use std::sync::{Mutex, PoisonError};

use crate::error::not_inherited;

/// Standard streams that were moved aside before `main`, kept until the worker attaches.
pub(crate) struct SavedStdio<E>(Mutex<Option<Saved<E>>>);

struct Saved<E> {
    address: String,
    /// `Ok(None)` after the worker has attached.
    ends: io::Result<Option<E>>,
}

impl<E> SavedStdio<E> {
    pub(crate) const fn empty() -> Self {
        Self(Mutex::new(None))
    }

    /// Keeps the ends at `address`, or the error if they could not be moved.
    pub(crate) fn save(&self, address: String, ends: io::Result<E>) {
        let saved = Saved { address, ends: ends.map(Some) };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(saved);
    }

    /// Returns `true` if the ends at `address` were handed to this process.
    pub(crate) fn contains(&self, address: &str) -> bool {
        let saved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        saved.as_ref().is_some_and(|saved| saved.address == address)
    }

    /// Takes the ends at `address`. Succeeds once.
    pub(crate) fn take(&self, address: &str) -> io::Result<E> {
        let mut saved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let saved = saved.as_mut().filter(|saved| saved.address == address).ok_or_else(not_inherited)?;
        match saved.ends.as_mut() {
            Ok(ends) => ends.take().ok_or_else(not_inherited),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        }
    }
}
