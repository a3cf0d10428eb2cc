//! Transport of a worker that kills its own process after a number of bytes in one direction.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use isolated_workers::transport::{Channel, Transport, TryRead, UnixSocket};
use rustix::process::{Signal, getpid, kill_process};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

#[derive(Clone, Copy)]
pub(crate) struct Cut {
    /// Number of bytes that are read before the kill.
    pub(crate) read_bytes: usize,
    /// Number of bytes that are written before the kill.
    pub(crate) written_bytes: usize,
}

/// A stream that kills its process when `bytes_left` reaches zero.
pub(crate) struct CutStream<S> {
    stream: S,
    bytes_left: usize,
}

type Reader = CutStream<<UnixSocket as Transport>::Reader>;
type Writer = CutStream<<UnixSocket as Transport>::Writer>;

impl Transport for Cut {
    const NAME: &'static str = UnixSocket::NAME;
    type Reader = Reader;
    type Writer = Writer;
    type Bound = NoHost;

    fn bind(&self) -> io::Result<NoHost> {
        unreachable!("only a worker uses this transport")
    }

    fn is_inherited(&self, address: &str) -> bool {
        UnixSocket.is_inherited(address)
    }

    async fn attach(&self, address: &str) -> io::Result<Channel<Reader, Writer>> {
        let Channel { reader, writer, .. } = UnixSocket.attach(address).await?;
        let reader = CutStream { stream: reader, bytes_left: self.read_bytes };
        Ok(Channel::new(reader, CutStream { stream: writer, bytes_left: self.written_bytes }))
    }
}

/// Host end of this transport. It cannot be created, because only the worker uses the transport.
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

impl<S> CutStream<S> {
    fn count(&mut self, bytes: usize) {
        self.bytes_left -= bytes;
        if self.bytes_left == 0 {
            kill_process(getpid(), Signal::KILL).unwrap();
            loop {
                std::hint::spin_loop();
            }
        }
    }
}

impl<S: AsyncRead + Unpin> TryRead for CutStream<S> {}

impl<S: AsyncRead + Unpin> AsyncRead for CutStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let limit = self.bytes_left.min(into.remaining());
        let mut bytes = vec![0; limit];
        let mut part = ReadBuf::new(&mut bytes);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut part))?;
        into.put_slice(part.filled());
        self.count(part.filled().len());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for CutStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let limit = self.bytes_left.min(bytes.len());
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &bytes[..limit]))?;
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
