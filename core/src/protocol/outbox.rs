use std::collections::VecDeque;

use crate::{Executed, Frame};

/// The frames that wait to be sent, numbered, so that one can be taken back without a search.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    frames: VecDeque<Option<Frame>>,
    /// How many frames have left to be encoded.
    gone: u64,
    /// How many of those may have come to the other side.
    sent: u64,
    weight: usize,
}

impl Outbox {
    #[inline]
    pub(super) fn next_number(&self) -> u64 {
        self.gone + self.frames.len() as u64
    }

    #[inline]
    pub(super) fn push(&mut self, frame: Frame) {
        self.weight += frame.weight();
        self.frames.push_back(Some(frame));
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<Frame> {
        loop {
            let slot = self.frames.pop_front()?;
            self.gone += 1;
            if let Some(frame) = slot {
                self.weight -= frame.weight();
                return Some(frame);
            }
        }
    }

    /// How much waits: the payloads, and for each frame its place, because frames without a payload add up, too.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.weight + self.frames.len() * size_of::<Frame>()
    }

    /// All that has left is about to be sent.
    #[inline]
    pub(super) fn transmitted(&mut self) {
        self.sent = self.gone;
    }

    /// Whether a message whose request is this frame may have been run, where nothing more is sent.
    pub(super) fn executed(&self, number: u64) -> Executed {
        if number < self.sent { Executed::Maybe } else { Executed::No }
    }

    /// The same where all that has left will be sent.
    pub(super) fn encoded(&self, number: u64) -> Executed {
        if number < self.gone { Executed::Maybe } else { Executed::No }
    }

    /// Takes a frame back that has not left.
    pub(super) fn retract(&mut self, number: u64) -> bool {
        let Some(at) = number.checked_sub(self.gone) else { return false };
        match self.frames.get_mut(at as usize).and_then(Option::take) {
            Some(frame) => {
                self.weight -= frame.weight();
                // Nobody asks for the numbers of frames that were taken back, so they may be given again.
                while let Some(None) = self.frames.back() {
                    self.frames.pop_back();
                }
                true
            }
            None => false,
        }
    }
}
