use isolated_workers_codec::Codec;

use super::super::Link;

/// Target of a call. Chooses its connection.
pub(crate) trait CallTarget {
    type Codec: Codec;
    /// `true` if a call needs a permit for its worker. If the call gets no permit, or its worker
    /// exits before the request is sent, the call is not made and
    /// [`take_unsent`](super::Call::take_unsent) returns its request.
    const NEEDS_PERMIT: bool = false;

    fn link(&self) -> &Link<Self::Codec>;

    /// Chooses a worker for a call without a permit. Returns `false` if no worker has an available
    /// permit.
    fn choose(&mut self) -> bool {
        true
    }
}

impl<C: Codec> CallTarget for &Link<C> {
    type Codec = C;

    fn link(&self) -> &Link<C> {
        self
    }
}
