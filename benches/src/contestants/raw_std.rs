use std::hint::black_box;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};

use bytes::Bytes;

use super::blocking::{Blocking, Exchange};
use crate::flavor::Flavor;
use crate::service::Record;

/// The lower bound: a length and the bytes, blocking, one call at a time.
pub type RawStd = Blocking<PlainExchange>;

pub struct PlainExchange;

impl Exchange for PlainExchange {
    const CHILD: &str = "raw-std";

    fn new(_: &UnixStream) -> Self {
        Self
    }

    fn echo(&mut self, stream: &mut UnixStream, data: Bytes) -> Bytes {
        put(stream, &data).expect("the child reads");
        take(stream).expect("the child answers").into()
    }
}

/// The lower bound for a record of ten fields, encoded with postcard.
pub type RawStdRecords = Blocking<RecordExchange>;

pub struct RecordExchange;

impl Exchange for RecordExchange {
    const CHILD: &str = "raw-std-records";

    fn new(_: &UnixStream) -> Self {
        Self
    }

    /// Sends a record instead of the data.
    fn echo(&mut self, stream: &mut UnixStream, data: Bytes) -> Bytes {
        put_record(stream, &Record::example()).expect("the child reads");
        black_box(take_record(stream).expect("the child answers"));
        data
    }
}

/// Starts this program as a child with one end of a pair of sockets as its standard input. Returns
/// the other end and the child.
pub fn spawn(child: &str, flavor: Flavor) -> (UnixStream, Child) {
    let (own, childs) = UnixStream::pair().expect("a pair of sockets");
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(program);
    command.args([child, flavor.name()]).stdin(OwnedFd::from(childs));
    (own, command.spawn().expect("a child"))
}

/// Returns the standard input of a child as a socket.
pub fn stream() -> UnixStream {
    let stdin = std::os::fd::AsFd::as_fd(&std::io::stdin()).try_clone_to_owned().expect("a standard input");
    stdin.into()
}

pub fn serve() {
    let mut stream = stream();
    while let Ok(data) = take(&mut stream) {
        if put(&mut stream, &data).is_err() {
            return;
        }
    }
}

pub fn serve_records() {
    let mut stream = stream();
    while let Ok(record) = take_record(&mut stream) {
        if put_record(&mut stream, &record).is_err() {
            return;
        }
    }
}

fn put_record(stream: &mut UnixStream, record: &Record) -> std::io::Result<()> {
    put(stream, &postcard::to_allocvec(record).expect("postcard encodes every record"))
}

fn take_record(stream: &mut UnixStream) -> std::io::Result<Record> {
    Ok(postcard::from_bytes(&take(stream)?).expect("a record"))
}

pub fn put(stream: &mut UnixStream, data: &[u8]) -> std::io::Result<()> {
    // One write for both if the payload is small.
    if data.len() <= 16 << 10 {
        return stream.write_all(&[&(data.len() as u32).to_be_bytes(), data].concat());
    }
    stream.write_all(&(data.len() as u32).to_be_bytes())?;
    stream.write_all(data)
}

pub fn take(stream: &mut UnixStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut data = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut data)?;
    Ok(data)
}
