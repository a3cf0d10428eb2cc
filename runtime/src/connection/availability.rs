use isolated_workers_core::{Error, ErrorKind, Executed};

/// Availability of the peer for new calls.
#[derive(Debug)]
pub(crate) enum Availability {
    Connected,
    /// Disconnected on purpose. Calls fail until the link is reconnected.
    Disconnected,
    /// The worker is being restarted. Calls wait for it.
    Starting,
    /// The worker finishes the calls in flight.
    Draining,
    /// The worker was closed or has exited.
    Closed,
    /// The task that drives the connection was dropped.
    Abandoned,
    /// The worker will not be restarted, because of this error.
    Failed(Error),
}

impl Availability {
    /// Refuses a call of the message `name` if the peer accepts no calls.
    pub(super) fn check(&self, name: &str) -> Result<(), Error> {
        match self {
            Self::Connected | Self::Starting => Ok(()),
            Self::Disconnected => Err(refused(name, "the worker is disconnected; call `reconnect` first")),
            Self::Draining => Err(refused(
                name,
                "the worker is being drained and takes no more calls; start another worker",
            )),
            Self::Closed => {
                Err(refused(name, "the connection to the worker is closed or closing; start another worker"))
            }
            Self::Abandoned => Err(abandoned(name).with_executed(Executed::No)),
            Self::Failed(error) => Err(error.clone()),
        }
    }

    /// Returns `true` if no call is accepted anymore.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Closed | Self::Abandoned | Self::Failed(_))
    }
}

/// Error of a call whose connection has no task.
#[cold]
pub(super) fn abandoned(name: &str) -> Error {
    let cause = "the task that drives its connection was dropped, because the runtime on which the worker was \
                 spawned was shut down, or because the task panicked";
    let remedy = "spawn the worker on a runtime that outlives its calls";
    Error::new(ErrorKind::Closed, format!("could not call `{name}`: {cause}; {remedy}"))
}

#[cold]
fn refused(name: &str, cause: &str) -> Error {
    Error::new(ErrorKind::Closed, format!("could not call `{name}`: {cause}")).with_executed(Executed::No)
}
