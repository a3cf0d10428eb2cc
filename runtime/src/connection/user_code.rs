//! Catches panics of user code that runs within a connection: framings, streams and id generators.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `code`. A panic becomes a text that names `what` panicked.
///
/// The caller must not use the object of `code` again after a panic, because its state is unknown.
#[inline]
pub(super) fn catch<T>(what: &str, code: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|panic| describe(what, &*panic))
}

#[cold]
fn describe(what: &str, panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("{what} panicked: {}", text.unwrap_or("a value that is not a string"))
}
