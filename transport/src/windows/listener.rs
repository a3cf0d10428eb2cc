//! The pipe on which a worker that has its host already is reached again.

use std::io;
use std::time::Duration;

use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeServer};
use tokio::time::sleep;
use windows_sys::Win32::Foundation::ERROR_PIPE_BUSY;

use super::stream::{End, PipeChannel, watched};
use super::{owner, pipe, system};
use crate::error::because;
use crate::{Channel, Incoming, NamedPipeReader, NamedPipeWriter};

/// How long to wait for handles or memory, or for a worker to take the connection before. The system tells nobody when
/// either is there.
const BACK_OFF: Duration = Duration::from_millis(10);

/// On the worker: the pipe of this name, with one instance that waits for the next connection.
pub(super) struct Listener {
    path: String,
    next: NamedPipeServer,
}

impl Listener {
    pub(super) fn new(name: &str) -> io::Result<Self> {
        let path = pipe::path(name);
        let next = owner::create(pipe::options().first_pipe_instance(true), &path).map_err(|error| {
            because(&format!("could not make the pipe {path}, on which the worker is reached again"), error)
        })?;
        Ok(Self { path, next })
    }

    pub(super) fn incoming(self) -> Incoming<NamedPipeReader, NamedPipeWriter> {
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
            // There before the connection is answered: a host that was answered finds the pipe again, and nobody can
            // ever take its name.
            let next = self.further().await;
            let server = std::mem::replace(&mut self.next, next);
            // A client that is gone already is nobody.
            if let Ok(client) = system::client(&server) {
                let (reader, writer) = End::Server(server).split();
                return Ok((watched(reader, writer, client), self));
            }
        }
    }

    /// Another instance. What it takes will be there again.
    async fn further(&self) -> NamedPipeServer {
        loop {
            match owner::create(&pipe::options(), &self.path) {
                Ok(server) => return server,
                Err(_) => sleep(BACK_OFF).await,
            }
        }
    }
}

/// On the host: reaches the worker that listens by this name.
pub(super) async fn dial(name: &str) -> io::Result<PipeChannel> {
    let path = pipe::path(name);
    let failed =
        |why: &str, error| because(&format!("could not connect to the worker at {path}: {why}"), error);
    let client = loop {
        match ClientOptions::new().open(&path) {
            Ok(client) => break client,
            Err(error) if error.raw_os_error() == Some(ERROR_PIPE_BUSY.cast_signed()) => {
                sleep(BACK_OFF).await;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(failed("the worker has ended", error));
            }
            Err(error) => return Err(failed("the system refused", error)),
        }
    };
    owner::check(&client).map_err(|error| failed("it is not to be trusted", error))?;
    let (reader, writer) = End::Client(client).split();
    Ok(Channel::new(reader, writer))
}
