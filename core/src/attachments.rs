use std::fmt;
#[cfg(unix)]
use std::os::fd::OwnedFd;
#[cfg(windows)]
use std::os::windows::io::OwnedHandle;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Open descriptor of this system.
#[cfg(unix)]
pub type Handle = OwnedFd;
/// Open descriptor of this system.
#[cfg(windows)]
pub type Handle = OwnedHandle;

/// Open descriptor that belongs to a [`Body`](crate::Body).
///
/// Clones refer to the same descriptor. It can be taken once, by whoever sends or uses it, and is
/// closed when the last clone is dropped before.
#[derive(Clone)]
pub struct Attachment(Arc<Mutex<Option<HeldDescriptor>>>);

struct HeldDescriptor {
    handle: Handle,
    /// Ends when the descriptor is taken or closed.
    _place: Option<AttachmentPlace>,
}

impl Attachment {
    /// Creates an attachment that owns `handle`.
    pub fn new(handle: Handle) -> Self {
        Self::held(HeldDescriptor { handle, _place: None })
    }

    fn held(held: HeldDescriptor) -> Self {
        Self(Arc::new(Mutex::new(Some(held))))
    }

    /// Takes the descriptor. `None` if it was taken before.
    pub fn take(&self) -> Option<Handle> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().map(|held| held.handle)
    }

    /// Returns `true` if the descriptor was taken.
    pub fn is_taken(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_tuple("Attachment").field(&held.as_ref().map(|held| &held.handle)).finish()
    }
}

/// Open descriptors that travel beside the bytes of a [`Body`](crate::Body).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Attachments {
    /// Number that a received frame names. The connection replaces it with the descriptors.
    Named(usize),
    /// The descriptors, in the order of their indexes.
    Held(Vec<Attachment>),
    /// The descriptors did not arrive, for this reason.
    Lost {
        /// Number that the frame names.
        count: usize,
        /// Cause and remedy, for the error of whoever needs one of them.
        reason: &'static str,
    },
}

impl Attachments {
    /// Maximum number of descriptors beside one body.
    pub const MAX: usize = 16;

    /// Number of descriptors.
    pub fn len(&self) -> usize {
        match self {
            Self::Named(count) | Self::Lost { count, .. } => *count,
            Self::Held(attachments) => attachments.len(),
        }
    }

    /// Returns `true` if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes all descriptors, to send them. `None` if one of them was taken before, or if they did
    /// not arrive.
    pub fn take_all(&self) -> Option<Vec<Handle>> {
        match self {
            Self::Held(attachments) => attachments.iter().map(Attachment::take).collect(),
            Self::Named(_) | Self::Lost { .. } => None,
        }
    }
}

/// Count of the received descriptors of a connection that nobody has taken.
#[derive(Clone, Debug, Default)]
pub struct AttachmentCount(Arc<AtomicUsize>);

impl AttachmentCount {
    /// Maximum number of descriptors that wait on one connection. Those of a further frame are
    /// closed, and its value cannot be decoded.
    pub const MAX: usize = 256;

    /// Counts `handles` until they are taken or closed. Closes them if too many wait.
    pub fn receive(&self, handles: Vec<Handle>) -> Attachments {
        let count = handles.len();
        let places: Vec<_> = (0..count).map(|_| AttachmentPlace::new(&self.0)).collect();
        if self.waiting() > Self::MAX {
            let reason = "more than 256 descriptors of the connection wait to be taken; make fewer calls with \
                          descriptors at once";
            return Attachments::Lost { count, reason };
        }
        let held = handles.into_iter().zip(places);
        Attachments::Held(
            held.map(|(handle, place)| Attachment::held(HeldDescriptor { handle, _place: Some(place) }))
                .collect(),
        )
    }

    /// Number of descriptors that wait.
    pub fn waiting(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Place of one descriptor in an [`AttachmentCount`], until it is dropped.
#[derive(Debug)]
struct AttachmentPlace(Arc<AtomicUsize>);

impl AttachmentPlace {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for AttachmentPlace {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn handles(count: usize) -> Vec<Handle> {
        (0..count).map(|_| File::open(std::env::current_exe().unwrap()).unwrap().into()).collect()
    }

    #[test]
    fn a_descriptor_is_taken_once_and_counts_until_then() {
        let count = AttachmentCount::default();
        let received = count.receive(handles(2));
        let Attachments::Held(attachments) = &received else { panic!("{received:?}") };
        let clone = attachments[0].clone();
        assert_eq!(count.waiting(), 2);
        assert!(clone.take().is_some() && attachments[0].take().is_none() && clone.is_taken());
        assert_eq!(count.waiting(), 1);
        assert!(received.take_all().is_none(), "one of them is gone");
        drop(received);
        assert_eq!(count.waiting(), 0);
    }

    #[test]
    fn descriptors_over_the_maximum_are_closed_and_do_not_count() {
        let count = AttachmentCount::default();
        let waiting: Vec<_> = (0..16).map(|_| count.receive(handles(16))).collect();
        let lost = count.receive(handles(1));
        assert!(matches!(lost, Attachments::Lost { count: 1, .. }), "{lost:?}");
        assert_eq!((lost.len(), count.waiting()), (1, AttachmentCount::MAX));
        drop(waiting);
        assert!(matches!(count.receive(handles(1)), Attachments::Held(_)));
    }
}
