use std::collections::VecDeque;

use isolated_workers_transport::{ChannelDescriptors, DescriptorBatch, DescriptorQueue, Handle};

/// Descriptors of encoded frames, each with the position of its frame among the bytes that were not
/// written. They leave with the first byte of their frame.
#[derive(Debug)]
pub(super) struct DescriptorMarks {
    /// Queues of the stream. It sends the first outgoing batch with the next byte that it accepts.
    queues: ChannelDescriptors,
    marks: VecDeque<(usize, Vec<Handle>)>,
}

impl DescriptorMarks {
    pub(super) fn new(queues: ChannelDescriptors) -> Self {
        Self { queues, marks: VecDeque::new() }
    }

    /// Queue of the descriptors that arrive.
    pub(super) fn incoming(&self) -> DescriptorQueue {
        self.queues.incoming.clone()
    }

    /// Adds the descriptors of the frame that starts after `unwritten` bytes.
    pub(super) fn push(&mut self, unwritten: usize, handles: Vec<Handle>) {
        self.marks.push_back((unwritten, handles));
    }

    /// Offers the descriptors of the next byte to the stream. Returns the number of bytes that may
    /// be written with them: those up to the next frame that has descriptors. `None`: all.
    #[inline]
    pub(super) fn offer(&mut self) -> Option<usize> {
        if self.marks.is_empty() { None } else { self.offer_first() }
    }

    #[cold]
    fn offer_first(&mut self) -> Option<usize> {
        let is_next = self.marks.front().is_some_and(|(unwritten, _)| *unwritten == 0);
        if is_next && let Some((_, handles)) = self.marks.pop_front() {
            self.queues.outgoing.push(DescriptorBatch { handles, is_incomplete: false });
        }
        self.marks.front().map(|(unwritten, _)| *unwritten)
    }

    /// Counts bytes that were written.
    #[inline]
    pub(super) fn advance(&mut self, written: usize) {
        for (unwritten, _) in &mut self.marks {
            *unwritten -= written;
        }
    }

    /// Closes the descriptors of the frames that start after `unwritten` bytes or later.
    pub(super) fn retract(&mut self, unwritten: usize) {
        self.marks.retain(|(at, _)| *at < unwritten);
    }

    /// Closes all descriptors that the stream did not accept.
    pub(super) fn clear(&mut self) {
        self.marks.clear();
        while self.queues.outgoing.pop().is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_leave_with_the_first_byte_of_their_frame_and_in_order() {
        let queues = ChannelDescriptors::default();
        let queue = queues.outgoing.clone();
        let mut marks = DescriptorMarks::new(queues);
        assert_eq!(marks.offer(), None);
        marks.push(10, Vec::new());
        marks.push(25, Vec::new());
        assert_eq!((marks.offer(), queue.len()), (Some(10), 0), "only the bytes before the first frame");
        marks.advance(4);
        assert_eq!((marks.offer(), queue.len()), (Some(6), 0));
        marks.advance(6);
        assert_eq!((marks.offer(), queue.len()), (Some(15), 1));
        assert_eq!((marks.offer(), queue.len()), (Some(15), 1), "a write that was refused is repeated");
        queue.pop();
        marks.advance(15);
        assert_eq!((marks.offer(), queue.len()), (None, 1));
        marks.push(3, Vec::new());
        marks.retract(3);
        assert_eq!((marks.offer(), queue.len()), (None, 1), "what was offered stays");
        marks.clear();
        assert!(queue.is_empty());
    }
}
