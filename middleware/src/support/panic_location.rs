//! Where a handler panicked: a panic hook sees it, and what `catch_unwind` returns does not tell.

use std::cell::Cell;
use std::sync::Once;

thread_local! {
    /// Whether this thread runs a handler right now.
    static IS_OBSERVED: Cell<bool> = const { Cell::new(false) };
    /// `src/main.rs:17:5`, of the last panic in a handler on this thread.
    static LOCATION: Cell<Option<String>> = const { Cell::new(None) };
}

/// Has the places of panics in handlers kept from now on, in this process. The hook that was there before is called as
/// it was.
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

/// Says where a panic was that has come here from another thread.
pub(crate) fn set(location: Option<String>) {
    LOCATION.set(location);
}
