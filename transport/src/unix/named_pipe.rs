use std::fs::File;
use std::future::poll_fn;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::pin::pin;
use std::task::Poll;

use tokio::io::Interest;
use tokio::net::unix::pipe::{Receiver, Sender};

use super::stream::pipe::{PipeReader, PipeWriter};
use super::stream::pipe_channel::{PipeChannel, worker_channel};
use super::sys::channel_ends::{self, descriptor_id, has_id};
use super::sys::fifo::{self, Direction};
use super::sys::private_dir::{self, PrivateDir};
use super::sys::sigpipe::SigpipeGuard;
use crate::{Bound, Channel, Inheritance, Transport};

/// Two named pipes (FIFOs) in a private directory, one for each direction.
///
/// The host opens both ends of the pipe that the worker reads, removes its file, and hands the
/// worker its end as standard input. The worker opens the other pipe by its name. Its directory is
/// 0700, in the system's directory for temporary files, so only the user can enter it. The first
/// side to see that both have it open removes file and directory. Opening never waits for the other
/// side. If the other side is gone, this side gets an error or the end of the stream.
///
/// A file remains only if the host is killed before the worker has attached, and the worker never
/// attaches.
///
/// Each pipe has the system's default buffer: 64 KiB on Linux.
#[derive(Clone, Copy, Debug, Default)]
pub struct NamedPipe;

/// Byte that the worker sends when it has opened its pipe, so that the host removes the file. The
/// host consumes the byte before the first frame.
const OPENED: [u8; 1] = *b"o";

impl Transport for NamedPipe {
    const NAME: &'static str = "named-pipe";
    type Reader = PipeReader;
    type Writer = PipeWriter;
    type Bound = NamedPipeBound;

    fn bind(&self) -> io::Result<NamedPipeBound> {
        let to_worker = PrivateDir::create("to-worker")?;
        fifo::make(to_worker.file())?;
        // Opening for reading never waits, and opening for writing does not once there is a reader.
        let stdin = fifo::open(to_worker.file(), Direction::Read)?;
        let writer = fifo::open(to_worker.file(), Direction::Write)?;
        drop(to_worker);

        let to_host = PrivateDir::create("to-host")?;
        fifo::make(to_host.file())?;
        let reader = fifo::open(to_host.file(), Direction::Read)?;
        let placeholder = fifo::open(to_host.file(), Direction::Write)?;
        let address = format!("{}:{}", descriptor_id(&stdin)?, private_dir::utf8(to_host.file())?);
        Ok(NamedPipeBound {
            stdin: Some(stdin.into()),
            address,
            reader: reader.into(),
            writer: writer.into(),
            _placeholder: placeholder,
            to_host,
        })
    }

    fn is_inherited(&self, address: &str) -> bool {
        channel_ends::are_captured(address)
    }

    async fn attach(&self, address: &str) -> io::Result<PipeChannel> {
        let (_, path) = address.split_once(':').ok_or(io::ErrorKind::InvalidInput)?;
        let path = Path::new(path);
        let reader = channel_ends::take(address)?.stdin;
        // Fails at once if the host is gone and reads no more.
        let opened = fifo::open(path, Direction::Write).and_then(|file| fifo::check_owner(path, file));
        // Both sides have it open, or the host is gone.
        private_dir::remove_with_dir(path);
        let mut writer = opened?;
        // The pipe is empty, so one write takes the byte.
        if let Poll::Ready(Err(error)) = SigpipeGuard::new(&writer).run(|| Poll::Ready(writer.write(&OPENED)))
        {
            return Err(fifo::failed("write to", path, error));
        }
        worker_channel(reader, writer.into())
    }
}

/// Returns `true` if the standard input is the pipe at `address`.
pub(super) fn is_standard_input(address: &str) -> bool {
    address.split_once(':').is_some_and(|(id, _)| has_id(rustix::stdio::stdin(), id))
}

/// The host's end, before the worker has opened its pipe.
#[derive(Debug)]
pub struct NamedPipeBound {
    /// The worker takes it. No other process reads from it, so the pipe breaks when the worker is
    /// gone.
    stdin: Option<OwnedFd>,
    address: String,
    reader: OwnedFd,
    writer: OwnedFd,
    /// Keeps the pipe from ending before the worker has opened it.
    _placeholder: File,
    to_host: PrivateDir,
}

impl Bound for NamedPipeBound {
    type Reader = PipeReader;
    type Writer = PipeWriter;

    fn inheritance(&mut self) -> Inheritance {
        let inheritance = Inheritance::new(self.address.clone());
        match self.stdin.take() {
            Some(stdin) => inheritance.stdin(stdin),
            None => inheritance,
        }
    }

    async fn establish(self) -> io::Result<PipeChannel> {
        let Self { stdin, reader, writer, _placeholder: placeholder, to_host, .. } = self;
        drop(stdin);
        let reader = Receiver::from_owned_fd(reader)?;
        let writer = Sender::from_owned_fd(writer)?;
        opened(&reader, &writer).await?;
        drop(placeholder);
        drop(to_host);
        Ok(Channel::new(PipeReader::new(reader), PipeWriter::new(writer)))
    }
}

/// Waits until the worker reports that it has opened its pipe. Fails if the worker ends first: the
/// pipe that it reads then breaks.
async fn opened(reader: &Receiver, writer: &Sender) -> io::Result<()> {
    let mut report = pin!(read_report(reader));
    let mut broken = pin!(writer.ready(Interest::ERROR));
    poll_fn(|context| match report.as_mut().poll(context) {
        Poll::Ready(report) => Poll::Ready(report),
        Poll::Pending => broken.as_mut().poll(context).map(|_| Err(ended_early())),
    })
    .await
}

async fn read_report(reader: &Receiver) -> io::Result<()> {
    loop {
        reader.readable().await?;
        let mut byte = [0];
        match reader.try_read(&mut byte) {
            Ok(1) if byte == OPENED => return Ok(()),
            Ok(1) => {
                let text = "could not connect to the worker: another process has opened its pipe";
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            Ok(_) => return Err(ended_early()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

fn ended_early() -> io::Error {
    let text = "could not connect to the worker: it ended before it opened its pipe";
    io::Error::new(io::ErrorKind::UnexpectedEof, text)
}
