use std::fmt;
use std::time::Instant;

use isolated_workers_core::{Metadata, Name, Request, TxId};
use tokio_util::sync::CancellationToken;

/// What a handler can know of the call that it answers.
///
/// A method of a `#[service]` gets one as its first argument where it asks for it; callers do not see that argument.
/// A method that does not ask pays nothing.
///
/// ```ignore
/// #[service]
/// trait Images {
///     async fn render(&self, context: Context, scene: Scene) -> Image;
/// }
///
/// impl Images for Renderer {
///     async fn render(&self, context: Context, scene: Scene) -> Image {
///         let given_up = context.cancelled().clone();
///         // A thread cannot be dropped: it looks at the token.
///         spawn_blocking(move || scene.lines().take_while(|_| !given_up.is_cancelled()).collect()).await
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
    cancelled: CancellationToken,
}

impl Context {
    /// The context of a request whose payload is needed no more: for handlers written by hand. Whoever calls this sees
    /// to the [token](Self::cancelled); [`respond_in_context`](crate::handler::respond_in_context) does.
    pub fn of(request: Request) -> Self {
        let (id, attempt, peer) = (request.id().cloned(), request.attempt(), request.peer());
        let limit = request.timeout().filter(|limit| !limit.is_zero());
        let deadline = request.deadline().or_else(|| Instant::now().checked_add(limit?));
        let (name, _, metadata) = request.into_parts();
        Self { name, id, metadata, attempt, deadline, peer, cancelled: CancellationToken::new() }
    }

    /// The name of the message.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The id of the transaction; `None` where the call came over no connection ([`Local`](crate::Local)).
    pub fn id(&self) -> Option<&TxId> {
        self.id.as_ref()
    }

    /// The keys and values that came with the request.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Number of this attempt of the call, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Time at which the caller stops waiting, on this process's clock. `None` if it set no limit. A host says what was set
    /// for the message or the call, and not the default of its worker.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The id of the host's process, as that has told it; `None` within one process.
    pub fn peer(&self) -> Option<u32> {
        self.peer
    }

    /// A token that fires when the call is given up: the caller dropped it, its time is over, or the connection ended.
    /// The handler's own future is dropped in that moment; the token is for what it has started elsewhere. It does not
    /// fire after an answer.
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
