//! Service of the host, service of the worker, and their implementations.

use std::sync::{Arc, OnceLock};

use futures_util::future::BoxFuture;
use futures_util::{Stream, StreamExt, stream};
use isolated_workers::codec::{Json, Postcard};
use isolated_workers::driver::Thread;
use isolated_workers::prelude::*;
use isolated_workers::serve;
use isolated_workers::service::{BoxService, Context, HostService};
use isolated_workers::worker::Server;
use tokio::sync::{Mutex, Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Service that the host offers.
#[service]
pub(crate) trait Studio {
    /// Returns the id of the call to which this callback belongs.
    async fn parent(&self, context: Context) -> Option<String>;
    /// Returns the metadata of the callback.
    async fn metadata(&self, context: Context) -> Vec<(String, String)>;
    /// Returns the number of milliseconds until the deadline.
    async fn remaining(&self, context: Context) -> Option<u64>;
    async fn add(&self, a: u32, b: u32) -> u32;
    /// Calls `descend` of the worker or pool that the host has set.
    async fn descend(&self, levels: u32) -> Result<u32, Refused>;
    /// Like `descend`, on a thread that may block.
    #[message(blocking)]
    fn descend_blocking(&self, context: Context, levels: u32) -> Result<u32, Refused>;
    async fn panic(&self);
    /// Waits until the callback is cancelled.
    async fn wait(&self);
    /// Like `wait`, after one item.
    fn wait_after_item(&self) -> impl Stream<Item = u32>;
    /// Waits until the worker or pool that the host has set is drained, or reloaded.
    async fn wait_for_calls(&self) -> Vec<Refused>;
    /// Calls `wait_elsewhere` of the worker or pool that the host has set.
    async fn wait_nested(&self) -> Result<(), Refused>;
    /// Waits until the gate is opened.
    async fn gate(&self);
    async fn open_gate(&self);
}

/// Service of the worker.
#[service]
pub(crate) trait Painter {
    async fn parent(&self, context: Context) -> Result<Option<String>, Refused>;
    async fn metadata(&self, context: Context) -> Result<Vec<(String, String)>, Refused>;
    #[message(timeout = "20s")]
    async fn remaining(&self, context: Context) -> Result<Option<u64>, Refused>;
    #[message(blocking)]
    fn add(&self, context: Context, a: u32, b: u32) -> Result<u32, Refused>;
    /// Calls `descend` of the host, unless `levels` is 0. Returns the number of calls of the
    /// worker.
    async fn descend(&self, context: Context, levels: u32) -> Result<u32, Refused>;
    /// Like `descend`, after the gate of the host was opened.
    async fn descend_after_gate(&self, context: Context, levels: u32) -> Result<u32, Refused>;
    /// Like `descend`, through `descend_blocking` of the host.
    async fn descend_blocking(&self, context: Context, levels: u32) -> Result<u32, Refused>;
    async fn panic(&self, context: Context) -> Result<(), Refused>;
    async fn wait_for_calls(&self, context: Context) -> Result<Vec<Refused>, Refused>;
    /// Makes a callback that waits, in a task of its own.
    async fn wait_elsewhere(&self, context: Context) -> Result<(), Refused>;
    /// Starts a callback that waits, in a task of its own, and answers without waiting for it.
    async fn leave_waiting(&self, context: Context) -> Result<(), Refused>;
    /// Starts a callback that waits, and leaks it.
    async fn leak_waiting(&self, context: Context) -> Result<(), Refused>;
    /// Like `leak_waiting`, for a call that has no answer.
    #[message(oneway)]
    async fn leak_waiting_oneway(&self, context: Context);
    /// Like `leak_waiting`, for a stream of which one item was taken.
    async fn leak_items(&self, context: Context) -> Result<(), Refused>;
    /// Like `leak_waiting`, and waits until the call is cancelled.
    async fn leak_waiting_and_wait(&self, context: Context) -> Result<(), Refused>;
    /// Calls `wait_nested` of the host.
    #[message(timeout = "20s")]
    async fn wait_nested(&self, context: Context) -> Result<(), Refused>;
    /// Returns the error of the callback that `leave_waiting` has started.
    async fn left(&self) -> Refused;
    /// Names a codec that is not that of the connection.
    async fn wrong_codec(&self, context: Context) -> Result<(), Refused>;
    async fn gate(&self, context: Context) -> Result<(), Refused>;
    async fn open_gate(&self, context: Context) -> Result<(), Refused>;
    /// Makes the worker announce its end.
    async fn stop(&self);
}

/// Kind and text of a failed callback.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Refused {
    pub(crate) code: String,
    pub(crate) text: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Refused {}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self { code: error.kind().code().to_owned(), text: format!("{error:#}") }
    }
}

