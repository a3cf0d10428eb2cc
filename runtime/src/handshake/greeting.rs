use bytes::BytesMut;
use isolated_workers_codec::Codec;
use isolated_workers_core::protocol::handshake::{self, Rejection, WorkerHandshake};
use isolated_workers_core::{Error, Schema};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{HandshakeError, identity, read_more, send};

/// Greeting of a matching host, to be answered as soon as the worker is ready or has failed to
/// start.
pub(crate) struct Greeting<'a>(handshake::Greeting<'a>);

impl<'a> Greeting<'a> {
    /// Receives the host's line and at most `max_startup_bytes` of startup data. Stores the token
    /// of the first host in `token`; a later host must send the same one. A host that does not
    /// match gets an answer before this fails.
    ///
    /// Not cancel-safe: drop the connection if you drop the future.
    pub(crate) async fn hear<C: Codec>(
        reader: &mut (impl AsyncRead + Unpin),
        writer: &mut (impl AsyncWrite + Unpin),
        transport: &'a str,
        service: Schema,
        token: &mut Option<String>,
        max_startup_bytes: usize,
    ) -> Result<Self, HandshakeError> {
        let identity = identity::<C>(transport, Some(service));
        let mut handshake = WorkerHandshake::new(identity, token, max_startup_bytes);
        loop {
            match handshake.handle_input() {
                Ok(Some(greeting)) => return Ok(Self(greeting)),
                Ok(None) => read_more(reader, handshake.input()).await?,
                Err(Rejection { answer, error }) => {
                    if let Some(answer) = answer {
                        // The error says more than a host that is gone.
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

    /// Startup data of the host.
    pub(crate) fn startup(&self) -> Option<&[u8]> {
        self.0.startup()
    }

    /// Answers that the worker is ready. Returns the bytes that arrived behind the greeting.
    pub(crate) async fn accept(
        self,
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Result<BytesMut, HandshakeError> {
        let (answer, rest) = self.0.accept();
        send(writer, &answer, &[]).await?;
        Ok(rest)
    }

    /// Answers that the worker does not start because of `error`. Returns it as a handshake error.
    pub(crate) async fn decline(
        self,
        writer: &mut (impl AsyncWrite + Unpin),
        error: Error,
    ) -> HandshakeError {
        // A host that is gone needs no reason.
        let _ = send(writer, &self.0.decline(&error), &[]).await;
        error.into()
    }
}
