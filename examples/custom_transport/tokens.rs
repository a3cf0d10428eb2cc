//! What each side shows first, so that the other knows it is no stranger. The worker inherits both by a pipe.

use std::io::{self, PipeReader, Read, Write};

use isolated_workers::protocol::{RandomIds, TxIdGenerator};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// The length of a token, which is a UUID, in bytes.
pub(crate) const LENGTH: usize = 36;

pub(crate) struct Tokens {
    pub(crate) of_worker: String,
    pub(crate) of_host: String,
}

impl Tokens {
    pub(crate) fn random() -> Self {
        let [of_worker, of_host] = [(); 2].map(|()| RandomIds.next_id().to_string());
        Self { of_worker, of_host }
    }

    /// For the worker, as its standard input.
    pub(crate) fn pipe(&self) -> io::Result<PipeReader> {
        let (pipe, mut told) = io::pipe()?;
        write!(told, "{}{}", self.of_worker, self.of_host)?;
        Ok(pipe)
    }

    /// On the worker. A process that it starts finds none.
    pub(crate) fn inherited() -> io::Result<Self> {
        let mut both = String::new();
        io::stdin().take(2 * LENGTH as u64).read_to_string(&mut both)?;
        let (of_worker, of_host) = both.split_at_checked(LENGTH).ok_or(io::ErrorKind::PermissionDenied)?;
        Ok(Self { of_worker: of_worker.to_owned(), of_host: of_host.to_owned() })
    }
}

/// Takes the token of the other side.
pub(crate) async fn check(stream: &mut TcpStream, token: &str) -> io::Result<()> {
    let mut shown = [0; LENGTH];
    stream.read_exact(&mut shown).await?;
    if shown != token.as_bytes() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the other side has another token"));
    }
    Ok(())
}
