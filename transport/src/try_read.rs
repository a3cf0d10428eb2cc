use std::io;
use std::pin::Pin;

use tokio::io::{AsyncRead, ReadBuf};

/// The half of a stream that frames are read from.
///
/// Beside [`AsyncRead`], a half may be read before the runtime reports that bytes have arrived. A
/// connection does that for some microseconds before its thread sleeps, because a thread that
/// sleeps takes longer to wake than many peers take to answer.
///
/// A half that cannot do that needs no method:
///
/// ```
/// # use std::io;
/// # use std::pin::Pin;
/// # use std::task::{Context, Poll};
/// # use tokio::io::{AsyncRead, ReadBuf};
/// use isolated_workers_transport::TryRead;
///
/// struct MyReader(tokio::net::tcp::OwnedReadHalf);
/// # impl AsyncRead for MyReader {
/// #     fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
/// #         Pin::new(&mut self.0).poll_read(cx, buf)
/// #     }
/// # }
///
/// impl TryRead for MyReader {}
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the reader of a transport",
    note = "implement `TryRead` for your type: `impl TryRead for MyReader {{}}`"
)]
pub trait TryRead: AsyncRead {
    /// Reads what has arrived. Does not wait, and registers no waker: whoever wants to be woken
    /// polls [`poll_read`](AsyncRead::poll_read) afterwards. Nothing is added to `buf` at the end
    /// of the stream.
    ///
    /// # Errors
    /// `WouldBlock` if nothing has arrived. `Unsupported`, the default, if this half can be read
    /// only when the runtime reports bytes. All other errors end the stream.
    fn try_read(self: Pin<&mut Self>, buf: &mut ReadBuf<'_>) -> io::Result<()> {
        let _ = buf;
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl<R: TryRead + Unpin + ?Sized> TryRead for Box<R> {
    fn try_read(mut self: Pin<&mut Self>, buf: &mut ReadBuf<'_>) -> io::Result<()> {
        Pin::new(&mut **self).try_read(buf)
    }
}

impl TryRead for tokio::io::DuplexStream {}
impl TryRead for tokio::io::Empty {}
impl<S: AsyncRead> TryRead for tokio::io::ReadHalf<S> {}
impl TryRead for tokio::net::TcpStream {}
impl TryRead for tokio::net::tcp::OwnedReadHalf {}
#[cfg(unix)]
impl TryRead for tokio::net::UnixStream {}
#[cfg(unix)]
impl TryRead for tokio::net::unix::OwnedReadHalf {}
#[cfg(unix)]
impl TryRead for tokio::net::unix::pipe::Receiver {}
/// Bytes in memory, for tests.
impl TryRead for &[u8] {}
