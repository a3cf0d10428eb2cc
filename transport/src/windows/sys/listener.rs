//! Pipe through which a running worker is reached again.

use std::io;
use std::time::Duration;

use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeServer};
use tokio::time::sleep;
use windows_sys::Win32::Foundation::ERROR_PIPE_BUSY;

use super::{acl, pipe_pair, win32};
use crate::error::with_context;
use crate::windows::stream::{PipeChannel, PipeEnd, worker_channel};
use crate::{Channel, Incoming, NamedPipeReader, NamedPipeWriter};

/// Time between two attempts to get handles or memory, or to connect to a worker that has not yet
/// accepted an earlier connection. The system sends no notification for either.
const RETRY_INTERVAL: Duration = Duration::from_millis(10);

/// The worker's pipe, with one instance that waits for the next connection.
pub(in crate::windows) struct Listener {
    path: String,
    next: NamedPipeServer,
}

impl Listener {
    pub(in crate::windows) fn new(name: &str) -> io::Result<Self> {
        let path = pipe_pair::path(name);
        let next = acl::create(pipe_pair::options().first_pipe_instance(true), &path).map_err(|error| {
            with_context(&format!("could not make the pipe {path} for later connections"), error)
        })?;
        Ok(Self { path, next })
    }

    pub(in crate::windows) fn incoming(self) -> Incoming<NamedPipeReader, NamedPipeWriter> {
        let mut accepting = Box::pin(self.accept());
        Incoming::new(move |context| {
            accepting.as_mut().poll(context).map(|accepted| {
                let (channel, listener) = accepted?;
                accepting = Box::pin(listener.accept());
                Ok(channel)
            })
        })
    }

    async fn accept(mut self) -> io::Result<(PipeChannel, Self)> {
        loop {
            self.next.connect().await?;
            // The next instance exists before this connection is answered. A host that was answered
            // finds the pipe again, and no other process can ever take its name.
            let next = self.create_next().await;
            let server = std::mem::replace(&mut self.next, next);
            // Skips a client that is gone already.
            if let Ok(client) = win32::client(&server) {
                let (reader, writer) = PipeEnd::Server(server).split();
                return Ok((worker_channel(reader, writer, client), self));
            }
        }
    }

    /// Creates another instance. Retries until the handles and the memory that it takes are free.
    async fn create_next(&self) -> NamedPipeServer {
        loop {
            match acl::create(&pipe_pair::options(), &self.path) {
                Ok(server) => return server,
                Err(_) => sleep(RETRY_INTERVAL).await,
            }
        }
    }
}

/// Connects to the worker that listens at this name. Called on the host.
pub(in crate::windows) async fn dial(name: &str) -> io::Result<PipeChannel> {
    let path = pipe_pair::path(name);
    let failed = |cause: &str, error| {
        with_context(&format!("could not connect to the worker at {path}: {cause}"), error)
    };
    let client = loop {
        match ClientOptions::new().open(&path) {
            Ok(client) => break client,
            Err(error) if error.raw_os_error() == Some(ERROR_PIPE_BUSY.cast_signed()) => {
                sleep(RETRY_INTERVAL).await;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(failed("the worker has ended", error));
            }
            Err(error) => return Err(failed("the system refused", error)),
        }
    };
    acl::check_owner(&client).map_err(|error| failed("it is not trusted", error))?;
    let (reader, writer) = PipeEnd::Client(client).split();
    Ok(Channel::new(reader, writer))
}
