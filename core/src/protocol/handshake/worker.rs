use bytes::BytesMut;

use super::{Hello, Identity, Line, Terms, tokens_match};
use crate::{Error, ErrorKind};

/// Maximum space in bytes reserved for startup data before a read, so that a large announced length
/// allocates little.
const READ_BYTES: usize = 64 << 10;

/// Handshake of a worker.
#[derive(Debug)]
pub struct WorkerHandshake<'a, 't> {
    /// `None` after a greeting was returned.
    own: Option<Hello<'a>>,
    token: &'t mut Option<String>,
    max_startup_bytes: usize,
    terms: Terms,
    input: Line,
    /// The host's process id and the total length of its startup data, which is still arriving.
    awaited: Option<(u32, usize)>,
}

impl<'a, 't> WorkerHandshake<'a, 't> {
    /// Creates the handshake. The token of the first host is stored in `token`, and every later
    /// host must send the same token. A host that announces more than `max_startup_bytes` of
    /// startup data is refused.
    pub fn new(identity: Identity<'a>, token: &'t mut Option<String>, max_startup_bytes: usize) -> Self {
        let terms = Terms::from(&identity);
        let own = Some(Hello::new(identity));
        Self { own, token, max_startup_bytes, terms, input: Line::new(), awaited: None }
    }

    /// Buffer for the bytes received from the host. Append to it.
    pub fn input(&mut self) -> &mut BytesMut {
        if let Some((_, startup_bytes)) = self.awaited {
            let missing = startup_bytes.saturating_sub(self.input.buffer.len());
            self.input.buffer.reserve(missing.min(READ_BYTES));
        }
        &mut self.input.buffer
    }

    /// Processes the input. Returns the greeting of a matching host, or `Ok(None)` if more bytes
    /// are needed.
    ///
    /// # Errors
    /// The host does not match, sent the wrong token, or announced startup data that this worker
    /// does not accept. Send [`Rejection::answer`] before you close the connection.
    pub fn handle_input(&mut self) -> Result<Option<Greeting<'a>>, Rejection> {
        if self.awaited.is_none() {
            let Some(line) = self.input.take()? else { return Ok(None) };
            let Some((host_pid, startup_bytes)) = self.accept_line(&line)? else { return Ok(None) };
            match startup_bytes {
                Some(bytes) => self.awaited = Some((host_pid, bytes)),
                None => return Ok(self.greeting(host_pid, None)),
            }
        }
        match self.awaited {
            Some((host_pid, bytes)) if bytes <= self.input.buffer.len() => {
                let startup = self.input.buffer.split_to(bytes);
                Ok(self.greeting(host_pid, Some(startup)))
            }
            _ => Ok(None),
        }
    }

    /// Checks the host's line. Returns its process id and the length of its startup data.
    fn accept_line(&mut self, line: &[u8]) -> Result<Option<(u32, Option<usize>)>, Rejection> {
        let theirs = Hello::parse(line)?;
        let Some(own) = &mut self.own else { return Ok(None) };
        let is_first = self.token.is_none();
        match self.token {
            // A peer without the token learns nothing about this worker.
            Some(token) if !tokens_match(token, &theirs.token) => return Err(unknown_token().into()),
            Some(_) => {}
            None => *self.token = Some(theirs.token.clone().into_owned()),
        }
        let matches = own.check(&theirs, "worker", "host");
        let matches = matches.and_then(|()| Hello::check_services(&theirs, own, ["worker", "host"]));
        let matches = matches.and_then(|()| Hello::check_host_services(&theirs, own));
        match matches.and_then(|()| theirs.host_services()) {
            Ok(services) => self.terms = theirs.terms(&self.terms, services),
            Err(error) => return Err(Rejection { answer: Some(own.refuse(&theirs)), error }),
        }
        let error = match theirs.startup {
            Some(_) if !is_first => already_started(),
            Some(bytes) if bytes > self.max_startup_bytes => too_large(bytes, self.max_startup_bytes),
            startup => return Ok(Some((theirs.pid, startup))),
        };
        Err(Rejection { answer: Some(declined(own, &error)), error })
    }

    fn greeting(&mut self, host_pid: u32, startup: Option<BytesMut>) -> Option<Greeting<'a>> {
        let rest = std::mem::take(&mut self.input.buffer);
        Some(Greeting { own: self.own.take()?, host_pid, terms: self.terms.clone(), startup, rest })
    }
}

/// Refusal of a host by a worker.
#[derive(Debug)]
pub struct Rejection {
    /// Line to send to the host. `None` if the host gets no answer.
    pub answer: Option<Vec<u8>>,
    /// Reason for the refusal, as an error of the worker.
    pub error: Error,
}

impl From<Error> for Rejection {
    fn from(error: Error) -> Self {
        Self { answer: None, error }
    }
}

/// Hello of a matching host. Answer it when the worker is ready or has failed to start.
#[derive(Debug)]
pub struct Greeting<'a> {
    own: Hello<'a>,
    host_pid: u32,
    terms: Terms,
    startup: Option<BytesMut>,
    rest: BytesMut,
}

impl Greeting<'_> {
    /// Process id of the host.
    pub fn host_pid(&self) -> u32 {
        self.host_pid
    }

    /// Terms of the connection.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Startup data from the host. `None` if the host sent none.
    pub fn startup(&self) -> Option<&[u8]> {
        self.startup.as_deref()
    }

    /// Accepts the host. Returns the line to send, and the bytes that arrived after the greeting.
    pub fn accept(self) -> (Vec<u8>, BytesMut) {
        (self.own.to_line(), self.rest)
    }

    /// Declines to start because of `error`. Returns the line to send.
    pub fn decline(mut self, error: &Error) -> Vec<u8> {
        declined(&mut self.own, error)
    }
}

fn declined(own: &mut Hello<'_>, error: &Error) -> Vec<u8> {
    own.declined = Some(format!("{error:#}").into());
    own.to_line()
}

fn unknown_token() -> Error {
    let text = "could not accept a connection: the peer does not know the token of this worker; use the token of its first host";
    Error::new(ErrorKind::Handshake, text)
}

fn too_large(bytes: usize, max: usize) -> Error {
    let cause = format!("`Limits::frame` of this worker allows {max} bytes");
    let remedy = "send less, or raise `serve(..).limits(..)` and the limits of the host";
    let text = format!("could not accept {bytes} bytes of startup data: {cause}; {remedy}");
    Error::new(ErrorKind::Startup, text)
}

fn already_started() -> Error {
    let text = "could not accept startup data: this worker has already started; send it only from the host that starts the worker";
    Error::new(ErrorKind::Startup, text)
}
