//! The worker's end of a socket that kills its process after so many bytes in one direction.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use isolated_workers::{Transport, UnixSocket, transport::Channel};
use rustix::process::{Signal, getpid, kill_process};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

#[derive(Clone, Copy)]
pub(crate) struct Cut {
    /// How many bytes are read before the end.
    pub(crate) reads: usize,
    /// How many are written.
    pub(crate) writes: usize,
}

pub(crate) struct Until<S> {
    stream: S,
    left: usize,
}

type Reader = Until<<UnixSocket as Transport>::Reader>;
type Writer = Until<<UnixSocket as Transport>::Writer>;

impl Transport for Cut {
    const NAME: &'static str = UnixSocket::NAME;
    type Reader = Reader;
    type Writer = Writer;
    type Bound = NoHost;

    fn bind(&self) -> io::Result<NoHost> {
        unreachable!("only the worker has it")
    }

    fn is_inherited(&self, address: &str) -> bool {
        UnixSocket.is_inherited(address)
    }

    async fn attach(&self, address: &str) -> io::Result<Channel<Reader, Writer>> {
        let Channel { reader, writer, .. } = UnixSocket.attach(address).await?;
        let reader = Until { stream: reader, left: self.reads };
        Ok(Channel::new(reader, Until { stream: writer, left: self.writes }))
    }
}

/// There is none.
pub(crate) enum NoHost {}

impl isolated_workers::transport::Bound for NoHost {
    type Reader = Reader;
    type Writer = Writer;

    fn inheritance(&mut self) -> isolated_workers::transport::Inheritance {
        match *self {}
    }

    async fn establish(self) -> io::Result<Channel<Reader, Writer>> {
        match self {}
    }
}

impl<S> Until<S> {
    fn count(&mut self, bytes: usize) {
        self.left -= bytes;
        if self.left == 0 {
            kill_process(getpid(), Signal::KILL).unwrap();
            loop {
                std::hint::spin_loop();
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Until<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let most = self.left.min(into.remaining());
        let mut bytes = vec![0; most];
        let mut part = ReadBuf::new(&mut bytes);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut part))?;
        into.put_slice(part.filled());
        self.count(part.filled().len());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Until<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let most = self.left.min(bytes.len());
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &bytes[..most]))?;
        self.count(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
