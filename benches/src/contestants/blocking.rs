use std::os::unix::net::UnixStream;
use std::process::Child;
use std::sync::Mutex;

use bytes::Bytes;

use super::raw_std;
use crate::contestant::Contestant;
use crate::flavor::Flavor;

/// A child at the other end of a socket. Makes one call at a time, which blocks.
pub struct Blocking<E> {
    ends: Mutex<(UnixStream, E)>,
    child: Child,
}

/// A way to send bytes to the child and to receive them back.
pub trait Exchange: Send {
    const CHILD: &str;

    /// Sets up the resources that it needs besides the stream.
    fn new(stream: &UnixStream) -> Self;

    fn echo(&mut self, stream: &mut UnixStream, data: Bytes) -> Bytes;
}

impl<E: Exchange> Blocking<E> {
    pub const CHILD: &str = E::CHILD;
}

impl<E: Exchange> Contestant for Blocking<E> {
    async fn start(_: Flavor) -> Self {
        let (own, child) = raw_std::spawn(Self::CHILD, Flavor::CurrentThread);
        let exchange = E::new(&own);
        Self { ends: Mutex::new((own, exchange)), child }
    }

    async fn echo(&self, data: Bytes) -> Bytes {
        let (stream, exchange) = &mut *self.ends.lock().expect("no panic");
        exchange.echo(stream, data)
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    async fn stop(self) {
        let Self { ends, mut child } = self;
        drop(ends);
        child.wait().expect("it ends with its stream");
    }
}
