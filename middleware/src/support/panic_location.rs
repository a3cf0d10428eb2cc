//! Locations of panics in handlers. A panic hook records them, because `catch_unwind` does not return them.

use std::cell::Cell;
use std::sync::Once;

thread_local! {
    /// `true` while this thread runs a handler.
    static IS_OBSERVED: Cell<bool> = const { Cell::new(false) };
    /// `src/main.rs:17:5`, of the last panic in a handler on this thread.
    static LOCATION: Cell<Option<String>> = const { Cell::new(None) };
}

/// Installs the hook that records the locations of panics in handlers. It calls the previous hook.
pub fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if IS_OBSERVED.get() {
                LOCATION.set(panic.location().map(ToString::to_string));
            }
            before(panic);
        }));
    });
}

/// Runs a part of a handler: [`take`] tells where it panicked, if it did.
pub fn observe<T>(run: impl FnOnce() -> T) -> T {
    struct RestoreOnDrop(bool);
    impl Drop for RestoreOnDrop {
        fn drop(&mut self) {
            IS_OBSERVED.set(self.0);
        }
    }
    // That of a panic that somebody caught before is not this one's.
    LOCATION.set(None);
    let _restore = RestoreOnDrop(IS_OBSERVED.replace(true));
    run()
}

/// The place of the panic that was caught a moment ago on this thread, where it is known.
pub fn take() -> Option<String> {
    LOCATION.take()
}

/// Sets the location of a panic that was caught on another thread.
pub(crate) fn set(location: Option<String>) {
    LOCATION.set(location);
}
