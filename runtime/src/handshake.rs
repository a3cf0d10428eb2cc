//! I/O of the handshake: runs [`protocol::handshake`](isolated_workers_core::protocol::handshake)
//! over a stream.

mod greeting;

use bytes::{Bytes, BytesMut};
use isolated_workers_codec::Codec;
use isolated_workers_core::protocol::Admission;
use isolated_workers_core::protocol::handshake::{
    Features, HandshakeFailure, HostHandshake, Identity, Terms,
};
use isolated_workers_core::{Error, ErrorKind, Limits, Schema, Services};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

pub(crate) use self::greeting::Greeting;

/// Failure of a handshake over a stream.
pub(crate) enum HandshakeError {
    /// The stream ended or broke. The exit status of the process describes the cause better.
    Gone(std::io::Error),
    /// The sides do not match, or the peer uses another protocol.
    Refused(Error),
    /// The sides match, but the worker declined to start. Holds its reason.
    Declined(String),
}

impl From<std::io::Error> for HandshakeError {
    fn from(error: std::io::Error) -> Self {
        Self::Gone(error)
    }
}

impl From<Error> for HandshakeError {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<HandshakeFailure> for HandshakeError {
    fn from(failure: HandshakeFailure) -> Self {
        match failure {
            HandshakeFailure::Refused(error) => Self::Refused(error),
            HandshakeFailure::Declined(reason) => Self::Declined(reason),
            failure => Self::Declined(failure.to_string()),
        }
    }
}

/// Identity of a host that requires `services`, and offers `host_services` to its worker.
/// `descriptors`: `true` if it takes descriptors.
pub(crate) fn host<C: Codec>(
    transport: &str,
    services: Services,
    limits: Limits,
    host_services: Services,
    descriptors: bool,
) -> Identity<'_> {
    let features = Features::of_host(!host_services.is_empty()).descriptors(descriptors);
    Identity { features, ..identity::<C>(transport, services, limits, Admission::HOST, host_services) }
}

/// Identity of a worker that serves `services`, and requires `host_services` of its host.
pub(crate) fn worker<C: Codec>(
    transport: &str,
    services: Services,
    limits: Limits,
    host_services: Services,
    features: Features,
) -> Identity<'_> {
    let identity =
        Identity { features, ..identity::<C>(transport, services, limits, Admission::WORKER, host_services) };
    #[cfg(all(feature = "sandbox", target_os = "linux"))]
    let identity = Identity { sandbox: crate::sandbox::announcement(), ..identity };
    identity
}

fn identity<C: Codec>(
    transport: &str,
    services: Services,
    limits: Limits,
    admission: Admission,
    host_services: Services,
) -> Identity<'_> {
    let (pid, features) = (std::process::id(), Features::default());
    Identity {
        codec: C::ID,
        transport,
        services,
        pid,
        limits,
        admission,
        features,
        host_services,
        sandbox: None,
    }
}

/// Services that one side requires of the other, in the order in which they were set. `of`: the
/// other side.
///
/// # Errors
/// `Config` if they cannot be served together.
pub(crate) fn required(schemas: &[Schema], of: &str) -> Result<Services, Error> {
    let mut distinct: Vec<Schema> = Vec::with_capacity(schemas.len());
    for schema in schemas {
        if !distinct.contains(schema) {
            distinct.push(schema.clone());
        }
    }
    Services::new(distinct).map_err(|cause| {
        let text =
            format!("could not require the services of the {of}: {cause}; require each once, by its name");
        Error::new(ErrorKind::Config, text)
    })
}

/// Performs the host's side of the handshake and sends the startup data. Returns the bytes that
/// follow the worker's line, and the terms of the connection.
///
/// Not cancel-safe: if the future is dropped, drop the connection too.
pub(crate) async fn greet(
    reader: &mut (impl AsyncRead + Unpin),
    writer: &mut (impl AsyncWrite + Unpin),
    identity: Identity<'_>,
    token: &str,
    startup: Option<&Bytes>,
) -> Result<(BytesMut, Terms), HandshakeError> {
    let mut handshake = HostHandshake::new(identity, token, startup.map(Bytes::len));
    let sent = send(writer, &handshake.hello(), startup.map_or(&[], |data| data)).await;
    match (sent, receive(reader, &mut handshake).await) {
        // A worker that refuses the startup data sends its reason and closes the stream, which may
        // break the write.
        (Err(error), Err(HandshakeError::Gone(_))) => Err(error.into()),
        (_, received) => Ok((received?, handshake.terms().clone())),
    }
}

async fn send(writer: &mut (impl AsyncWrite + Unpin), line: &[u8], startup: &[u8]) -> std::io::Result<()> {
    writer.write_all(line).await?;
    writer.write_all(startup).await?;
    writer.flush().await
}

async fn receive(
    reader: &mut (impl AsyncRead + Unpin),
    handshake: &mut HostHandshake<'_>,
) -> Result<BytesMut, HandshakeError> {
    loop {
        if let Some(rest) = handshake.handle_input()? {
            return Ok(rest);
        }
        read_more(reader, handshake.input()).await?;
    }
}

/// Reads at least one byte. Returns an error at the end of the stream.
async fn read_more(reader: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> std::io::Result<()> {
    match reader.read_buf(buffer).await? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}
