use std::any::Any;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use isolated_workers_transport::{Bound, Channel, Incoming, Inheritance, Reconnect, Transport, TryRead};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Wraps a transport so that each read and write carries at most one byte. Streams may always do
/// that, but rarely do in a test.
///
/// The bytes and the name are those of the inner transport, so it is enough to wrap one side.
///
/// ```no_run
/// use isolated_workers_runtime::testing::Dribble;
/// use isolated_workers_runtime::{Program, Worker};
/// use isolated_workers_transport::DefaultTransport;
///
/// # async fn example() -> Result<(), isolated_workers_core::Error> {
/// let slow = Worker::builder(Program::new("./worker")).transport(Dribble::new(DefaultTransport)).spawn().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Dribble<T>(T);

impl<T> Dribble<T> {
    /// Wraps a transport.
    pub fn new(transport: T) -> Self {
        Self(transport)
    }
}

impl<T: Transport> Transport for Dribble<T> {
    const NAME: &'static str = T::NAME;
    const HALF_CLOSE: bool = T::HALF_CLOSE;
    type Reader = OneByte<T::Reader>;
    type Writer = OneByte<T::Writer>;
    type Bound = Dribble<T::Bound>;

    fn bind(&self) -> io::Result<Self::Bound> {
        self.0.bind().map(Dribble)
    }

    fn is_inherited(&self, address: &str) -> bool {
        self.0.is_inherited(address)
    }

    async fn attach(&self, address: &str) -> io::Result<OneByteChannel<T::Reader, T::Writer>> {
        self.0.attach(address).await.map(one_byte_at_a_time)
    }

    async fn adopt(&self, end: Box<dyn Any + Send>) -> io::Result<OneByteChannel<T::Reader, T::Writer>> {
        self.0.adopt(end).await.map(one_byte_at_a_time)
    }
}

impl<T: Reconnect> Reconnect for Dribble<T> {
    async fn dial(&self, address: &str) -> io::Result<OneByteChannel<T::Reader, T::Writer>> {
        self.0.dial(address).await.map(one_byte_at_a_time)
    }
}

impl<B> Bound for Dribble<B>
where
    B: Bound<Reader: Send + 'static, Writer: Send + 'static>,
{
    type Reader = OneByte<B::Reader>;
    type Writer = OneByte<B::Writer>;

    fn inheritance(&mut self) -> Inheritance {
        self.0.inheritance()
    }

    async fn establish(self) -> io::Result<OneByteChannel<B::Reader, B::Writer>> {
        self.0.establish().await.map(one_byte_at_a_time)
    }
}

type OneByteChannel<R, W> = Channel<OneByte<R>, OneByte<W>>;

fn one_byte_at_a_time<R: 'static, W: 'static>(channel: Channel<R, W>) -> OneByteChannel<R, W> {
    let Channel { reader, writer, hangup, incoming, deferred_listener, cleanup, descriptors, .. } = channel;
    let mut slow = Channel::new(OneByte(reader), OneByte(writer));
    slow.hangup = hangup;
    slow.deferred_listener = deferred_listener;
    slow.cleanup = cleanup;
    slow.descriptors = descriptors;
    slow.incoming = incoming
        .map(|mut incoming| Incoming::new(move |cx| incoming.poll_accept(cx).map_ok(one_byte_at_a_time)));
    slow
}

/// Stream that carries one byte at a time: the reader or writer of a [`Dribble`].
#[derive(Debug)]
pub struct OneByte<S>(S);

impl<S: AsyncRead + Unpin> AsyncRead for OneByte<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut byte = [0];
        let mut one = ReadBuf::new(&mut byte);
        if into.remaining() > 0 {
            ready!(Pin::new(&mut self.0).poll_read(cx, &mut one))?;
            into.put_slice(one.filled());
        }
        Poll::Ready(Ok(()))
    }
}

/// Sleeps between bytes, so that they arrive apart.
impl<S: AsyncRead + Unpin> TryRead for OneByte<S> {}

impl<S: AsyncWrite + Unpin> AsyncWrite for OneByte<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, &bytes[..bytes.len().min(1)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
