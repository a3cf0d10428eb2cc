use bytes::BytesMut;
use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, ErrorKind, Schema};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::{HandshakeError, Hello, check, hear, parse, say, stranger};

/// How much room is made for startup data before each read.
const READ: usize = 64 << 10;

/// The worker's part: what a host that fits has said, to be answered when the worker is ready or cannot be.
pub(crate) struct Greeting<'a> {
    own: Hello<'a>,
    host: u32,
    startup: Option<BytesMut>,
    rest: BytesMut,
}

impl<'a> Greeting<'a> {
    /// QueueStats for the host's line and its startup data of at most `most` bytes. The first host's token is put into
    /// `token`, that of a further one must be the same. A host that does not fit is answered before this fails.
    ///
    /// Not cancel-safe: a connection whose handshake was given up is of no use.
    pub(crate) async fn hear<C: Codec>(
        reader: &mut (impl AsyncRead + Unpin),
        writer: &mut (impl AsyncWrite + Unpin),
        transport: &'a str,
        service: Schema,
        token: &mut Option<String>,
        most: usize,
    ) -> Result<Self, HandshakeError> {
        let own = Hello::own::<C>(transport, Some(service));
        let (line, mut rest) = hear(reader).await?;
        let theirs = parse(&line)?;
        let is_first = token.is_none();
        match token {
            // Not a word is said to one who does not know it.
            Some(token) if *token != theirs.token => return Err(stranger().into()),
            Some(_) => {}
            None => *token = Some(theirs.token.clone().into_owned()),
        }
        if let Err(error) = check(&own, &theirs, "worker", "host") {
            // The host hears what this side is all the same, so that it can name the difference, too.
            say(writer, &own, &[]).await?;
            return Err(error.into());
        }
        let startup = match theirs.startup {
            Some(len) if !is_first || len > most => {
                let error = if is_first { too_large(len, most) } else { too_late() };
                return Err(Self { own, host: theirs.pid, startup: None, rest }.decline(writer, error).await);
            }
            Some(len) => {
                while rest.len() < len {
                    rest.reserve((len - rest.len()).min(READ));
                    if reader.read_buf(&mut rest).await? == 0 {
                        return Err(HandshakeError::Gone(std::io::ErrorKind::UnexpectedEof.into()));
                    }
                }
                Some(rest.split_to(len))
            }
            None => None,
        };
        Ok(Self { own, host: theirs.pid, startup, rest })
    }

    /// The id of the host's process.
    pub(crate) fn host(&self) -> u32 {
        self.host
    }

    pub(crate) fn startup(&self) -> Option<&[u8]> {
        self.startup.as_deref()
    }

    /// Tells the host that the worker is ready. Returns the bytes that came behind what the host had to say.
    pub(crate) async fn accept(
        self,
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Result<BytesMut, HandshakeError> {
        say(writer, &self.own, &[]).await?;
        Ok(self.rest)
    }

    /// Tells the host why the worker does not start. Returns the failure that this is.
    pub(crate) async fn decline(
        mut self,
        writer: &mut (impl AsyncWrite + Unpin),
        error: Error,
    ) -> HandshakeError {
        self.own.declined = Some(format!("{error:#}").into());
        // A host that is gone by now needs no reason.
        let _ = say(writer, &self.own, &[]).await;
        error.into()
    }
}

fn too_large(len: usize, most: usize) -> Error {
    let what = "make it smaller, or raise `serve(..).limits(..)` as well as the host's";
    let text = format!(
        "the host sends {len} bytes of startup data, more than the {most} of this worker's `Limits::frame`; {what}"
    );
    Error::new(ErrorKind::Startup, text)
}

fn too_late() -> Error {
    let text =
        "a host sent startup data to a worker that has started before; only the one that starts it may";
    Error::new(ErrorKind::Startup, text)
}
