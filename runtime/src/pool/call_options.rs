//! Options of a call of a pool.

use super::scheduler::Target;

/// Options of one call. They travel as an extension of the request, through the middleware.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CallOptions {
    pub(super) target: Target,
    pub(super) priority: i32,
    /// `true` if the call was in flight when a worker crashed. It then runs in a worker without
    /// other suspect calls.
    pub(super) is_suspect: bool,
    /// `true` if the request has a [`Session`](super::session::PoolSession), in which the call runs.
    pub(super) in_session: bool,
}
