use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use bytes::Bytes;
use memmap2::Mmap;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};

use super::blocking::{Blocking, Exchange};
use super::raw_std;
use super::scm_rights::{receive, send};

/// Shared memory that is sealed before it is sent, so that neither process can change it. Each body
/// has its own. The reply reuses the memory of the request, which is the best case. Blocking, one
/// call at a time.
pub type Sealed = Blocking<SealedExchange>;

pub struct SealedExchange;

impl Exchange for SealedExchange {
    const CHILD: &str = "sealed";

    fn new(_: &UnixStream) -> Self {
        Self
    }

    fn echo(&mut self, stream: &mut UnixStream, data: Bytes) -> Bytes {
        send(stream, &fill(&data));
        map(receive(stream).expect("the child answers"))
    }
}

pub fn serve() {
    let stream = raw_std::stream();
    while let Some(memory) = receive(&stream) {
        let memory = File::from(memory);
        let copy = memory.try_clone().expect("a descriptor");
        std::hint::black_box(map(copy.into()));
        send(&stream, &memory.into());
    }
}

const SEALS: SealFlags =
    SealFlags::WRITE.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::SEAL);

fn fill(data: &[u8]) -> OwnedFd {
    let memory = memfd_create("body", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).expect("memory");
    let mut file = File::from(memory);
    file.write_all(data).expect("room");
    fcntl_add_seals(&file, SEALS).expect("seals");
    file.into()
}

fn map(memory: OwnedFd) -> Bytes {
    let seals = fcntl_get_seals(&memory).expect("memory");
    assert!(seals.contains(SEALS), "the other side could change it");
    // SAFETY: the seals keep every process from writing to the memory and from shrinking it.
    let mapped = unsafe { Mmap::map(&File::from(memory)) }.expect("a mapping");
    mapped.advise(memmap2::Advice::PopulateRead).expect("pages");
    Bytes::from_owner(mapped)
}
