use std::marker::PhantomData;
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::sync::Mutex;

use bytes::Bytes;

use super::{Contestant, raw_std};
use crate::flavor::Flavor;

/// A child at the other end of a socket, and one call at a time, which blocks.
pub struct Blocking<E> {
    stream: Mutex<UnixStream>,
    child: Child,
    exchange: PhantomData<fn() -> E>,
}

/// How bytes go to the child and come back.
pub trait Exchange {
    const CHILD: &str;

    fn echo(stream: &mut UnixStream, data: Bytes) -> Bytes;
}

impl<E: Exchange> Blocking<E> {
    pub const CHILD: &str = E::CHILD;
}

impl<E: Exchange> Contestant for Blocking<E> {
    async fn start(_: Flavor) -> Self {
        let (own, childs) = UnixStream::pair().expect("a pair of sockets");
        let child = raw_std::spawn(Self::CHILD, Flavor::CurrentThread, childs.into());
        Self { stream: Mutex::new(own), child, exchange: PhantomData }
    }

    async fn echo(&self, data: Bytes) -> Bytes {
        E::echo(&mut self.stream.lock().expect("no panic"), data)
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    async fn stop(self) {
        let Self { stream, mut child, .. } = self;
        drop(stream);
        child.wait().expect("it ends with its stream");
    }
}
