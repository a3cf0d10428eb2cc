use bytes::BytesMut;
use futures_util::FutureExt;
use isolated_workers_codec::Json;
use isolated_workers_core::{Error, ErrorKind, Schema};

use crate::handshake::{self, Greeting, HandshakeError};

/// Has a host and a worker hear `bytes` as the first that the other side says. What each leaves for the frames.
pub fn hear_handshake(mut bytes: &[u8]) -> [Result<BytesMut, Error>; 2] {
    const SCHEMA: Schema = Schema::new("Calculator", 1);
    /// How many bytes of startup data the worker takes.
    const STARTUP: usize = 1 << 16;
    let (mut theirs, mut said) = (bytes, Vec::new());
    let greeted = handshake::greet::<Json>(&mut theirs, &mut said, "unix-socket", Some(SCHEMA), "", None)
        .now_or_never()
        .expect("memory never waits");
    let answer = async {
        let greeting =
            Greeting::hear::<Json>(&mut bytes, &mut Vec::new(), "unix-socket", SCHEMA, &mut None, STARTUP)
                .await?;
        greeting.accept(&mut said).await
    };
    let answered = answer.now_or_never().expect("memory never waits");
    [(greeted, theirs), (answered, bytes)].map(|(heard, unread)| match heard {
        Ok(mut rest) => {
            rest.extend_from_slice(unread);
            Ok(rest)
        }
        Err(HandshakeError::Refused(error)) => Err(error),
        Err(HandshakeError::Declined(why)) => Err(Error::new(ErrorKind::Startup, why)),
        Err(HandshakeError::Gone(error)) => {
            Err(Error::with_source(ErrorKind::Handshake, "the other side ended within its line", error))
        }
    })
}
