//! Systems without a sandbox. Every protection that is asked for is unavailable.

use super::plan::unavailable;
use super::{Report, Sandbox, Way};

pub(super) fn plan(sandbox: &Sandbox, _: Way) -> Report {
    unavailable(sandbox, "this library can confine workers only on Linux")
}
