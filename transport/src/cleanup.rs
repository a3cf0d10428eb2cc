use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Cleanup for something that an endpoint leaves outside the process, such as a socket file.
///
/// Runs when the last clone is dropped. Host and worker each hold a cleanup for the same resource,
/// so either can die without notice. The cleanup that runs second has nothing left to do.
#[derive(Clone)]
pub struct Cleanup(Arc<PendingAction>);

impl Cleanup {
    /// Returns a cleanup that calls `action`.
    ///
    /// `action` runs at most once, on the thread that drops the last clone. It should take
    /// microseconds.
    pub fn new(action: impl FnOnce() + Send + 'static) -> Self {
        Self(Arc::new(PendingAction(Mutex::new(Some(Box::new(action))))))
    }

    /// Runs the cleanup now. Use it in a process that is about to end without dropping its values.
    pub fn run(&self) {
        if let Some(action) = self.0.take() {
            action();
        }
    }

    /// Drops the action without running it. Use it if the other side still needs the resource: a
    /// detached worker is found by its socket file.
    pub fn disarm(&self) {
        drop(self.0.take());
    }
}

impl fmt::Debug for Cleanup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cleanup").finish_non_exhaustive()
    }
}

type Action = Box<dyn FnOnce() + Send>;

struct PendingAction(Mutex<Option<Action>>);

impl PendingAction {
    fn take(&self) -> Option<Action> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for PendingAction {
    fn drop(&mut self) {
        if let Some(action) = self.take() {
            action();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn counting() -> (Cleanup, Arc<AtomicUsize>) {
        let runs = Arc::new(AtomicUsize::new(0));
        let counter = runs.clone();
        let cleanup = Cleanup::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        (cleanup, runs)
    }

    #[test]
    fn cleanup_runs_once_and_not_before_the_last_clone_is_dropped() {
        let (cleanup, runs) = counting();
        drop(cleanup.clone());
        assert_eq!(runs.load(Ordering::Relaxed), 0);
        cleanup.run();
        drop(cleanup);
        assert_eq!(runs.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_disarmed_cleanup_does_not_run() {
        let (cleanup, runs) = counting();
        cleanup.disarm();
        drop(cleanup);
        assert_eq!(runs.load(Ordering::Relaxed), 0);
    }
}
