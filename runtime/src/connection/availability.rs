use isolated_workers_core::{Error, ErrorKind, Executed};

/// State of the peer, as far as calls are concerned.
#[derive(Debug)]
pub(crate) enum Availability {
    Connected,
    /// Disconnected on purpose, to be reconnected.
    Disconnected,
    /// The worker is being restarted. Calls wait for it.
    Starting,
    /// The worker finishes the calls in flight.
    Draining,
    /// The worker was closed or has exited.
    Closed,
    /// The worker will not come back because of this error.
    Failed(Error),
}

impl Availability {
    /// Refuses a call of the message `name` if the peer takes none.
    pub(super) fn check(&self, name: &str) -> Result<(), Error> {
        match self {
            // The state machine of a closed connection refuses calls itself.
            Self::Connected | Self::Starting | Self::Closed => Ok(()),
            Self::Disconnected => Err(refused(name, "the worker is disconnected; call `reconnect` first")),
            Self::Draining => Err(refused(
                name,
                "the worker is being drained and takes no more calls; start another worker",
            )),
            Self::Failed(error) => Err(error.clone()),
        }
    }
}

#[cold]
fn refused(name: &str, cause: &str) -> Error {
    Error::new(ErrorKind::Closed, format!("could not call `{name}`: {cause}")).with_executed(Executed::No)
}
