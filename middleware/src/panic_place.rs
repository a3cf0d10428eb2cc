//! Where a handler panicked: a panic hook sees it, and what `catch_unwind` returns does not tell.

use std::cell::Cell;
use std::sync::Once;

thread_local! {
    /// Whether this thread runs a handler right now.
    static IS_WATCHED: Cell<bool> = const { Cell::new(false) };
    /// `src/main.rs:17:5`, of the last panic in a handler on this thread.
    static PLACE: Cell<Option<String>> = const { Cell::new(None) };
}

/// Has the places of panics in handlers kept from now on, in this process. The hook that was there before is called as
/// it was.
pub fn keep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if IS_WATCHED.get() {
                PLACE.set(panic.location().map(ToString::to_string));
            }
            before(panic);
        }));
    });
}

/// Runs a part of a handler: [`take`] tells where it panicked, if it did.
pub fn watch<T>(run: impl FnOnce() -> T) -> T {
    struct Watched(bool);
    impl Drop for Watched {
        fn drop(&mut self) {
            IS_WATCHED.set(self.0);
        }
    }
    // That of a panic that somebody caught before is not this one's.
    PLACE.set(None);
    let _watched = Watched(IS_WATCHED.replace(true));
    run()
}

/// The place of the panic that was caught a moment ago on this thread, where it is known.
pub fn take() -> Option<String> {
    PLACE.take()
}

/// Says where a panic was that has come here from another thread.
pub(crate) fn set(place: Option<String>) {
    PLACE.set(place);
}