impl From<CallError<Refused>> for Refused {
    fn from(error: CallError<Refused>) -> Self {
        match error {
            CallError::Service(refused) => refused,
            CallError::Call(error) => error.into(),
        }
    }
}

/// Function that waits for the end of all calls of a worker or pool.
pub(crate) type WaitForCalls = Box<dyn Fn() -> BoxFuture<'static, Result<(), Error>> + Send + Sync>;

/// Implementation of `Studio`.
#[derive(Clone)]
pub(crate) struct Host {
    /// Worker or pool that `descend` calls.
    pub(crate) painter: Arc<OnceLock<PainterClient<BoxService>>>,
    /// Functions that wait for the end of all calls, for `wait_for_calls`.
    pub(crate) waits_for_calls: Arc<OnceLock<Vec<WaitForCalls>>>,
    /// Gets `true` when `wait` starts, and `false` when it ends.
    pub(crate) waits: mpsc::UnboundedSender<bool>,
    /// Notified when the gate is opened.
    pub(crate) gate: Arc<Notify>,
}

impl Host {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<bool>) {
        let (waits, events) = mpsc::unbounded_channel();
        let (painter, waits_for_calls, gate) = Default::default();
        (Self { painter, waits_for_calls, waits, gate }, events)
    }
}

/// Reports the begin and the end of `wait`.
struct Waiting(mpsc::UnboundedSender<bool>);

impl Waiting {
    fn begin(waits: &mpsc::UnboundedSender<bool>) -> Self {
        let _ = waits.send(true);
        Self(waits.clone())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.0.send(false);
    }
}

impl Studio for Host {
    async fn parent(&self, context: Context) -> Option<String> {
        context.parent().map(str::to_owned)
    }

    async fn metadata(&self, context: Context) -> Vec<(String, String)> {
        context.metadata().iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    async fn remaining(&self, context: Context) -> Option<u64> {
        remaining(&context)
    }

    async fn add(&self, a: u32, b: u32) -> u32 {
        a + b
    }

    async fn descend(&self, levels: u32) -> Result<u32, Refused> {
        let painter = self.painter.get().expect("the test sets a painter");
        Ok(painter.descend(levels).await?)
    }

    fn descend_blocking(&self, context: Context, levels: u32) -> Result<u32, Refused> {
        let painter = self.painter.get().expect("the test sets a painter");
        Ok(context.block_on(painter.descend_blocking(levels))?)
    }

    async fn panic(&self) {
        panic!("out of paint");
    }

    async fn wait(&self) {
        let _waiting = Waiting::begin(&self.waits);
        std::future::pending().await
    }

    fn wait_after_item(&self) -> impl Stream<Item = u32> {
        let waiting = Waiting::begin(&self.waits);
        stream::iter([7]).chain(stream::pending()).inspect(move |_| {
            let _ = &waiting;
        })
    }

    async fn wait_for_calls(&self) -> Vec<Refused> {
        let mut errors = Vec::new();
        for wait in self.waits_for_calls.get().expect("the test sets them") {
            errors.extend(wait().await.err().map(Refused::from));
        }
        errors
    }

    async fn wait_nested(&self) -> Result<(), Refused> {
        let painter = self.painter.get().expect("the test sets a painter");
        Ok(painter.wait_elsewhere().await?)
    }

    async fn gate(&self) {
        let _ = self.waits.send(true);
        self.gate.notified().await;
    }

    async fn open_gate(&self) {
        self.gate.notify_one();
    }
}

fn remaining(context: &Context) -> Option<u64> {
    let rest = Instant::from_std(context.deadline()?).duration_since(Instant::now());
    Some(rest.as_millis().try_into().unwrap_or(u64::MAX))
}

/// Implementation of `Painter`.
#[derive(Default)]
pub(crate) struct Apprentice {
    /// Callback that `leave_waiting` has started.
    left: Mutex<Option<JoinHandle<Result<(), Error>>>>,
    /// Handle of the worker, for `stop`.
    server: Arc<OnceLock<Server>>,
}

fn studio(context: &Context) -> Result<StudioClient<HostService>, Refused> {
    Ok(StudioClient::new(context.host::<Json>()?))
}

/// Starts a callback that waits, and leaks it.
async fn leak_waiting(context: &Context) -> Result<(), Refused> {
    let waits = studio(context)?;
    let mut waiting = Box::pin(async move { waits.wait().await });
    assert!(futures_util::poll!(&mut waiting).is_pending());
    std::mem::forget(waiting);
    // The host has started the callback once it answers a later one.
    studio(context)?.parent().await?;
    Ok(())
}

impl Painter for Apprentice {
    async fn parent(&self, context: Context) -> Result<Option<String>, Refused> {
        let parent = studio(&context)?.parent().await?;
        assert_eq!(parent, context.id().map(ToString::to_string));
        Ok(parent)
    }

