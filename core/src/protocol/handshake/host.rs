use bytes::BytesMut;

use super::{HandshakeFailure, Hello, Identity, Line};
use crate::Limits;

/// Handshake of a host.
#[derive(Debug)]
pub struct HostHandshake<'a> {
    own: Hello<'a>,
    input: Line,
    sending_limits: Limits,
}

impl<'a> HostHandshake<'a> {
    /// Creates the handshake. `token` is the secret that every later host of this worker must send.
    /// `startup_bytes` is the length of the startup data, or `None` if the worker gets none.
    pub fn new(identity: Identity<'a>, token: &'a str, startup_bytes: Option<usize>) -> Self {
        let sending_limits = identity.limits;
        let mut own = Hello::new(identity);
        (own.token, own.startup) = (token.into(), startup_bytes);
        Self { own, input: Line::new(), sending_limits }
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
        match theirs.declined {
            Some(reason) => Err(HandshakeFailure::Declined(reason.into_owned())),
            None => {
                self.sending_limits = theirs.sending_limits(self.sending_limits);
                Ok(Some(std::mem::take(&mut self.input.buffer)))
            }
        }
    }

    /// Limits of the frames to send, once the handshake is complete: the lower ones of both sides.
    pub fn sending_limits(&self) -> Limits {
        self.sending_limits
    }
}
