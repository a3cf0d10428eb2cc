//! Locations of panics in handlers. A panic hook records them, because `catch_unwind` does not
//! return them.

use std::cell::Cell;
use std::io::Write;
use std::sync::Once;

thread_local! {
    /// `true` while this thread runs a handler.
    static IS_OBSERVED: Cell<bool> = const { Cell::new(false) };
    /// Location of the last panic in a handler on this thread, such as `src/main.rs:17:5`.
    static LOCATION: Cell<Option<String>> = const { Cell::new(None) };
    /// `true` if no note about the last panic was printed.
    static IS_UNNOTED: Cell<bool> = const { Cell::new(false) };
}

/// Text around the location in a note that `take` prints.
const NOTE: (&str, &str) = ("note: the panic at ", " was caught, and its call fails with it");

/// Returns the location in a note that `take` printed.
///
/// ```
/// use isolated_workers_middleware::panic_location::noted;
/// let note = "note: the panic at src/main.rs:17:5 was caught, and its call fails with it";
/// assert_eq!(noted(note), Some("src/main.rs:17:5"));
/// assert_eq!(noted("note: run with `RUST_BACKTRACE=1`"), None);
/// ```
pub fn noted(line: &str) -> Option<&str> {
    line.strip_prefix(NOTE.0)?.strip_suffix(NOTE.1)
}

/// Prints that a panic was caught, so that a host does not take it for the cause of a later crash:
/// the report of the panic looks the same in both cases.
fn print_note(location: &str) {
    let note = format!("{}{location}{}\n", NOTE.0, NOTE.1);
    // In one write, so that lines do not mix. Nobody can be told that it failed.
    let _ = std::io::stderr().write_all(note.as_bytes());
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
                IS_UNNOTED.set(true);
            }
            previous(panic);
        }));
    });
}

/// Runs a part of a handler. If it panics, `take` returns the location.
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

/// Returns `true` while this thread runs a part of a handler.
pub(crate) fn is_observed() -> bool {
    IS_OBSERVED.get()
}

/// Returns the location of the panic that was just caught on this thread, if it was recorded, and
/// prints a note to standard error once.
pub(crate) fn take() -> Option<String> {
    let location = LOCATION.take()?;
    if IS_UNNOTED.take() {
        print_note(&location);
    }
    Some(location)
}

/// Sets the location of a panic that was caught on another thread.
pub(crate) fn set(location: Option<String>) {
    LOCATION.set(location);
}
