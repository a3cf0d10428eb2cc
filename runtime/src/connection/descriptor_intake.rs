use isolated_workers_codec::FrameError;
use isolated_workers_core::{AttachmentCount, Attachments};
use isolated_workers_transport::{DescriptorBatch, DescriptorQueue};

/// Receives the descriptors of a connection and matches them with the frames that name them.
///
/// The descriptors of a frame arrive with its first byte, as one batch. So while a frame is
/// incomplete, at most one batch may wait, and none at the end of a frame.
#[derive(Debug)]
pub(super) struct DescriptorIntake {
    queue: DescriptorQueue,
    count: AttachmentCount,
}

impl DescriptorIntake {
    pub(super) fn new(queue: DescriptorQueue) -> Self {
        Self { queue, count: AttachmentCount::default() }
    }

    /// Takes the descriptors of a frame that names `count` of them.
    ///
    /// # Errors
    /// The peer broke the protocol: it has sent another number of descriptors.
    #[cold]
    pub(super) fn take(&self, count: usize) -> Result<Attachments, FrameError> {
        if !(1..=DescriptorBatch::MAX).contains(&count) {
            let text = format!("it names {count} descriptors, not 1 to {}", DescriptorBatch::MAX);
            return Err(FrameError::malformed(text));
        }
        let DescriptorBatch { handles, is_incomplete } = self.queue.pop().unwrap_or_default();
        if is_incomplete && handles.len() < DescriptorBatch::MAX {
            // Those that have arrived are closed: the value needs all of them.
            let reason = "this process had no free descriptor; raise its limit (`ulimit -n`)";
            return Ok(Attachments::Lost { count, reason });
        }
        if is_incomplete || handles.len() != count {
            let more = if is_incomplete { " or more" } else { "" };
            let text = format!("it names {count} descriptors, and {}{more} arrived with it", handles.len());
            return Err(FrameError::malformed(text));
        }
        Ok(self.count.receive(handles))
    }

    /// Checks the descriptors that no complete frame names. `is_between`: `true` if no part of a
    /// frame has arrived.
    ///
    /// # Errors
    /// The peer broke the protocol: it has sent descriptors that no frame names.
    #[inline]
    pub(super) fn check_unnamed(&self, is_between: bool) -> Result<(), FrameError> {
        if self.queue.len() <= usize::from(!is_between) {
            return Ok(());
        }
        Err(FrameError::malformed("descriptors arrived with it, and it names none"))
    }
}

impl Drop for DescriptorIntake {
    fn drop(&mut self) {
        while self.queue.pop().is_some() {}
    }
}
