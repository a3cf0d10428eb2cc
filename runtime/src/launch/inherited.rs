use std::any::Any;
use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use isolated_workers_core::{Error, ErrorKind};
use isolated_workers_transport::{Channel, InMemory, Incoming, Transport, TryRead};
use tokio::io::AsyncWrite;

use super::scratch_dir::lock_scratch_dir;
use super::{HAS_BEGUN, HostInfo, Launch, THREAD_LAUNCH, process_host, system};
use crate::timeouts::elapsed;

/// Launch of the current worker, taken once.
pub(crate) struct Inherited {
    host: HostInfo,
    local: Option<Box<dyn Any + Send>>,
    is_process: bool,
}

impl Inherited {
    /// # Errors
    /// `Startup` if no host started this process or thread as a worker.
    pub(crate) fn take() -> Result<Self, Error> {
        let (host, local, is_process) = match THREAD_LAUNCH.take() {
            Some(Launch { variable: (variable, value), inheritance, .. }) => {
                let host = system::host_info(variable, &value).or_else(|| HostInfo::parse(&value).map(Ok));
                (host, inheritance.local, false)
            }
            None => {
                HAS_BEGUN.store(true, Ordering::Release);
                (process_host(), None, true)
            }
        };
        let host = host.unwrap_or_else(|| {
            let remedy = "start it by a host, with `Worker::builder(Program::new(…)).spawn()`";
            let text = format!("this program is a worker and was not started by a host; {remedy}");
            Err(Error::new(ErrorKind::Startup, text))
        })?;
        if is_process {
            lock_scratch_dir();
        }
        Ok(Self { host, local, is_process })
    }

    /// Name of the transport that the host has chosen.
    pub(crate) fn transport(&self) -> &str {
        &self.host.transport
    }

    /// Returns `true` if the host starts with a handshake.
    pub(crate) fn has_handshake(&self) -> bool {
        self.host.node.as_ref().is_none_or(|node| node.handshake)
    }

    /// Compares the worker's codec with the codec that a host without a handshake names, if any.
    ///
    /// # Errors
    /// `Handshake` if they differ.
    pub(crate) fn check_codec(&self, own: &str) -> Result<(), Error> {
        let node = self.host.node.as_ref().filter(|node| !node.handshake);
        match node.and_then(|node| node.codec.as_deref()) {
            Some(theirs) if theirs != own => {
                let text = format!(
                    "could not connect host and worker: the codec of this worker is {own}, that of the host is \
                     {theirs}; pass the same one to `.codec(…)` on both"
                );
                Err(Error::new(ErrorKind::Handshake, text))
            }
            _ => Ok(()),
        }
    }

    /// Returns `true` if the worker is a process, not a thread of its host.
    pub(crate) fn is_process(&self) -> bool {
        self.is_process
    }

    /// Attaches over the built-in transport that the host has chosen.
    pub(crate) async fn attach(self) -> Result<AnyChannel, Error> {
        if self.transport() == InMemory::NAME {
            return self.attach_by(InMemory).await;
        }
        system::attach(self).await
    }

    /// Error for a transport that is not built in.
    pub(super) fn unknown_transport(&self) -> Error {
        let text = format!(
            "the host started this worker with the transport {}, which is not built in; pass it to \
             `.transport(…)` of `serve`",
            self.transport()
        );
        Error::new(ErrorKind::Handshake, text)
    }

    /// Attaches over `transport`, if the host has chosen it.
    pub(crate) async fn attach_by<T: Transport>(self, transport: T) -> Result<AnyChannel, Error> {
        if self.transport() != T::NAME {
            let text = format!(
                "could not connect host and worker: the host started this worker with the transport {}, and it \
                 serves on {}; pass the same one to `.transport(…)` on both",
                self.transport(),
                T::NAME
            );
            return Err(Error::new(ErrorKind::Handshake, text));
        }
        let HostInfo { address, node, .. } = self.host;
        let limit = node.map_or(Duration::ZERO, |node| node.connect_timeout);
        let attaching = async {
            match self.local {
                Some(end) => transport.adopt(end).await,
                None => transport.attach(&address).await,
            }
        };
        let attached = tokio::select! {
            attached = attaching => attached,
            () = elapsed(limit) => {
                Err(io::Error::new(io::ErrorKind::TimedOut, format!("the host did not connect within {limit:?}")))
            }
        };
        attached.map(erase).map_err(|error| {
            let text = format!("could not attach to the host by {} at {address}", T::NAME);
            Error::with_source(ErrorKind::Startup, text, error)
        })
    }
}

pub(crate) type AnyReader = Box<dyn TryRead + Send + Unpin>;
pub(crate) type AnyWriter = Box<dyn AsyncWrite + Send + Unpin>;
pub(crate) type AnyChannel = Channel<AnyReader, AnyWriter>;

/// Erases the types of a channel, so that a worker can use any transport that its host chooses.
/// This costs one virtual call for each system call.
fn erase<R, W>(channel: Channel<R, W>) -> AnyChannel
where
    R: TryRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let Channel { reader, writer, hangup, incoming, is_contested, cleanup, descriptors, .. } = channel;
    let mut any = Channel::new(Box::new(reader) as AnyReader, Box::new(writer) as AnyWriter);
    any.hangup = hangup;
    any.is_contested = is_contested;
    any.cleanup = cleanup;
    any.descriptors = descriptors;
    any.incoming =
        incoming.map(|mut incoming| Incoming::new(move |cx| incoming.poll_accept(cx).map_ok(erase)));
    any
}
