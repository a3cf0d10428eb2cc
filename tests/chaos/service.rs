//! What the workers of the chaos do: each run of a message leaves a line in the journal before it is answered.

use isolated_workers::service;

#[service]
pub(crate) trait Chaos {
    /// Must run once at most.
    async fn once(&self, call: u64) -> String;
    /// May run again.
    #[message(idempotent)]
    async fn again(&self, call: u64) -> String;
    /// May run again, and takes its time.
    #[message(idempotent)]
    async fn slowly(&self, call: u64) -> String;
    /// Must run once at most; nobody hears of it.
    #[message(oneway)]
    async fn tell(&self, call: u64);
}

/// What the answer to a call is. Nobody else's is the same.
pub(crate) fn answer(call: u64) -> String {
    format!("{call}:{}", call.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}
