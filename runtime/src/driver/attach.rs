use std::any::Any;
use std::fmt;
use std::io;

use isolated_workers_core::{Error, ExitReason};
use isolated_workers_transport::{Bound, Channel, DefaultTransport, Inheritance, Reconnect, Transport};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{Detach, Driver, Launch, NoPid, Running};

/// Address of a detached worker, including the token that the worker requires.
///
/// It can be stored in a file and read by another host. Any process of the same user that has it
/// can call the worker: protect it like a password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    pub(crate) place: String,
    pub(crate) token: String,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address").field("place", &self.place).finish_non_exhaustive()
    }
}

/// Driver that connects to a worker that another host has detached.
///
/// The worker then belongs to this host: it ends when it is closed or this host dies, unless it is
/// detached again.
#[derive(Clone, Debug)]
pub struct Attach<T = DefaultTransport> {
    transport: T,
    address: Address,
}

impl Attach {
    /// Attaches to the worker at `address` over the default transport.
    pub fn new(address: Address) -> Self {
        Self { transport: DefaultTransport, address }
    }
}

impl<T: Reconnect> Attach<T> {
    /// Attaches to the worker at `address` over `transport`.
    pub fn by(transport: T, address: Address) -> Self {
        Self { transport, address }
    }
}

impl<T: Reconnect> Driver for Attach<T> {
    type Transport = Dial<T>;
    type Running = Attached;

    fn subject(&self) -> String {
        format!("at {}", self.address.place)
    }

    fn transport(&self) -> Dial<T> {
        Dial { transport: self.transport.clone(), place: self.address.place.clone() }
    }

    fn token(&self) -> Option<&str> {
        Some(&self.address.token)
    }

    fn start(&self, _: Launch) -> Result<Attached, Error> {
        Ok(Attached(watch::Sender::new(false)))
    }
}

/// Handle of an attached worker. Its process is not a child of this one, so the end of its
/// connection is treated as its exit.
#[derive(Debug)]
pub struct Attached(watch::Sender<bool>);

impl Running for Attached {
    type Pid = NoPid;

    fn pid(&self) -> NoPid {
        NoPid
    }

    async fn wait(&mut self) -> ExitReason {
        // `self` owns the sender, so the wait cannot fail.
        let _ = self.0.subscribe().wait_for(|gone| *gone).await;
        ExitReason::ConnectionEnded
    }

    fn connection_over(&mut self) {
        self.0.send_replace(true);
    }

    /// Ends the wait. The process can be reached only through its connection.
    fn kill(&mut self) {
        self.0.send_replace(true);
    }
}

impl Detach for Attached {
    fn can_detach(&self) -> Result<(), Error> {
        Ok(())
    }

    fn detach(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn reclaim(&mut self) {}
}

/// Transport for a running worker: the host dials it.
#[derive(Clone, Debug)]
pub struct Dial<T> {
    transport: T,
    place: String,
}

impl<T: Reconnect> Transport for Dial<T> {
    const NAME: &'static str = T::NAME;
    const HALF_CLOSE: bool = T::HALF_CLOSE;
    type Reader = T::Reader;
    type Writer = T::Writer;
    type Bound = Self;

    fn bind(&self) -> io::Result<Self> {
        Ok(self.clone())
    }

    fn is_inherited(&self, _: &str) -> bool {
        false
    }

    async fn attach(&self, _: &str) -> io::Result<Channel<T::Reader, T::Writer>> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "only a host can use the transport `Dial`"))
    }

    async fn adopt(&self, _: Box<dyn Any + Send>) -> io::Result<Channel<T::Reader, T::Writer>> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "only a host can use the transport `Dial`"))
    }
}

impl<T: Reconnect> Bound for Dial<T> {
    type Reader = T::Reader;
    type Writer = T::Writer;

    fn inheritance(&mut self) -> Inheritance {
        Inheritance::new(self.place.clone())
    }

    async fn establish(self) -> io::Result<Channel<T::Reader, T::Writer>> {
        let channel = self.transport.dial(&self.place).await?;
        if let Some(cleanup) = &channel.cleanup {
            // The worker runs the cleanup when it ends. If this host ran it, a refused handshake
            // would make the worker unreachable.
            cleanup.disarm();
        }
        Ok(channel)
    }
}

impl<T: Reconnect> Reconnect for Dial<T> {
    async fn dial(&self, address: &str) -> io::Result<Channel<T::Reader, T::Writer>> {
        self.transport.dial(address).await
    }
}
