use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// What an end has outside of its process, such as the file of a socket.
///
/// It is removed when the last clone is dropped. Both sides have one, so that either can die without a word; the second
/// one to remove finds nothing left to do.
#[derive(Clone)]
pub struct Cleanup(Arc<Guard>);

impl Cleanup {
    /// Something that `remove` removes. It runs once at most, on whichever thread drops the last clone, and should take
    /// microseconds.
    pub fn new(remove: impl FnOnce() + Send + 'static) -> Self {
        Self(Arc::new(Guard(Mutex::new(Some(Box::new(remove))))))
    }

    /// Removes it now. For a process that is about to end without dropping its values.
    pub fn run(&self) {
        if let Some(remove) = self.0.take() {
            remove();
        }
    }

    /// Leaves it to the other side: a worker that is detached is found by it.
    pub fn disarm(&self) {
        drop(self.0.take());
    }
}

impl fmt::Debug for Cleanup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cleanup").finish_non_exhaustive()
    }
}

type Remove = Box<dyn FnOnce() + Send>;

struct Guard(Mutex<Option<Remove>>);

impl Guard {
    fn take(&self) -> Option<Remove> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(remove) = self.take() {
            remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn counted() -> (Cleanup, Arc<AtomicUsize>) {
        let removed = Arc::new(AtomicUsize::new(0));
        let count = removed.clone();
        (Cleanup::new(move || count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed)), removed)
    }

    #[test]
    fn it_is_removed_once_with_the_last_clone() {
        let (cleanup, removed) = counted();
        drop(cleanup.clone());
        assert_eq!(removed.load(Ordering::Relaxed), 0);
        cleanup.run();
        drop(cleanup);
        assert_eq!(removed.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn what_is_left_is_not_removed() {
        let (cleanup, removed) = counted();
        cleanup.disarm();
        drop(cleanup);
        assert_eq!(removed.load(Ordering::Relaxed), 0);
    }
}
