use bytes::BytesMut;
use isolated_workers_core::Error;
use isolated_workers_core::protocol::handshake::{self, Identity, Rejection, Terms, WorkerHandshake};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{HandshakeError, read_more, send};

/// Hello of a matching host. Answer it once the worker is ready or has failed to start.
pub(crate) struct Greeting<'a>(handshake::Greeting<'a>);

impl<'a> Greeting<'a> {
    /// Receives the host's line and startup data, within the limits of `identity`. Stores the token
    /// of the first host in `token`. Every later host must send the same token. A host that does
    /// not match is answered before the error is returned. A host with the wrong token gets no
    /// answer.
    ///
    /// Not cancel-safe: if the future is dropped, drop the connection too.
    pub(crate) async fn hear(
        reader: &mut (impl AsyncRead + Unpin),
        writer: &mut (impl AsyncWrite + Unpin),
        identity: Identity<'a>,
        token: &mut Option<String>,
    ) -> Result<Self, HandshakeError> {
        let max_startup_bytes = identity.limits.frame;
        let mut handshake = WorkerHandshake::new(identity, token, max_startup_bytes);
        loop {
            match handshake.handle_input() {
                Ok(Some(greeting)) => return Ok(Self(greeting)),
                Ok(None) => read_more(reader, handshake.input()).await?,
                Err(Rejection { answer, error }) => {
                    if let Some(answer) = answer {
                        // Ignored: the handshake error is more useful than a write error.
                        let _ = send(writer, &answer, &[]).await;
                    }
                    return Err(error.into());
                }
            }
        }
    }

    /// Process id of the host.
    pub(crate) fn host(&self) -> u32 {
        self.0.host_pid()
    }

    /// Terms of the connection.
    pub(crate) fn terms(&self) -> Terms {
        self.0.terms().clone()
    }

    /// Startup data from the host. `None` if the host sent none.
    pub(crate) fn startup(&self) -> Option<&[u8]> {
        self.0.startup()
    }

    /// Answers that the worker is ready. Returns the bytes that arrived after the greeting.
    ///
    /// Not cancel-safe: if the future is dropped, drop the connection too.
    pub(crate) async fn accept(
        self,
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Result<BytesMut, HandshakeError> {
        let (answer, rest) = self.0.accept();
        send(writer, &answer, &[]).await?;
        Ok(rest)
    }

    /// Answers that the worker cannot start because of `error`. Returns `error` as a handshake
    /// error.
    pub(crate) async fn decline(
        self,
        writer: &mut (impl AsyncWrite + Unpin),
        error: Error,
    ) -> HandshakeError {
        // Ignored: a host that is gone needs no answer.
        let _ = send(writer, &self.0.decline(&error), &[]).await;
        error.into()
    }
}
