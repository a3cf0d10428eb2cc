//! Descriptors of the value that is being encoded or decoded on this thread.
//!
//! Serializers and deserializers carry bytes only, so the descriptors bypass them in
//! thread-locals. A value without descriptors costs two accesses to a plain variable when it is
//! encoded, and nothing when it is decoded.

use std::cell::{Cell, RefCell};

use isolated_workers_core::{Attachment, Attachments, Body};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No value is being encoded.
    Idle,
    /// The value has no descriptors so far.
    Empty,
    /// The value has descriptors.
    Used,
}

thread_local! {
    static PHASE: Cell<Phase> = const { Cell::new(Phase::Idle) };
    /// Descriptors of the value that is being encoded, if the phase is `Used`.
    static ADDED: RefCell<Vec<Attachment>> = const { RefCell::new(Vec::new()) };
    static LENT: RefCell<Option<Lent>> = const { RefCell::new(None) };
}

/// Descriptors of the value that is being decoded.
struct Lent {
    attachments: Attachments,
    /// Bit for each index that the value has named.
    named: u16,
}

/// Runs `encode`, which encodes one value, and returns the descriptors of the value beside its
/// result. A value that it encodes in between, by another call of this function, has descriptors of
/// its own.
///
/// For code that encodes a [`Body`] itself. [`encode_body`](crate::encode_body) calls it.
#[inline]
pub fn collect_descriptors<T>(encode: impl FnOnce() -> T) -> (T, Option<Attachments>) {
    let outer = Collecting::begin();
    let encoded = encode();
    let added = if PHASE.get() == Phase::Used { Some(take_added()) } else { None };
    drop(outer);
    (encoded, added)
}

/// Guard that restores the state of an outer value, also after a panic.
struct Collecting {
    outer: Phase,
    /// Descriptors of the outer value.
    added: Vec<Attachment>,
}

impl Collecting {
    #[inline]
    fn begin() -> Self {
        let outer = PHASE.replace(Phase::Empty);
        let added = if outer == Phase::Used { ADDED.take() } else { Vec::new() };
        Self { outer, added }
    }
}

impl Drop for Collecting {
    #[inline]
    fn drop(&mut self) {
        if PHASE.replace(self.outer) == Phase::Used || self.outer == Phase::Used {
            // Descriptors are dropped after the borrow has ended.
            drop(ADDED.replace(std::mem::take(&mut self.added)));
        }
    }
}

#[cold]
fn take_added() -> Attachments {
    Attachments::Held(ADDED.take())
}

/// Adds a descriptor to the value that is being encoded. Returns its index.
pub(super) fn add(attachment: &Attachment) -> Result<u8, String> {
    match PHASE.get() {
        Phase::Idle => {
            return Err(
                "a descriptor can be encoded only as an argument, a reply or an item of a call".to_owned()
            );
        }
        Phase::Empty => PHASE.set(Phase::Used),
        Phase::Used => {}
    }
    if attachment.is_taken() {
        return Err("its descriptor was sent or taken before; open the file again".to_owned());
    }
    ADDED.with_borrow_mut(|added| {
        if added.len() == Attachments::MAX {
            let max = Attachments::MAX;
            return Err(format!("it has more than {max} descriptors; send them in several calls or items"));
        }
        added.push(attachment.clone());
        Ok(u8::try_from(added.len() - 1).unwrap_or(u8::MAX))
    })
}

/// Guard of the descriptors of a value that is being decoded: restores those of an outer value.
pub(crate) struct Lending(Option<Lent>);

/// Makes the descriptors of `body` available to the value that is decoded while the guard exists.
/// `None` if it has none.
#[inline]
pub(crate) fn lend_descriptors(body: &Body) -> Option<Lending> {
    body.attachments().map(lend)
}

#[cold]
fn lend(attachments: &Attachments) -> Lending {
    let lent = Lent { attachments: attachments.clone(), named: 0 };
    Lending(LENT.replace(Some(lent)))
}

impl Drop for Lending {
    fn drop(&mut self) {
        drop(LENT.replace(self.0.take()));
    }
}

/// Returns the descriptor with this index of the value that is being decoded, once.
pub(super) fn get(index: usize) -> Result<Attachment, String> {
    LENT.with_borrow_mut(|lent| {
        let Some(Lent { attachments, named }) = lent else {
            return Err("it names a descriptor, and none was sent with it".to_owned());
        };
        if let Attachments::Lost { reason, .. } = attachments {
            return Err((*reason).to_owned());
        }
        let attachment = match attachments {
            Attachments::Held(held) => held.get(index),
            _ => None,
        };
        let Some(attachment) = attachment else {
            let count = attachments.len();
            return Err(format!("it names the descriptor {index}, and {count} were sent with it"));
        };
        let bit = 1 << index;
        if *named & bit != 0 {
            return Err(format!("it names the descriptor {index} twice"));
        }
        *named |= bit;
        if attachment.is_taken() {
            return Err(format!("its descriptor {index} was taken before"));
        }
        Ok(attachment.clone())
    })
}
