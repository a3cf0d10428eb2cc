//! What host and worker say to each other before the first frame: one line of JSON each way, whatever the codec.

mod greeting;

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, ErrorKind, Schema};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

pub(crate) use self::greeting::Greeting;

/// The version of the protocol. It changes only where two versions cannot understand each other.
const PROTOCOL: u32 = 1;

/// The longest line in bytes.
const LINE: usize = 64 << 10;

/// What each side says of itself. Keys that the other does not know are passed over.
#[derive(Serialize, Deserialize)]
struct Hello<'a> {
    #[serde(rename = "isolated-workers")]
    protocol: u32,
    #[serde(borrow)]
    codec: Cow<'a, str>,
    #[serde(borrow)]
    transport: Cow<'a, str>,
    /// `None` on a host that takes any service.
    #[serde(default)]
    service: Option<Schema>,
    pid: u32,
    #[serde(borrow)]
    build: Cow<'a, str>,
    /// What the host that started the worker has made up, and every further one must know. Empty from a worker.
    #[serde(borrow, default)]
    token: Cow<'a, str>,
    /// How many bytes of startup data follow this line of a host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    startup: Option<usize>,
    /// Why the worker that fits does not start all the same.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    declined: Option<Cow<'a, str>>,
}

impl<'a> Hello<'a> {
    fn own<C: Codec>(transport: &'a str, service: Option<Schema>) -> Self {
        Self {
            protocol: PROTOCOL,
            codec: C::ID.into(),
            transport: transport.into(),
            service,
            pid: std::process::id(),
            build: env!("CARGO_PKG_VERSION").into(),
            token: "".into(),
            startup: None,
            declined: None,
        }
    }
}

/// The host's part, with the startup data for the worker. Returns the bytes that came behind the worker's line.
///
/// Not cancel-safe: a connection whose handshake was given up is of no use.
pub(crate) async fn greet<C: Codec>(
    reader: &mut (impl AsyncRead + Unpin),
    writer: &mut (impl AsyncWrite + Unpin),
    transport: &str,
    service: Option<Schema>,
    token: &str,
    startup: Option<&Bytes>,
) -> Result<BytesMut, HandshakeError> {
    let own = Hello {
        token: token.into(),
        startup: startup.map(Bytes::len),
        ..Hello::own::<C>(transport, service)
    };
    let said = say(writer, &own, startup.map_or(&[], |data| data)).await;
    let (line, rest) = match (said, hear(reader).await) {
        (_, Ok(heard)) => heard,
        // A worker that does not want all of the data says why and is gone.
        (Err(error), Err(HandshakeError::Gone(_))) => return Err(error),
        (_, Err(error)) => return Err(error),
    };
    let theirs = parse(&line)?;
    check(&own, &theirs, "host", "worker")?;
    match theirs.declined {
        Some(why) => Err(HandshakeError::Declined(why.into_owned())),
        None => Ok(rest),
    }
}

/// Why there was no handshake.
pub(crate) enum HandshakeError {
    /// The stream ended or broke: how the process ended says more.
    Gone(std::io::Error),
    /// The two do not fit together.
    Refused(Error),
    /// They do, and the worker says why it does not start all the same.
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

async fn say(
    writer: &mut (impl AsyncWrite + Unpin),
    hello: &Hello<'_>,
    startup: &[u8],
) -> Result<(), HandshakeError> {
    let mut line = serde_json::to_vec(hello).expect("a hello is made of strings and numbers");
    line.push(b'\n');
    writer.write_all(&line).await?;
    writer.write_all(startup).await?;
    Ok(writer.flush().await?)
}

async fn hear(reader: &mut (impl AsyncRead + Unpin)) -> Result<(BytesMut, BytesMut), HandshakeError> {
    let mut buffer = BytesMut::with_capacity(1024);
    loop {
        if let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let rest = buffer.split_off(end + 1);
            return Ok((buffer, rest));
        }
        if buffer.len() > LINE {
            return Err(not_a_handshake(&buffer, "its first line does not end").into());
        }
        if reader.read_buf(&mut buffer).await? == 0 {
            return Err(HandshakeError::Gone(std::io::ErrorKind::UnexpectedEof.into()));
        }
    }
}

