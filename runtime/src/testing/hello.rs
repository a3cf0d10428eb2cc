use bytes::BytesMut;
use futures_util::FutureExt;
use isolated_workers_codec::Json;
use isolated_workers_core::{Error, ErrorKind, Schema};

use crate::handshake::{self, Failure};

/// Has a host and a worker hear `bytes` as the first that the other side says. What each leaves for the frames.
pub fn hear_handshake(mut bytes: &[u8]) -> [Result<BytesMut, Error>; 2] {
    const SCHEMA: Schema = Schema::new("Calculator", 1);
    let (mut theirs, mut said, mut token) = (bytes, Vec::new(), None);
    let greeted = handshake::greet::<Json>(&mut theirs, &mut said, "unix-socket", Some(SCHEMA), "")
        .now_or_never()
        .expect("memory never waits");
    let answered = handshake::answer::<Json>(&mut bytes, &mut said, "unix-socket", SCHEMA, &mut token)
        .now_or_never()
        .expect("memory never waits");
    [(greeted, theirs), (answered.map(|(rest, _)| rest), bytes)].map(|(heard, unread)| match heard {
        Ok(mut rest) => {
            rest.extend_from_slice(unread);
            Ok(rest)
        }
        Err(Failure::Refused(error)) => Err(error),
        Err(Failure::Gone(error)) => {
            Err(Error::with_source(ErrorKind::Handshake, "the other side ended within its line", error))
        }
    })
}
