use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, Metadata, Name, Request, TxId};
use tokio::runtime::Handle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{HostService, call_chain};

/// Information about the call that a handler answers.
///
/// A method of a `#[service]` receives it if its first argument is a `Context`. That argument is
/// not part of the client. Methods without it pay nothing.
///
/// ```ignore
/// #[service]
/// trait Images {
///     async fn render(&self, context: Context, scene: Scene) -> Image;
/// }
///
/// impl Images for Renderer {
///     async fn render(&self, context: Context, scene: Scene) -> Image {
///         let cancelled = context.cancelled().clone();
///         // A thread cannot be dropped, so it checks the token.
///         spawn_blocking(move || scene.lines().take_while(|_| !cancelled.is_cancelled()).collect()).await
///     }
/// }
/// ```
pub struct Context {
    name: Name,
    id: Option<TxId>,
    metadata: Metadata,
    attempt: u32,
    deadline: Option<Instant>,
    peer: Option<u32>,
    /// Service of the caller, if it serves, and the token that ends the calls of it.
    host: Option<(Arc<dyn Any + Send + Sync>, CancellationToken)>,
    cancelled: CancellationToken,
}

impl Context {
    /// Returns the context of `request` and drops its payload, for handlers written by hand.
    ///
    /// The caller is responsible for cancelling the [token](Self::cancelled), as
    /// [`respond_in_context`](crate::handler::respond_in_context) does.
    pub fn of(mut request: Request) -> Self {
        let cancelled = CancellationToken::new();
        let host = request.take_callback().map(|host| (host, cancelled.child_token()));
        let (id, attempt, peer) = (request.id().cloned(), request.attempt(), request.peer());
        let limit = request.timeout().filter(|limit| !limit.is_zero());
        let deadline = request.deadline().or_else(|| Instant::now().checked_add(limit?));
        let (name, _, metadata) = request.into_parts();
        Self { name, id, metadata, attempt, deadline, peer, host, cancelled }
    }

    /// Returns the name of the message.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Returns the id of the transaction, or `None` if the call did not come over a connection
    /// ([`Local`](crate::Local)).
    pub fn id(&self) -> Option<&TxId> {
        self.id.as_ref()
    }

    /// Returns the metadata of the request.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Returns the number of this attempt of the call, starting at 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Returns the time at which the caller stops waiting, on this process's clock. Returns `None`
    /// if the caller set no limit.
    ///
    /// A host sends the timeout that was set for the message or the call, not the default of its
    /// worker.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Returns the process id of the host, as reported by the host. Returns `None` for calls within
    /// one process.
    pub fn peer(&self) -> Option<u32> {
        self.peer
    }

    /// Returns the service that the host offers to its workers with `Builder::serve`. Make a client
    /// of it to call the host back, until this call is answered. `C` is the codec of the
    /// connection.
    ///
    /// ```ignore
    /// let progress = ProgressClient::new(context.host::<Json>()?);
    /// progress.step(3, 10).await?;
    /// ```
    ///
    /// # Errors
    /// `Config` if the host serves nothing, or if its codec is not `C`.
    pub fn host<C: Codec>(&self) -> Result<HostService<C>, Error> {
        let id = self.id.as_ref().map(TxId::to_string);
        HostService::new(self.host.as_ref(), self.name(), id, &self.metadata, self.deadline)
    }

    /// Returns a guard that ends the callbacks of the handler when it is dropped.
    pub(super) fn end_callbacks_on_drop(&self) -> Option<DropGuard> {
        self.host.as_ref().map(|(_, ended)| ended.clone().drop_guard())
    }

    /// Waits for `future` on a thread that may block, so that a `blocking` method can make
    /// callbacks: `context.block_on(progress.step(3, 10))?`.
    ///
    /// # Panics
    /// Panics in an async method, and outside of a tokio runtime.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        Handle::current().block_on(future)
    }

    /// Returns the id of the call whose handler has made this callback. Returns `None` for a call
    /// that is no callback.
    pub fn parent(&self) -> Option<&str> {
        call_chain::parent(&self.metadata)
    }

    /// Returns a token that is cancelled when the call is: if the caller dropped it, its time ran
    /// out, or the connection ended.
    ///
    /// The handler's own future is dropped at that moment. The token is for work that the handler
    /// started elsewhere. It is not cancelled after an answer.
    pub fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Metadata may hold secrets.
        f.debug_struct("Context").field("name", &self.name).field("id", &self.id).finish_non_exhaustive()
    }
}