    async fn metadata(&self, context: Context) -> Result<Vec<(String, String)>, Refused> {
        Ok(studio(&context)?.metadata().await?)
    }

    async fn remaining(&self, context: Context) -> Result<Option<u64>, Refused> {
        Ok(studio(&context)?.remaining().await?)
    }

    fn add(&self, context: Context, a: u32, b: u32) -> Result<u32, Refused> {
        let studio = studio(&context)?;
        Ok(context.block_on(studio.add(a, b))?)
    }

    async fn descend(&self, context: Context, levels: u32) -> Result<u32, Refused> {
        match levels.checked_sub(1) {
            None => Ok(1),
            Some(levels) => Ok(1 + studio(&context)?.descend(levels).await?),
        }
    }

    async fn descend_after_gate(&self, context: Context, levels: u32) -> Result<u32, Refused> {
        let studio = studio(&context)?;
        studio.gate().await?;
        Ok(1 + studio.descend(levels).await?)
    }

    async fn descend_blocking(&self, context: Context, levels: u32) -> Result<u32, Refused> {
        match levels.checked_sub(1) {
            None => Ok(1),
            Some(levels) => Ok(1 + studio(&context)?.descend_blocking(levels).await?),
        }
    }

    async fn panic(&self, context: Context) -> Result<(), Refused> {
        Ok(studio(&context)?.panic().await?)
    }

    async fn wait_elsewhere(&self, context: Context) -> Result<(), Refused> {
        let studio = studio(&context)?;
        let waiting = tokio::spawn(async move { studio.wait().await });
        Ok(waiting.await.expect("the task does not panic")?)
    }

    async fn leave_waiting(&self, context: Context) -> Result<(), Refused> {
        let waits = studio(&context)?;
        let mut waiting = Box::pin(async move { waits.wait().await });
        assert!(futures_util::poll!(&mut waiting).is_pending());
        // The host has started the callback once it answers a later one.
        studio(&context)?.parent().await?;
        *self.left.lock().await = Some(tokio::spawn(waiting));
        Ok(())
    }

    async fn leak_waiting(&self, context: Context) -> Result<(), Refused> {
        leak_waiting(&context).await
    }

    async fn leak_waiting_oneway(&self, context: Context) {
        leak_waiting(&context).await.expect("the host takes the callback");
    }

    async fn leak_items(&self, context: Context) -> Result<(), Refused> {
        let studio = studio(&context)?;
        let mut items = Box::pin(studio.wait_after_item());
        assert_eq!(items.next().await.expect("there is an item")?, 7);
        std::mem::forget(items);
        Ok(())
    }

    async fn leak_waiting_and_wait(&self, context: Context) -> Result<(), Refused> {
        leak_waiting(&context).await?;
        std::future::pending().await
    }

    async fn wait_for_calls(&self, context: Context) -> Result<Vec<Refused>, Refused> {
        Ok(studio(&context)?.wait_for_calls().await?)
    }

    async fn wait_nested(&self, context: Context) -> Result<(), Refused> {
        Ok(studio(&context)?.wait_nested().await?)
    }

    async fn left(&self) -> Refused {
        let left = self.left.lock().await.take().expect("a callback was started");
        left.await.expect("the task does not panic").expect_err("the callback never completes").into()
    }

    async fn wrong_codec(&self, context: Context) -> Result<(), Refused> {
        context.host::<Postcard>()?;
        Ok(())
    }

    async fn gate(&self, context: Context) -> Result<(), Refused> {
        Ok(studio(&context)?.gate().await?)
    }

    async fn open_gate(&self, context: Context) -> Result<(), Refused> {
        Ok(studio(&context)?.open_gate().await?)
    }

    async fn stop(&self) {
        self.server.get().expect("the worker serves").stop();
    }
}

/// Driver of a worker in a thread.
pub(crate) fn painter() -> Thread {
    Thread::new(|| async {
        let apprentice = Apprentice::default();
        let cell = Arc::clone(&apprentice.server);
        let (server, serving) = serve(apprentice.into_service()).start();
        let _ = cell.set(server);
        serving.await
    })
}
