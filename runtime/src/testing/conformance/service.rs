//! The service of the worker under test, and its messages.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, Message, Never, Request, Response, Schema};
use isolated_workers_middleware::{Handler, handler};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

/// What the worker under test serves, with [`limits`](super::limits). [`SuiteRole::play`](super::SuiteRole::play) does so.
pub fn service() -> impl Handler {
    Served::default()
}

pub(super) const SCHEMA: Schema = Schema::new("Conformance", 1);

/// `message!(Echo { text: String } -> String)`: a message, its payload and its reply.
macro_rules! message {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* } -> $reply:ty, $error:ty $(, $const:ident = $value:expr)*) => {
        $(#[$doc])*
        #[derive(Debug, Serialize, Deserialize)]
        pub(super) struct $name { $(pub(super) $field: $type),* }

        impl Message for $name {
            const NAME: &'static str = stringify!($name);
            type Reply = $reply;
            type Error = $error;
            $(message!(@ $const = $value);)*
        }
    };
    (@ ONEWAY = $value:expr) => { const ONEWAY: bool = $value; };
    (@ TIMEOUT = $value:expr) => { const TIMEOUT: Option<Duration> = Some($value); };
}

message!(Echo { text: String } -> String, Never);
message!(Mirror { bytes: Vec<u8> } -> Vec<u8>, Never);
message!(Divide { a: i64, b: i64 } -> i64, DivideError);
message!(
    /// Answers its body as it is, with the metadata that came with it.
    Reflect {} -> (), Never
);
message!(Note { text: String } -> (), Never, ONEWAY = true);
message!(Notes {} -> Vec<String>, Never);
message!(
    /// How many notes there are, and their bytes.
    Noted {} -> (usize, usize), Never
);
message!(
    /// QueueStats until the gates are opened.
    Gate { key: u32 } -> u32, Never
);
message!(
    /// Opens all gates, the one with the highest key first.
    OpenGates {} -> (), Never
);
message!(Wait {} -> (), Never);
message!(WaitALittle {} -> (), Never, TIMEOUT = Duration::from_millis(50));
message!(
    /// How many calls wait.
    Waiting {} -> usize, Never
);
message!(
    /// Connects to a port, and keeps the whole worker from reading until that connection ends.
    Hold { port: u16 } -> (), Never, ONEWAY = true
);
message!(
    /// Connects to a port until the worker ends.
    Tether { port: u16 } -> (), Never
);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum DivideError {
    ByZero,
    Overflow { a: i64 },
}

impl fmt::Display for DivideError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such quotient")
    }
}

fn divide(a: i64, b: i64) -> Result<i64, DivideError> {
    if b == 0 {
        return Err(DivideError::ByZero);
    }
    a.checked_div(b).ok_or(DivideError::Overflow { a })
}

#[derive(Default)]
struct Served {
    notes: Mutex<Vec<String>>,
    gates: Mutex<BTreeMap<u32, oneshot::Sender<()>>>,
    waiting: AtomicUsize,
    tethers: Mutex<Vec<TcpStream>>,
}

/// Counts down when the call that holds it is over, for whatever reason.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::SeqCst);
        Self(waiting)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Served {
    async fn wait(&self) -> Result<(), Never> {
        let _counted = Counted::new(&self.waiting);
        std::future::pending().await
    }

    async fn gate(&self, key: u32) -> Result<u32, Never> {
        let _counted = Counted::new(&self.waiting);
        let (open, opened) = oneshot::channel();
        lock(&self.gates).insert(key, open);
        let _ = opened.await;
        Ok(key)
    }
}

impl Handler for Served {
    const SCHEMA: Schema = SCHEMA;

    async fn handle<C: Codec>(&self, codec: &C, request: Request) -> Result<Response, Error> {
        use handler::respond;
        match request.name() {
            Echo::NAME => respond(codec, request, async |Echo { text }| Ok(text)).await,
            Mirror::NAME => respond(codec, request, async |Mirror { bytes }| Ok(bytes)).await,
            Divide::NAME => respond(codec, request, async |Divide { a, b }| divide(a, b)).await,
            Reflect::NAME => {
                let mut metadata = request.metadata().clone();
                metadata.insert("reflected-by", "worker");
                Ok(Response::with_metadata(request.body().clone(), metadata))
            }
            Note::NAME => {
                respond(codec, request, async |Note { text }| {
                    lock(&self.notes).push(text);
                    Ok(())
                })
                .await
            }
            Notes::NAME => respond(codec, request, async |Notes {}| Ok(lock(&self.notes).clone())).await,
            Noted::NAME => {
                respond(codec, request, async |Noted {}| {
                    let notes = lock(&self.notes);
                    Ok((notes.len(), notes.iter().map(String::len).sum()))
                })
                .await
            }
            Gate::NAME => respond(codec, request, async |Gate { key }| self.gate(key).await).await,
            OpenGates::NAME => {
                respond(codec, request, async |OpenGates {}| {
                    for (_, open) in std::mem::take(&mut *lock(&self.gates)).into_iter().rev() {
                        let _ = open.send(());
                    }
                    Ok(())
                })
                .await
            }
            Wait::NAME => respond(codec, request, async |Wait {}| self.wait().await).await,
            WaitALittle::NAME => respond(codec, request, async |WaitALittle {}| self.wait().await).await,
            Waiting::NAME => {
                respond(codec, request, async |Waiting {}| Ok(self.waiting.load(Ordering::SeqCst))).await
            }
            Hold::NAME => {
                respond(codec, request, async |Hold { port }| {
                    // Blocks on purpose: nothing of this worker reads meanwhile.
                    let _ = connect(port).read(&mut [0]);
                    Ok(())
                })
                .await
            }
            Tether::NAME => {
                respond(codec, request, async |Tether { port }| {
                    lock(&self.tethers).push(connect(port));
                    Ok(())
                })
                .await
            }
            _ => Err(handler::unknown_message(&SCHEMA, &request)),
        }
    }
}

fn connect(port: u16) -> TcpStream {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the suite listens")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
