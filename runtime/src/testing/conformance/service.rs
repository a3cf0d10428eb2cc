//! Messages without streams of the worker under test, and their handler.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, Message, Never, Request, Response, Schema};
use isolated_workers_middleware::{Handler, handler};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, oneshot};

/// Last words of a handler of [`Finish`].
pub(super) const FINISHED: &[u8] = b"finished";

pub(super) const SCHEMA: Schema = Schema::new("Conformance", 1);

pub(super) static SERVICE: Schema = SCHEMA;

/// Declares a message with its payload and reply: `message!(Echo { text: String } -> String)`. Its
/// service is the `SERVICE` of the module.
macro_rules! message {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* } -> $reply:ty, $error:ty $(, $const:ident = $value:expr)*) => {
        $(#[$doc])*
        #[derive(Debug, Serialize, Deserialize)]
        pub(super) struct $name { $(pub(super) $field: $type),* }

        impl Message for $name {
            const NAME: &'static str = stringify!($name);
            type Reply = $reply;
            type Error = $error;
            const SERVICE: Option<&'static Schema> = Some(&SERVICE);
            $(message!(@ $const = $value);)*
        }
    };
    (@ ONEWAY = $value:expr) => { const ONEWAY: bool = $value; };
    (@ TIMEOUT = $value:expr) => { const TIMEOUT: Option<Duration> = Some($value); };
}
pub(super) use message;

message!(Echo { text: String } -> String, Never);
message!(Mirror { bytes: Vec<u8> } -> Vec<u8>, Never);
message!(Divide { a: i64, b: i64 } -> i64, DivideError);
message!(
    /// Returns its body unchanged, with the metadata of the request.
    Reflect {} -> (), Never
);
message!(Note { text: String } -> (), Never, ONEWAY = true);
message!(Notes {} -> Vec<String>, Never);
message!(
    /// Number of notes, and their bytes in total.
    Noted {} -> (usize, usize), Never
);
message!(
    /// Waits until the gates are opened.
    Gate { key: u32 } -> u32, Never
);
message!(
    /// Opens all gates, in order of descending keys.
    OpenGates {} -> (), Never
);
message!(Wait {} -> (), Never);
message!(WaitBriefly {} -> (), Never, TIMEOUT = Duration::from_millis(50));
message!(
    /// Number of waiting calls.
    Waiting {} -> usize, Never
);
message!(
    /// Prints to standard output and standard error.
    Print { text: String } -> (), Never
);
message!(Panic {} -> (), Never);
message!(
    /// Connects to a port, and returns when that connection ends.
    Linger { port: u16 } -> (), Never
);
message!(
    /// Connects to a port, waits until the suite stops writing, and writes [`FINISHED`].
    Finish { port: u16 } -> (), Never, ONEWAY = true
);
message!(
    /// Makes a worker with the role `StopServing` drop the future of `serve`. Is never answered.
    StopServing {} -> (), Never
);
message!(
    /// Makes a worker with the role `Leave` announce its end.
    Leave {} -> (), Never
);
message!(
    /// Never ends.
    Hang {} -> (), Never, ONEWAY = true
);
message!(
    /// Makes the worker's process unable to open another descriptor.
    TakeDescriptors {} -> (), Never
);
message!(
    /// Connects to a port, and blocks the whole worker until that connection ends.
    Hold { port: u16 } -> (), Never, ONEWAY = true
);
message!(
    /// Connects to a port, and holds that connection until the worker ends.
    Tether { port: u16 } -> (), Never
);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum DivideError {
    ByZero,
    Overflow { a: i64 },
}

impl fmt::Display for DivideError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the quotient is undefined")
    }
}

impl std::error::Error for DivideError {}

pub(super) fn divide(a: i64, b: i64) -> Result<i64, DivideError> {
    if b == 0 {
        return Err(DivideError::ByZero);
    }
    a.checked_div(b).ok_or(DivideError::Overflow { a })
}

#[derive(Default)]
pub(super) struct ConformanceHandler {
    notes: Mutex<Vec<String>>,
    gates: Mutex<BTreeMap<u32, oneshot::Sender<()>>>,
    waiting: Arc<AtomicUsize>,
    tethers: Mutex<Vec<TcpStream>>,
    /// Event that `StopServing` and `Leave` notify.
    pub(super) stop: Arc<Notify>,
}

/// Counts a waiting call until it ends.
pub(super) struct WaitingGuard(Arc<AtomicUsize>);

impl Drop for WaitingGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl ConformanceHandler {
    pub(super) fn waiting(&self) -> WaitingGuard {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        WaitingGuard(Arc::clone(&self.waiting))
    }

    async fn wait(&self) -> Result<(), Never> {
        let _guard = self.waiting();
        std::future::pending().await
    }

    async fn gate(&self, key: u32) -> Result<u32, Never> {
        let _guard = self.waiting();
        let (open, opened) = oneshot::channel();
        lock(&self.gates).insert(key, open);
        let _ = opened.await;
        Ok(key)
    }
}

impl Handler for ConformanceHandler {
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
            WaitBriefly::NAME => respond(codec, request, async |WaitBriefly {}| self.wait().await).await,
            Waiting::NAME => {
                respond(codec, request, async |Waiting {}| Ok(self.waiting.load(Ordering::SeqCst))).await
            }
            Print::NAME => {
                respond(codec, request, async |Print { text }| {
                    print!("{text}");
                    eprint!("{text}");
                    let _ = std::io::stdout().flush();
                    Ok(())
                })
                .await
            }
            Panic::NAME => {
                respond(codec, request, async |Panic {}| -> Result<(), Never> {
                    panic!("requested by the suite")
                })
                .await
            }
            Linger::NAME => {
                respond(codec, request, async |Linger { port }| {
                    let stream = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
                    let _ = stream.expect("the suite listens on this port").read(&mut [0]).await;
                    Ok(())
                })
                .await
            }
            Finish::NAME => {
                respond(codec, request, async |Finish { port }| {
                    let stream = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
                    let mut stream = stream.expect("the suite listens on this port");
                    let _ = stream.read(&mut [0]).await;
                    let _ = stream.write_all(FINISHED).await;
                    Ok(())
                })
                .await
            }
            StopServing::NAME => {
                respond(codec, request, async |StopServing {}| {
                    self.stop.notify_one();
                    std::future::pending().await
                })
                .await
            }
            Leave::NAME => {
                respond(codec, request, async |Leave {}| {
                    self.stop.notify_one();
                    Ok(())
                })
                .await
            }
            Hang::NAME => respond(codec, request, async |Hang {}| self.wait().await).await,
            TakeDescriptors::NAME => {
                respond(codec, request, async |TakeDescriptors {}| {
                    super::shortage::take_descriptors();
                    Ok(())
                })
                .await
            }
            Hold::NAME => {
                respond(codec, request, async |Hold { port }| {
                    // Blocks on purpose: the worker must not read meanwhile.
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
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the suite listens on this port")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
