use std::fs::{File, OpenOptions};
use std::future::poll_fn;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::pin::pin;
use std::task::Poll;

use rustix::fs::OFlags;
use rustix::io::Errno;
use tempfile::TempDir;
use tokio::io::Interest;
use tokio::net::unix::pipe::{Receiver, Sender};

use super::inherited::{identity, is_stdin, take_stdin};
use super::pipe::{self, PipeChannel, PipeWriter};
use super::{fifo, folder};
use crate::error::because;
use crate::{Bound, Channel, Inheritance, Transport};

/// Two pipes that are made by name, one for each direction, in a folder of their own.
///
/// The host opens both ends of the pipe that the worker reads from, removes its file, and hands the worker its end as
/// standard input. The other pipe is opened by the worker, by its name, in a folder that only the user can enter (0700,
/// in the system's folder for temporary files). Whoever sees first that both have it removes file and folder. No open
/// waits for the other side, and either can be gone by then: the other gets an error or the end of the stream.
///
/// A file is left behind only if the host is killed before the worker has attached, and the worker never does.
///
/// Each pipe buffers what the system gives it: 64 KiB on Linux.
#[derive(Clone, Copy, Debug, Default)]
pub struct NamedPipe;

/// What the worker says when it has opened its pipe: that the files have done their duty. No frame begins with it, for
/// it is taken out before the first.
const OPENED: [u8; 1] = *b"o";

impl Transport for NamedPipe {
    const NAME: &'static str = "named-pipe";
    type Reader = Receiver;
    type Writer = PipeWriter;
    type Bound = NamedPipeBound;

    fn bind(&self) -> io::Result<NamedPipeBound> {
        let folder = folder::private()?;
        let to_worker = folder.path().join("to-worker");
        fifo::make(&to_worker).map_err(|error| failed("make", &to_worker, error))?;
        // A reader never waits, and a writer does not once there is a reader.
        let stdin = open(&to_worker, Direction::Read)?;
        let writer = open(&to_worker, Direction::Write)?;
        std::fs::remove_file(&to_worker).map_err(|error| failed("remove", &to_worker, error))?;

        let to_host = folder.path().join("to-host");
        fifo::make(&to_host).map_err(|error| failed("make", &to_host, error))?;
        let reader = open(&to_host, Direction::Read)?;
        let workers = open(&to_host, Direction::Write)?;
        let address = format!("{}:{}", identity(&stdin)?, folder::text(&to_host)?);
        Ok(NamedPipeBound {
            stdin: Some(stdin.into()),
            address,
            reader: reader.into(),
            writer: writer.into(),
            _workers: workers,
            folder,
        })
    }

    fn is_inherited(&self, address: &str) -> bool {
        address.split_once(':').is_some_and(|(stdin, _)| is_stdin(stdin))
    }

    async fn attach(&self, address: &str) -> io::Result<PipeChannel> {
        let (stdin, path) = address.split_once(':').ok_or(io::ErrorKind::InvalidInput)?;
        let path = Path::new(path);
        let reader = take_stdin(stdin)?;
        // Fails, and does not wait, where the host is gone and reads no more.
        let opened = open(path, Direction::Write).and_then(|file| trusted(path, file));
        // Both have it open, or the host is gone.
        remove(path);
        let mut writer = opened?;
        writer.write_all(&OPENED).map_err(|error| failed("write to", path, error))?;
        pipe::watched(reader, writer.into())
    }
}

/// The host's end, before the worker has opened its pipe.
#[derive(Debug)]
pub struct NamedPipeBound {
    /// Taken by the worker. When the worker is gone, the pipe breaks, because nobody else reads from it.
    stdin: Option<OwnedFd>,
    address: String,
    reader: OwnedFd,
    writer: OwnedFd,
    /// Stands in for the worker until it has opened the pipe, which would seem to have ended otherwise.
    _workers: File,
    folder: TempDir,
}

impl Bound for NamedPipeBound {
    type Reader = Receiver;
    type Writer = PipeWriter;

    fn inheritance(&mut self) -> Inheritance {
        let inheritance = Inheritance::new(self.address.clone());
        match self.stdin.take() {
            Some(stdin) => inheritance.stdin(stdin),
            None => inheritance,
        }
    }

    async fn establish(self) -> io::Result<PipeChannel> {
        let Self { stdin, reader, writer, _workers: workers, folder, .. } = self;
        drop(stdin);
        let reader = Receiver::from_owned_fd(reader)?;
        let writer = Sender::from_owned_fd(writer)?;
        opened(&reader, &writer).await?;
        drop(workers);
        drop(folder);
        Ok(Channel::new(reader, PipeWriter::new(writer)))
    }
}

/// QueueStats until the worker says so, or is gone: then the pipe that it reads from breaks.
async fn opened(reader: &Receiver, writer: &Sender) -> io::Result<()> {
    let mut said = pin!(hear(reader));
    let mut gone = pin!(writer.ready(Interest::ERROR));
    poll_fn(|context| match said.as_mut().poll(context) {
        Poll::Ready(said) => Poll::Ready(said),
        Poll::Pending => gone.as_mut().poll(context).map(|_| Err(gone_early())),
    })
    .await
}

async fn hear(reader: &Receiver) -> io::Result<()> {
    loop {
        reader.readable().await?;
        let mut said = [0];
        match reader.try_read(&mut said) {
            Ok(1) if said == OPENED => return Ok(()),
            Ok(1) => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "somebody else opened the worker's pipe",
                ));
            }
            Ok(_) => return Err(gone_early()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

fn gone_early() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the worker ended before it opened its pipe")
}

#[derive(Clone, Copy)]
enum Direction {
    Read,
    Write,
}

/// Opens an end of the pipe at `path` without waiting for the other.
fn open(path: &Path, direction: Direction) -> io::Result<File> {
    let (read, write) = (matches!(direction, Direction::Read), matches!(direction, Direction::Write));
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
    let file = OpenOptions::new().read(read).write(write).custom_flags(flags).open(path);
    file.map_err(|error| {
        if nobody_reads(&error) {
            let why = format!("nobody reads from {} any more: the host has ended", path.display());
            return io::Error::new(io::ErrorKind::NotConnected, why);
        }
        failed("open", path, error)
    })
}

/// Passes a pipe of this user's, or of root's.
fn trusted(path: &Path, file: File) -> io::Result<File> {
    let found = file.metadata()?;
    let own = rustix::process::geteuid().as_raw();
    if found.file_type().is_fifo() && (found.uid() == own || found.uid() == 0) {
        return Ok(file);
    }
    let why = format!("{} is no pipe of user {own}, as whom this process runs", path.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

fn nobody_reads(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::NXIO.raw_os_error())
}

/// Removes the pipe and its folder, in which nothing else is. The host may have been first.
fn remove(path: &Path) {
    let _ = std::fs::remove_file(path);
    if let Some(folder) = path.parent() {
        let _ = std::fs::remove_dir(folder);
    }
}

fn failed(what: &str, path: &Path, error: io::Error) -> io::Error {
    because(&format!("could not {what} the pipe {}", path.display()), error)
}
