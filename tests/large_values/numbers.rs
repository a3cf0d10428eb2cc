//! Value whose encoding waits at its end, until a gate is opened.

use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use futures_util::Stream;
use isolated_workers::service;
use isolated_workers::service::Streaming;
use serde::ser::SerializeSeq;
use serde::{Deserialize, Serialize, Serializer};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Number of elements of a value that is encoded in place with every codec.
pub(crate) const FEW: usize = 100_000;

/// Number of elements of a value that is larger than 1 MiB with every codec.
pub(crate) const MANY: usize = 5 << 18;

/// Time after which a gate that nobody opens counts as held up. Only a broken test reaches it.
const GATE_TIMEOUT: Duration = Duration::from_secs(20);

/// Gate that starts closed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let is_open = self.0.0.lock().unwrap();
        let (_is_open, waited) =
            self.0.1.wait_timeout_while(is_open, GATE_TIMEOUT, |is_open| !*is_open).unwrap();
        assert!(!waited.timed_out(), "encoding holds the thread that would open the gate");
    }
}

/// Value that is encoded as a sequence of its length.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "Vec<u8>")]
pub(crate) struct Numbers {
    pub(crate) len: usize,
    /// Gate before the last element.
    gate: Option<Gate>,
    /// Threads that have begun to encode the value.
    threads: Arc<Mutex<Vec<ThreadId>>>,
    /// `true` if encoding panics at the last element.
    panics: bool,
    /// Closed when the value is dropped.
    _life: Option<UnboundedSender<()>>,
}

impl Numbers {
    pub(crate) fn new(len: usize) -> Self {
        Self { len, ..Self::default() }
    }

    pub(crate) fn behind(len: usize, gate: &Gate) -> Self {
        Self { gate: Some(gate.clone()), ..Self::new(len) }
    }

    pub(crate) fn that_panic(len: usize) -> Self {
        Self { panics: true, ..Self::new(len) }
    }

    /// Returns the value with a receiver that ends when the value is dropped.
    pub(crate) fn observed(self) -> (Self, UnboundedReceiver<()>) {
        let (life, end) = unbounded_channel();
        (Self { _life: Some(life), ..self }, end)
    }

    pub(crate) fn threads(&self) -> Arc<Mutex<Vec<ThreadId>>> {
        Arc::clone(&self.threads)
    }
}

impl From<Vec<u8>> for Numbers {
    fn from(numbers: Vec<u8>) -> Self {
        Self::new(numbers.len())
    }
}

impl Serialize for Numbers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.threads.lock().unwrap().push(thread::current().id());
        let mut sequence = serializer.serialize_seq(Some(self.len))?;
        for number in 1..=self.len {
            if number == self.len {
                self.gate.iter().for_each(Gate::pass);
                assert!(!self.panics, "a value that panics");
            }
            sequence.serialize_element(&7_u8)?;
        }
        sequence.end()
    }
}

impl std::fmt::Display for Numbers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} numbers", self.len)
    }
}

/// Service whose replies, errors and items of more than [`FEW`] numbers wait at a gate.
#[service]
pub(crate) trait Gated {
    async fn reply(&self, len: usize) -> Numbers;
    async fn fail(&self, len: usize) -> Result<(), Numbers>;
    /// Yields values of these lengths, and fails with one of the length `error` if it is not 0.
    fn items(&self, lens: Vec<usize>, error: usize) -> impl Stream<Item = Result<Numbers, Numbers>>;
    /// Returns the length of the value.
    async fn take(&self, numbers: Numbers) -> usize;
    /// Returns the length of the text.
    async fn take_text(&self, text: String, numbers: Numbers) -> usize;
    /// Returns the lengths of the items.
    async fn take_items(&self, items: Streaming<Numbers>) -> Result<Vec<usize>, String>;
    /// Opens the gate.
    async fn open(&self);
}
