use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use bytes::Bytes;
use rustix::pipe::{IoSliceRaw, SpliceFlags, fcntl_setpipe_size, pipe, vmsplice};

use super::blocking::{Blocking, Exchange};
use super::{raw_std, scm_rights};

/// The pages of a body go through a pipe by `vmsplice`, and the receiver copies them once. The
/// length goes over the stream. Blocking, one call at a time.
pub type Spliced = Blocking<PageExchange>;

/// A pipe for each direction.
pub struct PageExchange {
    out: OwnedFd,
    back: File,
}

impl Exchange for PageExchange {
    const CHILD: &str = "spliced";

    fn new(stream: &UnixStream) -> Self {
        let [(childs_in, out), (back, childs_out)] = [(); 2].map(|()| pipe().expect("a pipe"));
        for end in [&out, &childs_out] {
            // The default limit for an unprivileged user.
            fcntl_setpipe_size(end, 1 << 20).expect("room");
        }
        scm_rights::send(stream, &childs_in);
        scm_rights::send(stream, &childs_out);
        Self { out, back: back.into() }
    }

    fn echo(&mut self, stream: &mut UnixStream, data: Bytes) -> Bytes {
        // The child has copied all pages before it answers.
        send(stream, &self.out, &data).expect("the child reads");
        receive(stream, &mut self.back).expect("the child answers").into()
    }
}

pub fn serve() {
    let mut stream = raw_std::stream();
    let [pages, out] = [(); 2].map(|()| scm_rights::receive(&stream).expect("a pipe"));
    let mut pages = File::from(pages);
    let mut last = Vec::new();
    while let Ok(data) = receive(&mut stream, &mut pages) {
        if send(&mut stream, &out, &data).is_err() {
            return;
        }
        // The host has copied the previous reply before it sends the next request.
        last = data;
    }
    drop(last);
}

fn send(stream: &mut UnixStream, pages: &OwnedFd, mut data: &[u8]) -> std::io::Result<()> {
    stream.write_all(&(data.len() as u32).to_be_bytes())?;
    while !data.is_empty() {
        // SAFETY: the callers keep the data until the other side has copied it.
        let sent = unsafe { vmsplice(pages, &[IoSliceRaw::from_slice(data)], SpliceFlags::empty())? };
        data = &data[sent..];
    }
    Ok(())
}

fn receive(stream: &mut UnixStream, pages: &mut File) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length).into();
    let mut data = Vec::with_capacity(length as usize);
    pages.take(length).read_to_end(&mut data)?;
    Ok(data)
}
