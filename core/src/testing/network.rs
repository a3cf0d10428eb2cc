use std::collections::VecDeque;

use super::{Endpoint, Rng};
use crate::Frame;

/// Simulated network. Delivers frames in order in each direction until it is cut.
#[derive(Debug, Default)]
pub(super) struct Network {
    to_host: VecDeque<Frame>,
    to_worker: VecDeque<Frame>,
    cut: bool,
}

impl Network {
    pub(super) fn to(&self, end: Endpoint) -> &VecDeque<Frame> {
        match end {
            Endpoint::Host => &self.to_host,
            Endpoint::Worker => &self.to_worker,
        }
    }

    fn to_mut(&mut self, end: Endpoint) -> &mut VecDeque<Frame> {
        match end {
            Endpoint::Host => &mut self.to_host,
            Endpoint::Worker => &mut self.to_worker,
        }
    }

    /// Sends a frame. A cut network loses it.
    pub(super) fn push(&mut self, to: Endpoint, frame: Frame) {
        if !self.cut {
            self.to_mut(to).push_back(frame);
        }
    }

    pub(super) fn pop(&mut self, to: Endpoint) -> Option<Frame> {
        self.to_mut(to).pop_front()
    }

    /// Cuts the network. As with a socket, the newest frames are lost first, and delivered bytes
    /// can still be read.
    pub(super) fn cut(&mut self, rng: &mut Rng) {
        if self.cut {
            return;
        }
        self.cut = true;
        for end in Endpoint::BOTH {
            let frames = self.to_mut(end);
            frames.truncate(rng.below(frames.len() as u64 + 1) as usize);
        }
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut
    }
}
