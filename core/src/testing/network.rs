use std::collections::VecDeque;

use super::{End, Rng};
use crate::Frame;

/// What carries frames between the ends: in order in each direction, until it is cut.
#[derive(Debug, Default)]
pub(super) struct Network {
    to_host: VecDeque<Frame>,
    to_worker: VecDeque<Frame>,
    cut: bool,
}

impl Network {
    pub(super) fn to(&self, end: End) -> &VecDeque<Frame> {
        match end {
            End::Host => &self.to_host,
            End::Worker => &self.to_worker,
        }
    }

    fn to_mut(&mut self, end: End) -> &mut VecDeque<Frame> {
        match end {
            End::Host => &mut self.to_host,
            End::Worker => &mut self.to_worker,
        }
    }

    /// Puts a frame on its way. It is lost where the network is cut.
    pub(super) fn push(&mut self, to: End, frame: Frame) {
        if !self.cut {
            self.to_mut(to).push_back(frame);
        }
    }

    pub(super) fn pop(&mut self, to: End) -> Option<Frame> {
        self.to_mut(to).pop_front()
    }

    /// Cuts it. As with a socket, what was sent last is lost first, and what came through can still be read.
    pub(super) fn cut(&mut self, rng: &mut Rng) {
        if self.cut {
            return;
        }
        self.cut = true;
        for end in End::BOTH {
            let frames = self.to_mut(end);
            frames.truncate(rng.below(frames.len() as u64 + 1) as usize);
        }
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut
    }
}