fn parse(line: &[u8]) -> Result<Hello<'_>, Error> {
    serde_json::from_slice(line).map_err(|error| not_a_handshake(line, &error.to_string()))
}

fn not_a_handshake(line: &[u8], why: &str) -> Error {
    let start = String::from_utf8_lossy(&line[..line.len().min(80)]);
    let text = format!(
        "the other side does not speak the protocol of isolated-workers: {why}; it began with {start:?}; where it knows \
         no handshake, `.without_handshake()` leaves it out"
    );
    Error::new(ErrorKind::Handshake, text)
}

fn stranger() -> Error {
    let text = "a process connected that does not know the token of this worker's host, and was refused";
    Error::new(ErrorKind::Handshake, text)
}

fn check(own: &Hello<'_>, theirs: &Hello<'_>, here: &str, there: &str) -> Result<(), Error> {
    let differ = |what: &str, own: &dyn std::fmt::Display, theirs: &dyn std::fmt::Display, advice: &str| {
        let text = format!(
            "host and worker do not fit together: the {what} of this {here} is {own}, that of the {there} is {theirs}; {advice}"
        );
        Err(Error::new(ErrorKind::Handshake, text))
    };
    if own.protocol != theirs.protocol {
        let versions = |hello: &Hello<'_>| format!("{} (isolated-workers {})", hello.protocol, hello.build);
        return differ("protocol", &versions(own), &versions(theirs), "build both with one version");
    }
    if own.codec != theirs.codec {
        return differ("codec", &own.codec, &theirs.codec, "pass the same one to `.codec(…)` on both");
    }
    if own.transport != theirs.transport {
        let advice = "pass the same one to `.transport(…)` on both";
        return differ("transport", &own.transport, &theirs.transport, advice);
    }
    match (&own.service, &theirs.service) {
        (Some(own), Some(theirs)) if own != theirs => {
            differ("service", own, theirs, "build both from the same definition of the service")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use isolated_workers_codec::Json;
    use serde_json::Value;

    use super::*;

    /// The line that docs/wire.md shows of this side.
    fn shown(side: &str) -> String {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/wire.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (_, block) = page.split_once(&format!("```json hello:{side}\n")).unwrap();
        block.split_once("```").unwrap().0.to_owned()
    }

    fn keys(line: &str) -> Vec<String> {
        let Value::Object(line) = serde_json::from_str(line).unwrap() else { panic!("{line}") };
        line.into_iter().map(|(key, _)| key).collect()
    }

    const CALCULATOR: Schema = Schema::new("Calculator", 1);

    /// As long as that of the page.
    const DATA: Bytes = Bytes::from_static(b"{\"digits\":12}");

    #[tokio::test]
    async fn what_the_page_shows_of_a_worker_fits_and_of_a_host_is_said() {
        let (shown_host, shown_worker, mut said) = (shown("host"), shown("worker"), Vec::new());
        let theirs = &mut shown_worker.as_bytes();
        let greeted =
            greet::<Json>(theirs, &mut said, "unix-socket", Some(CALCULATOR), "a token", Some(&DATA)).await;
        assert!(greeted.is_ok_and(|rest| rest.is_empty()));
        let line = said.strip_suffix(&*DATA).expect("the startup data comes behind the line");
        assert_eq!(keys(std::str::from_utf8(line).unwrap()), keys(&shown_host));
    }

    #[tokio::test]
    async fn what_the_page_shows_of_a_host_fits_and_of_a_worker_is_said() {
        let (shown_host, shown_worker, mut said) = (shown("host"), shown("worker"), Vec::new());
        let (theirs, mut token) = ([shown_host.as_bytes(), &DATA, b"a frame"].concat(), None);
        let greeting =
            Greeting::hear::<Json>(&mut &*theirs, &mut said, "unix-socket", CALCULATOR, &mut token, 99).await;
        let Ok(greeting) = greeting else { panic!("they fit together") };
        assert_eq!((greeting.host(), greeting.startup()), (4711, Some(&*DATA)));
        assert!(greeting.accept(&mut said).await.is_ok_and(|rest| rest == "a frame"));
        assert_eq!(keys(&String::from_utf8(said).unwrap()), keys(&shown_worker));
        assert_eq!(token.as_deref(), Some("5fd0c6f1-8a39-4a2e-9c65-4f2a2ac1b1de"));
    }
}
