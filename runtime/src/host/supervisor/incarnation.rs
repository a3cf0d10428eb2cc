//! One process of a worker, with its connection.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use isolated_workers_codec::Codec;
use isolated_workers_core::{Crash, Error, ExitReason};
use isolated_workers_transport::{Cleanup, DeferredListener, Transport};
use tokio::sync::watch;
use tokio::time::timeout;

use super::{BoxConnectionTask, StopRequest, WorkerExit, stop_requested};
use crate::connection::{Availability, CloseReason, Link};
use crate::driver::{Driver, Running};
use crate::host::heartbeat::{BoxHeartbeat, Heartbeat};
use crate::host::starter::{Greeted, Started, Starter};
use crate::timeouts::{EXIT_TIMEOUT, FINAL_READ_TIMEOUT, elapsed};

/// One process of a worker, with its connection.
pub(super) struct Incarnation<D: Driver, C: Codec, T> {
    pub(super) starter: Arc<Starter<D, C, T>>,
    pub(super) link: Link<C>,
    pub(super) running: D::Running,
    pub(super) connection: Option<HostConnection<C>>,
    /// Opened before the worker is disconnected or detached.
    pub(super) deferred_listener: Option<DeferredListener>,
    /// Runs when the worker has ended.
    pub(super) cleanup: Option<Cleanup>,
    pub(super) started: Instant,
    /// `true` if the worker has announced its end.
    pub(super) is_leaving: bool,
    /// Protocol violation that ended the connection, if there was one.
    violation: Option<Error>,
}

/// Connection to the process, and the check that the process answers.
pub(super) struct HostConnection<C: Codec> {
    task: BoxConnectionTask<C>,
    /// Returns when the process must be killed because it does not answer pings.
    unresponsive: Option<BoxHeartbeat>,
}

/// Event of a process.
pub(super) enum ProcessEvent {
    /// The worker has announced its end. Its calls in flight are still answered.
    Leaving,
    /// No call is in flight.
    Idle,
    ConnectionEnded(CloseReason),
    Exited(ExitReason),
    Unresponsive,
}

impl<C: Codec> HostConnection<C> {
    pub(super) fn new(task: BoxConnectionTask<C>, link: &Link<C>, heartbeat: Option<Heartbeat>) -> Self {
        let unresponsive = heartbeat.map(|heartbeat| heartbeat.watch(link.clone()));
        Self { task, unresponsive }
    }
}
