use bytes::BytesMut;

use super::{HandshakeFailure, Hello, Identity, Line, Terms};

/// Handshake of a host.
#[derive(Debug)]
pub struct HostHandshake<'a> {
    own: Hello<'a>,
    input: Line,
    terms: Terms,
}

impl<'a> HostHandshake<'a> {
    /// Creates the handshake. `token` is the secret that every later host of this worker must send.
    /// `startup_bytes` is the length of the startup data, or `None` if the worker gets none.
    pub fn new(identity: Identity<'a>, token: &'a str, startup_bytes: Option<usize>) -> Self {
        let terms = Terms::from(&identity);
        let mut own = Hello::new(identity);
        (own.token, own.startup) = (token.into(), startup_bytes);
        Self { own, input: Line::new(), terms }
    }

    /// Line to send first. The startup data follows it.
    pub fn hello(&self) -> Vec<u8> {
        self.own.to_line()
    }

    /// Buffer for the bytes received from the worker. Append to it.
    pub fn input(&mut self) -> &mut BytesMut {
        &mut self.input.buffer
    }

    /// Processes the input. Returns the bytes after the worker's line, or `Ok(None)` if more bytes
    /// are needed.
    ///
    /// # Errors
    /// `Refused` if the sides do not match or the peer does not speak this protocol. `Declined` if
    /// the worker declines to start.
    pub fn handle_input(&mut self) -> Result<Option<BytesMut>, HandshakeFailure> {
        let Some(line) = self.input.take()? else { return Ok(None) };
        let theirs = Hello::parse(&line)?;
        self.own.check(&theirs, "host", "worker")?;
        Hello::check_services(&self.own, &theirs, ["host", "worker"])?;
        Hello::check_host_services(&self.own, &theirs)?;
        match theirs.declined {
            Some(reason) => Err(HandshakeFailure::Declined(reason.into_owned())),
            None => {
                self.terms = theirs.terms(&self.terms, theirs.services()?);
                Ok(Some(std::mem::take(&mut self.input.buffer)))
            }
        }
    }

    /// Terms of the connection, once the handshake is complete.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }
}
