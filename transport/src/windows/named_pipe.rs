use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::OwnedHandle;

use tokio::net::windows::named_pipe::{NamedPipeServer, ServerOptions};
use uuid::Uuid;
use windows_sys::Win32::Storage::FileSystem::{FILE_FLAG_OVERLAPPED, SECURITY_IDENTIFICATION};

use super::stream::{End, NamedPipeReader, NamedPipeWriter};
use super::system::{self, Process};
use crate::{Bound, Channel, Inheritance, Transport};

/// A named pipe of Windows; the worker inherits its end as standard input.
///
/// The host makes the pipe and opens the worker's end itself before the worker is started, so there is nothing to wait
/// for. The name is random, the host is the first to make it, and the pipe has one instance, which takes one client and
/// none from another machine: once the host has opened it, nobody else can. That it was the host is checked.
///
/// A direction cannot be closed alone, and an end that is dropped is closed when its runtime runs next. Each direction
/// buffers 64 KiB.
#[derive(Clone, Copy, Debug, Default)]
pub struct NamedPipe;

/// In bytes, each direction.
const BUFFER: u32 = 64 << 10;

impl Transport for NamedPipe {
    const NAME: &'static str = "named-pipe";
    type Reader = NamedPipeReader;
    type Writer = NamedPipeWriter;
    type Bound = NamedPipeBound;

    fn bind(&self) -> io::Result<NamedPipeBound> {
        let name = format!(r"\\.\pipe\isolated-workers-{}", Uuid::new_v4().simple());
        let failed = |what: &str, error: io::Error| {
            io::Error::new(error.kind(), format!("could not {what} the pipe {name}: {error}"))
        };
        let server = ServerOptions::new()
            .first_pipe_instance(true)
            .reject_remote_clients(true)
            .max_instances(1)
            .in_buffer_size(BUFFER)
            .out_buffer_size(BUFFER)
            .create(&name)
            .map_err(|error| failed("make", error))?;
        // Not with tokio: the end may belong to one runtime only, and that is the worker's.
        let workers = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(FILE_FLAG_OVERLAPPED)
            .security_qos_flags(SECURITY_IDENTIFICATION)
            .open(&name)
            .map_err(|error| failed("open", error))?;
        let client = system::client(&server).map_err(|error| failed("see who has opened", error))?;
        if client != std::process::id() {
            let why = format!("process {client} was first");
            return Err(failed("open", io::Error::new(io::ErrorKind::PermissionDenied, why)));
        }
        Ok(NamedPipeBound { server, workers: Some(workers) })
    }

    fn is_inherited(&self, address: &str) -> bool {
        system::server_of_stdin().is_ok_and(|host| host.to_string() == address)
    }

    async fn attach(&self, address: &str) -> io::Result<Channel<NamedPipeReader, NamedPipeWriter>> {
        let inherited = system::server_of_stdin().ok().filter(|host| host.to_string() == address);
        let Some(host) = inherited else {
            let why =
                "the standard input of this process is not that of its host; leave it alone until `serve`";
            return Err(io::Error::new(io::ErrorKind::NotConnected, why));
        };
        let host = Process::open(host);
        let (reader, writer) = End::Client(system::take_stdin()?).split();
        Ok(match host {
            Ok(host) => Channel::with_hangup(reader, writer, move || host.wait()),
            // It has ended, and so has the stream; or it runs as somebody whose processes cannot be watched.
            Err(_) => Channel::new(reader, writer),
        })
    }
}

/// The host's end: connected from the start. The address is the host's process id.
#[derive(Debug)]
pub struct NamedPipeBound {
    server: NamedPipeServer,
    /// Taken by the worker. When the worker is gone, the stream ends, because nobody else has it.
    workers: Option<File>,
}

impl Bound for NamedPipeBound {
    type Reader = NamedPipeReader;
    type Writer = NamedPipeWriter;

    fn inheritance(&mut self) -> Inheritance {
        let inheritance = Inheritance::new(std::process::id().to_string());
        match self.workers.take() {
            Some(workers) => inheritance.stdin(OwnedHandle::from(workers)),
            None => inheritance,
        }
    }

    async fn establish(self) -> io::Result<Channel<NamedPipeReader, NamedPipeWriter>> {
        // The client is there already; this tells tokio.
        self.server.connect().await?;
        let (reader, writer) = End::Server(self.server).split();
        Ok(Channel::new(reader, writer))
    }
}
