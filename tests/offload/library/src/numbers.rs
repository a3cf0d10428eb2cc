//! Functions of numbers.

use isolated_workers::offload;

/// Doubles a number.
#[offload]
pub fn double(n: u64) -> u64 {
    2 * n
}

/// Process id of the process that runs the function.
#[offload]
pub fn pid() -> u32 {
    std::process::id()
}
