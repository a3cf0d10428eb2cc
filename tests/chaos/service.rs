//! Service of the chaos workers. Each run of a message appends a line to the journal before its
//! reply.

use isolated_workers::service;

#[service]
pub(crate) trait Chaos {
    /// Runs at most once.
    async fn once(&self, call: u64) -> String;
    /// May run more than once.
    #[message(idempotent)]
    async fn again(&self, call: u64) -> String;
    /// May run more than once, and sleeps for up to 19 ms.
    #[message(idempotent)]
    async fn slowly(&self, call: u64) -> String;
    /// Runs at most once, and has no reply.
    #[message(oneway)]
    async fn tell(&self, call: u64);
}

/// Reply to a call, unique to it.
pub(crate) fn reply(call: u64) -> String {
    format!("{call}:{}", call.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}
