//! Transport whose host does not see what the worker sends from a given text on, until the test
//! lets it.

use std::any::Any;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use isolated_workers::transport::{Bound, Channel, Inheritance, Reconnect, Transport, TryRead};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

/// Wraps the transport of a host.
#[derive(Clone)]
pub(crate) struct Held<T> {
    transport: T,
    hold: Hold,
}

/// Control of a held transport.
#[derive(Clone)]
pub(crate) struct Hold(Arc<Shared>);

struct Shared {
    /// Text from which on nothing is delivered.
    at: &'static str,
    is_reached: watch::Sender<bool>,
    is_released: watch::Sender<bool>,
    /// Everything that the host has written.
    written: watch::Sender<String>,
}

impl<T> Held<T> {
    pub(crate) fn new(transport: T, at: &'static str) -> (Self, Hold) {
        let hold = Hold(Arc::new(Shared {
            at,
            is_reached: watch::Sender::new(false),
            is_released: watch::Sender::new(false),
            written: watch::Sender::new(String::new()),
        }));
        (Self { transport, hold: hold.clone() }, hold)
    }
}

impl Hold {
    /// Waits until the worker has sent the text.
    pub(crate) async fn reached(&self) {
        self.0.is_reached.subscribe().wait_for(|is_reached| *is_reached).await.unwrap();
    }

    /// Waits until the host has written `text`.
    pub(crate) async fn wrote(&self, text: &str) {
        self.0.written.subscribe().wait_for(|written| written.contains(text)).await.unwrap();
    }

    /// Delivers everything from now on.
    pub(crate) fn release(&self) {
        self.0.is_released.send_replace(true);
    }

    fn channel<R: 'static, W: 'static>(&self, channel: Channel<R, W>) -> HeldChannel<R, W> {
        let Channel { reader, writer, hangup, deferred_listener, cleanup, .. } = channel;
        let mut is_released = self.0.is_released.subscribe();
        let released = async move { drop(is_released.wait_for(|is_released| *is_released).await) };
        let reader =
            HeldReader { reader, hold: self.clone(), released: Some(Box::pin(released)), held: vec![] };
        let mut held = Channel::new(reader, HeldWriter { writer, hold: self.clone() });
        (held.hangup, held.deferred_listener, held.cleanup) = (hangup, deferred_listener, cleanup);
        held
    }
}

pub(crate) type HeldChannel<R, W> = Channel<HeldReader<R>, HeldWriter<W>>;

impl<T: Transport> Transport for Held<T> {
    const NAME: &'static str = T::NAME;
    const HALF_CLOSE: bool = T::HALF_CLOSE;
    type Reader = HeldReader<T::Reader>;
    type Writer = HeldWriter<T::Writer>;
    type Bound = HeldBound<T::Bound>;

    fn bind(&self) -> io::Result<Self::Bound> {
        Ok(HeldBound(self.transport.bind()?, self.hold.clone()))
    }

    fn is_inherited(&self, address: &str) -> bool {
        self.transport.is_inherited(address)
    }

    async fn attach(&self, _: &str) -> io::Result<HeldChannel<T::Reader, T::Writer>> {
        unreachable!("a worker does not use this transport")
    }

    async fn adopt(&self, _: Box<dyn Any + Send>) -> io::Result<HeldChannel<T::Reader, T::Writer>> {
        unreachable!("a worker does not use this transport")
    }
}

impl<T: Reconnect> Reconnect for Held<T> {
    async fn dial(&self, address: &str) -> io::Result<HeldChannel<T::Reader, T::Writer>> {
        Ok(self.hold.channel(self.transport.dial(address).await?))
    }
}

pub(crate) struct HeldBound<B>(B, Hold);

impl<B: Bound<Reader: Send + 'static, Writer: Send + 'static>> Bound for HeldBound<B> {
    type Reader = HeldReader<B::Reader>;
    type Writer = HeldWriter<B::Writer>;

    fn inheritance(&mut self) -> Inheritance {
        self.0.inheritance()
    }

    async fn establish(self) -> io::Result<HeldChannel<B::Reader, B::Writer>> {
        Ok(self.1.channel(self.0.establish().await?))
    }
}

pub(crate) struct HeldReader<R> {
    reader: R,
    hold: Hold,
    /// `None` after it has completed.
    released: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    held: Vec<u8>,
}

impl<R: AsyncRead + Unpin> AsyncRead for HeldReader<R> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.held.is_empty() {
            let mut read = vec![0; into.remaining()];
            let mut buffer = ReadBuf::new(&mut read);
            ready!(Pin::new(&mut this.reader).poll_read(cx, &mut buffer))?;
            let read = buffer.filled();
            if this.released.is_none() || !String::from_utf8_lossy(read).contains(this.hold.0.at) {
                into.put_slice(read);
                return Poll::Ready(Ok(()));
            }
            this.held.extend_from_slice(read);
            this.hold.0.is_reached.send_replace(true);
        }
        if let Some(released) = &mut this.released {
            ready!(released.as_mut().poll(cx));
            this.released = None;
        }
        let size = this.held.len().min(into.remaining());
        into.put_slice(&this.held[..size]);
        this.held.drain(..size);
        Poll::Ready(Ok(()))
    }
}

impl<R: AsyncRead + Unpin> TryRead for HeldReader<R> {}

pub(crate) struct HeldWriter<W> {
    writer: W,
    hold: Hold,
}

impl<W: AsyncWrite + Unpin> AsyncWrite for HeldWriter<W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.writer).poll_write(cx, bytes))?;
        let text = String::from_utf8_lossy(&bytes[..written]);
        self.hold.0.written.send_modify(|all| all.push_str(&text));
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_shutdown(cx)
    }
}
