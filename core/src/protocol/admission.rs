use serde::{Deserialize, Serialize};

use crate::{Attachments, Body};

/// Amount that one side takes from its peer at once.
///
/// Each side announces its own in the handshake. Its peer waits before it sends more, so that no
/// side ever has to stop reading. A peer that sends more breaks the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Admission {
    /// Maximum number of requests without an answer.
    pub requests: usize,
    /// Size in bytes, as counted by [`Request::bytes`](crate::Request::bytes), of the requests
    /// without an answer at which no further request may be sent. The last one may exceed it.
    pub request_bytes: usize,
    /// Size in bytes of the unfinished oneway messages at which no further one may be sent. The
    /// last one may exceed it. Each counts at least [`MIN_ONEWAY_BYTES`](Self::MIN_ONEWAY_BYTES).
    pub oneway_bytes: usize,
    /// Size in bytes of the items of one stream that were not taken yet, at which no further one
    /// may be sent. The last one may exceed it. Each counts at least
    /// [`MIN_ITEM_BYTES`](Self::MIN_ITEM_BYTES). 0: this side takes no items.
    pub item_bytes: usize,
}

impl Admission {
    /// Minimum size that is counted for an item, in bytes.
    pub const MIN_ITEM_BYTES: usize = 64;

    /// Size of the items of one stream that a side of this library takes, in bytes: 256 KiB.
    const ITEM_BYTES: usize = 256 << 10;

    /// Minimum size that is counted for a oneway message, in bytes.
    pub const MIN_ONEWAY_BYTES: usize = 4 << 10;

    /// Amount that a worker takes from its host.
    pub const WORKER: Self = Self {
        requests: 1 << 16,
        request_bytes: 256 << 20,
        oneway_bytes: 16 << 20,
        item_bytes: Self::ITEM_BYTES,
    };

    /// Amount that a host takes from its worker, which may be hostile.
    pub const HOST: Self =
        Self { requests: 64, request_bytes: 8 << 20, oneway_bytes: 1 << 20, item_bytes: Self::ITEM_BYTES };

    /// Amount that a side takes from a peer that knows no announcement. It may stop reading
    /// meanwhile.
    pub const UNANNOUNCED: Self =
        Self { requests: 1 << 16, request_bytes: usize::MAX, oneway_bytes: usize::MAX, item_bytes: 0 };

    /// Takes at least one request of each kind.
    pub(super) fn at_least_one(self) -> Self {
        Self {
            requests: self.requests.max(1),
            request_bytes: self.request_bytes.max(1),
            oneway_bytes: self.oneway_bytes.max(1),
            ..self
        }
    }

    /// Size that is counted for each descriptor of an item, in bytes, so that no more than about 64
    /// of a stream wait.
    pub const ITEM_DESCRIPTOR_BYTES: usize = 4 << 10;

    /// Size in bytes that counts for an item.
    #[inline]
    pub fn item_cost(item: &Body) -> usize {
        let descriptors = item.attachments().map_or(0, Attachments::len);
        item.len().max(Self::MIN_ITEM_BYTES) + descriptors * Self::ITEM_DESCRIPTOR_BYTES
    }

    /// Size in bytes that counts for a oneway message of `bytes`.
    pub fn oneway_cost(bytes: usize) -> usize {
        bytes.max(Self::MIN_ONEWAY_BYTES)
    }
}

impl Default for Admission {
    /// Returns [`UNANNOUNCED`](Self::UNANNOUNCED).
    fn default() -> Self {
        Self::UNANNOUNCED
    }
}

/// Use of an [`Admission`] by the requests in one direction.
#[derive(Debug)]
pub(super) struct Usage {
    admission: Admission,
    request_bytes: usize,
    /// Cost of the oneway messages for which no credit was given back.
    oneway_bytes: usize,
    /// Part of `oneway_bytes` whose messages are finished.
    finished_bytes: usize,
}

impl Usage {
    pub(super) fn new(admission: Admission) -> Self {
        Self { admission, request_bytes: 0, oneway_bytes: 0, finished_bytes: 0 }
    }

    /// Forgets all requests.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.admission);
    }

    /// Returns `true` if no request may follow `unanswered` ones.
    #[inline]
    pub(super) fn has_max_requests(&self, unanswered: usize) -> bool {
        unanswered >= self.admission.requests || self.request_bytes >= self.admission.request_bytes
    }

    pub(super) fn has_max_oneways(&self) -> bool {
        self.oneway_bytes >= self.admission.oneway_bytes
    }

    pub(super) fn max_oneway_bytes(&self) -> usize {
        self.admission.oneway_bytes
    }

    pub(super) fn request_bytes(&self) -> usize {
        self.request_bytes
    }

    #[inline]
    pub(super) fn add_request(&mut self, bytes: usize) {
        self.request_bytes += bytes;
    }

    #[inline]
    pub(super) fn remove_request(&mut self, bytes: usize) {
        self.request_bytes -= bytes;
    }

    pub(super) fn add_oneway(&mut self, bytes: usize) {
        self.oneway_bytes += Admission::oneway_cost(bytes);
    }

    /// Records that a oneway message was never sent.
    pub(super) fn remove_oneway(&mut self, bytes: usize) {
        self.receive_credit(Admission::oneway_cost(bytes) as u64);
    }

    /// Records credit from the peer. More than was used has no effect.
    pub(super) fn receive_credit(&mut self, bytes: u64) {
        self.oneway_bytes = self.oneway_bytes.saturating_sub(usize::try_from(bytes).unwrap_or(usize::MAX));
    }

    /// Records that oneway messages are finished. Returns the credit to give back, once it is half
    /// of what is taken.
    pub(super) fn finish_oneways(&mut self, cost: usize) -> Option<u64> {
        self.finished_bytes += cost;
        if self.finished_bytes < self.admission.oneway_bytes / 2 {
            return None;
        }
        let credit = std::mem::take(&mut self.finished_bytes);
        self.oneway_bytes -= credit;
        Some(credit as u64)
    }
}
