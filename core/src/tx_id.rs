use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Id of a transaction. It matches a reply to its request.
///
/// A text codec writes the id as a string. An id created from a number or a UUID equals the id
/// created from its canonical text form. A number takes no allocation. Clones of any other id share
/// one allocation.
#[derive(Clone, PartialEq, Eq)]
pub struct TxId(Repr);

// Two words, which fit in registers. A call passes its id through many functions, and most ids are
// numbers.
#[derive(Clone, PartialEq, Eq)]
enum Repr {
    Number(u64),
    Other(Arc<Other>),
}

#[derive(PartialEq, Eq)]
enum Other {
    Uuid([u8; 16]),
    Text(Box<str>),
}

impl TxId {
    /// Returns the number, or `None` if the id is not a number.
    #[inline]
    pub fn as_number(&self) -> Option<u64> {
        match self.0 {
            Repr::Number(number) => Some(number),
            _ => None,
        }
    }

    /// Returns the 16 bytes of the UUID, or `None` if the id is not a UUID.
    #[inline]
    pub fn as_uuid_bytes(&self) -> Option<[u8; 16]> {
        match &self.0 {
            Repr::Other(other) => match **other {
                Other::Uuid(bytes) => Some(bytes),
                Other::Text(_) => None,
            },
            Repr::Number(_) => None,
        }
    }
}

impl TxId {
    /// Size in bytes that counts for an [`Admission`](crate::protocol::Admission): that of an id
    /// that is longer than a UUID. 0 for shorter ones, which take little memory.
    #[inline]
    pub(crate) fn counted_bytes(&self) -> usize {
        const UUID_LEN: usize = 36;
        let len = self.text_len();
        if len > UUID_LEN { len } else { 0 }
    }

    /// Number of bytes of a text id. 0 for other ids.
    #[inline]
    pub(crate) fn text_len(&self) -> usize {
        match &self.0 {
            Repr::Other(other) => match &**other {
                Other::Text(text) => text.len(),
                Other::Uuid(_) => 0,
            },
            Repr::Number(_) => 0,
        }
    }
}

impl From<u64> for TxId {
    #[inline]
    fn from(number: u64) -> Self {
        Self(Repr::Number(number))
    }
}

impl From<[u8; 16]> for TxId {
    /// Creates an id from the 16 bytes of a UUID.
    fn from(uuid: [u8; 16]) -> Self {
        Self(Repr::Other(Arc::new(Other::Uuid(uuid))))
    }
}

impl From<&str> for TxId {
    fn from(text: &str) -> Self {
        let number = parse_number(text).map(Self::from);
        number
            .or_else(|| parse_uuid(text))
            .unwrap_or_else(|| Self(Repr::Other(Arc::new(Other::Text(text.into())))))
    }
}

/// Parses only the form that `Display` writes, so that the peer gets its id back unchanged.
fn parse_number(text: &str) -> Option<u64> {
    let canonical = text == "0" || text.starts_with(|c: char| ('1'..='9').contains(&c));
    if canonical { text.parse().ok() } else { None }
}

fn parse_uuid(text: &str) -> Option<TxId> {
    let canonical = text.len() == 36 && !text.bytes().any(|byte| byte.is_ascii_uppercase());
    if canonical { uuid::Uuid::try_parse(text).ok().map(|uuid| uuid.into_bytes().into()) } else { None }
}

impl Hash for TxId {
    /// Hashes whole words without a discriminant, because a call hashes its id several times.
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.0 {
            Repr::Number(number) => state.write_u64(*number),
            Repr::Other(other) => match &**other {
                Other::Uuid(bytes) => state.write_u128(u128::from_ne_bytes(*bytes)),
                Other::Text(text) => text.hash(state),
            },
        }
    }
}

impl fmt::Display for TxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Number(number) => number.fmt(f),
            Repr::Other(other) => match &**other {
                Other::Uuid(bytes) => {
                    f.write_str(uuid::Uuid::from_bytes(*bytes).hyphenated().encode_lower(&mut [0; 36]))
                }
                Other::Text(text) => f.write_str(text),
            },
        }
    }
}

impl fmt::Debug for TxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TxId({self})")
    }
}

/// Generator of transaction ids for the calls of a connection.
///
/// A generator must not return an id in use, and may skip ids. An id is in use while its call is in
/// flight, and after a cancel until the peer has answered. A call with an id in use fails with
/// [`ErrorKind::DuplicateId`](crate::ErrorKind::DuplicateId). If the generator panics, the call
/// fails with [`ErrorKind::Panicked`](crate::ErrorKind::Panicked) and the connection is unaffected.
///
/// A closure is a generator:
///
/// ```
/// use isolated_workers_core::{TxId, TxIdGenerator};
///
/// let named = || TxId::from("job-17");
/// assert_eq!(named.next_id().to_string(), "job-17");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a generator of transaction ids",
    note = "pass `RandomIds`, `SequentialIds`, or a closure such as `|| TxId::from(17)`"
)]
pub trait TxIdGenerator: Send + Sync + 'static {
    /// Returns the next id.
    fn next_id(&self) -> TxId;
}

#[diagnostic::do_not_recommend]
impl<F: Fn() -> TxId + Send + Sync + 'static> TxIdGenerator for F {
    fn next_id(&self) -> TxId {
        self()
    }
}

/// Generator of random UUIDs (version 4), unique across connections and machines.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomIds;

impl TxIdGenerator for RandomIds {
    fn next_id(&self) -> TxId {
        uuid::Uuid::new_v4().into_bytes().into()
    }
}

/// Generator of the sequential numbers 1, 2, 3 and so on. The default. Sequential ids are the
/// smallest on the wire, the fastest to look up and the easiest to read in a log. They are unique
/// within one connection.
#[derive(Debug, Default)]
pub struct SequentialIds(AtomicU64);

impl TxIdGenerator for SequentialIds {
    fn next_id(&self) -> TxId {
        (self.0.fetch_add(1, Ordering::Relaxed) + 1).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_returns_to_its_peer_unchanged() {
        for text in
            ["0", "7", "18446744073709551615", "18446744073709551616", "007", "+7", "", "job", "C0FFEE"]
                .into_iter()
                .chain([
                    "ccfefb9f-f265-495b-8aa7-3d92b7553214",
                    "CCFEFB9F-F265-495B-8AA7-3D92B7553214",
                    "ccfefb9ff265495b8aa73d92b7553214",
                    "{ccfefb9f-f265-495b-8aa7-3d92b755321}",
                ])
        {
            assert_eq!(TxId::from(text).to_string(), text);
        }
    }

    #[test]
    fn an_id_equals_its_text_form() {
        assert_eq!(TxId::from(42), TxId::from("42"));
        let uuid = RandomIds.next_id();
        assert_eq!(uuid, TxId::from(uuid.to_string().as_str()));
        assert_ne!(TxId::from("42"), TxId::from("042"));
    }

    #[test]
    fn generators_do_not_repeat_ids() {
        assert_ne!(RandomIds.next_id(), RandomIds.next_id());
        let sequential = SequentialIds::default();
        assert_eq!((sequential.next_id(), sequential.next_id()), (1.into(), 2.into()));
    }

    #[test]
    fn an_id_takes_two_words() {
        assert_eq!(size_of::<TxId>(), 16);
    }
}
