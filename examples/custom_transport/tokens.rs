//! Tokens by which host and worker authenticate to each other. The worker inherits both through a
//! pipe.

use std::io::{self, PipeReader, Read, Write};

use isolated_workers::protocol::{RandomIds, TxIdGenerator};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// Length of a token, which is a UUID in text form.
pub(crate) const TOKEN_BYTES: usize = 36;

pub(crate) struct Tokens {
    pub(crate) worker: String,
    pub(crate) host: String,
}

impl Tokens {
    pub(crate) fn random() -> Self {
        let [worker, host] = [(); 2].map(|()| RandomIds.next_id().to_string());
        Self { worker, host }
    }

    /// Creates a pipe that holds the tokens, to be the worker's standard input.
    pub(crate) fn pipe(&self) -> io::Result<PipeReader> {
        let (reader, mut writer) = io::pipe()?;
        write!(writer, "{}{}", self.worker, self.host)?;
        Ok(reader)
    }

    /// Reads the tokens on the worker. Fails in a process that the worker started.
    pub(crate) fn inherited() -> io::Result<Self> {
        let mut both = String::new();
        io::stdin().take(2 * TOKEN_BYTES as u64).read_to_string(&mut both)?;
        let (worker, host) = both.split_at_checked(TOKEN_BYTES).ok_or(io::ErrorKind::PermissionDenied)?;
        Ok(Self { worker: worker.to_owned(), host: host.to_owned() })
    }
}

/// Receives the peer's token. Fails if it is not `token`.
pub(crate) async fn check(stream: &mut TcpStream, token: &str) -> io::Result<()> {
    let mut received = [0; TOKEN_BYTES];
    stream.read_exact(&mut received).await?;
    if received != token.as_bytes() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the peer sent a wrong token"));
    }
    Ok(())
}
