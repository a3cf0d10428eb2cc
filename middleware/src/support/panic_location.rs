//! Locations of panics in handlers. A panic hook records them, because `catch_unwind` does not
//! return them.

use std::cell::Cell;
use std::sync::Once;

thread_local! {
    /// `true` while this thread runs a handler.
    static IS_OBSERVED: Cell<bool> = const { Cell::new(false) };
    /// Location of the last panic in a handler on this thread, such as `src/main.rs:17:5`.
    static LOCATION: Cell<Option<String>> = const { Cell::new(None) };
}

/// Installs a panic hook that records the locations of panics in handlers, then calls the previous
/// hook. Only the first call has an effect.
pub fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if IS_OBSERVED.get() {
                LOCATION.set(panic.location().map(ToString::to_string));
            }
            previous(panic);
        }));
    });
}

/// Runs a part of a handler. If it panics, [`take`] returns the location.
pub fn observe<T>(run: impl FnOnce() -> T) -> T {
    struct RestoreOnDrop(bool);
    impl Drop for RestoreOnDrop {
        fn drop(&mut self) {
            IS_OBSERVED.set(self.0);
        }
    }
    // Forget the location of an earlier panic that other code caught.
    LOCATION.set(None);
    let _restore = RestoreOnDrop(IS_OBSERVED.replace(true));
    run()
}

/// Returns the location of the panic that was just caught on this thread, if it was recorded.
pub fn take() -> Option<String> {
    LOCATION.take()
}

/// Sets the location of a panic that was caught on another thread.
pub(crate) fn set(location: Option<String>) {
    LOCATION.set(location);
}
