use std::fmt;
use std::str::FromStr;

use isolated_workers_codec::Codec;
use isolated_workers_core::protocol::handshake::Features;
use isolated_workers_core::{Error, ErrorKind, Limits, Services};
use isolated_workers_transport::{Channel, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::callback_service::CallBackHandler;
use super::second_service::both_services;
use super::stream_service::{service, service_until_stopped};
use super::{limits, service::SCHEMA};
use crate::handshake::{self, Greeting};
use crate::launch::{AnyReader, Inherited};
use crate::worker::serve;

/// Role of the worker under test. A driver may pass it to the worker in any way. As an argument, it
/// is one word.
///
/// ```
/// use isolated_workers_runtime::testing::conformance::SuiteRole;
///
/// let role = SuiteRole::EndWithinHello { bytes: 17 };
/// assert_eq!(role.to_string(), "end-within-hello-17");
/// assert_eq!("end-within-hello-17".parse::<SuiteRole>()?, role);
/// # Ok::<(), isolated_workers_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SuiteRole {
    /// Serves.
    Serve,
    /// Exits without attaching.
    End,
    /// Attaches, then exits.
    EndAttached,
    /// Exits after sending this number of bytes of its hello.
    EndWithinHello {
        /// Number of bytes. The last byte of the hello is never sent.
        bytes: usize,
    },
    /// Exits after the handshake.
    EndGreeted,
    /// Sends garbage instead of a hello.
    Garbage,
    /// Performs the handshake, then closes its direction of the stream and keeps reading.
    HalfClose,
    /// Serves two services whose messages have the same names.
    ServeTwo,
    /// Serves handlers that call the host.
    CallBack,
    /// Serves, and drops the future of [`serve`] in the middle of a call. Keeps running.
    StopServing,
    /// Serves, and announces its end in the middle of calls. Finishes them.
    Leave,
}

impl SuiteRole {
    /// Plays the role. The program of a worker under test only needs to call this.
    ///
    /// # Errors
    /// Returns the errors of [`serve`].
    pub async fn play<C: Codec, T: Transport>(self, codec: C, transport: T) -> Result<(), Error> {
        match self {
            Self::Serve => {
                serve(service()).codec(codec).limits(limits()).transport(transport).describe(true).await
            }
            Self::ServeTwo => {
                serve(both_services()).codec(codec).limits(limits()).transport(transport).describe(true).await
            }
            Self::CallBack => {
                serve(CallBackHandler::<C>::new()).codec(codec).limits(limits()).transport(transport).await
            }
            Self::StopServing => {
                let (service, stopped) = service_until_stopped();
                let serving = serve(service).codec(codec).limits(limits()).transport(transport);
                tokio::select! {
                    served = serving => return served,
                    () = stopped.notified() => {}
                }
                std::future::pending().await
            }
            Self::Leave => {
                let (service, stopped) = service_until_stopped();
                let serve = serve(service).codec(codec).limits(limits()).transport(transport);
                let (server, serving) = serve.start();
                let stop = async {
                    stopped.notified().await;
                    server.stop();
                    std::future::pending().await
                };
                tokio::select! {
                    served = serving => served,
                    never = stop => never,
                }
            }
            Self::End => Ok(()),
            fault => fault.fail::<C, T>(transport).await.map_err(|error| {
                Error::with_source(ErrorKind::Crashed, format!("could not play the role {fault}"), error)
            }),
        }
    }

    async fn fail<C: Codec, T: Transport>(self, transport: T) -> std::io::Result<()> {
        let inherited = Inherited::take().map_err(std::io::Error::other)?;
        let attached = inherited.attach_by(transport).await.map_err(std::io::Error::other)?;
        let Channel { mut reader, mut writer, cleanup: _cleanup, hangup, incoming, .. } = attached;
        // These values may hold copies of the channel, which must close here.
        drop((hangup, incoming));
        if self == Self::EndAttached {
            return Ok(());
        }
        let hello = answer::<C, T>(&mut reader).await?;
        let said = match self {
            Self::EndWithinHello { bytes } => &hello[..bytes.min(hello.len() - 1)],
            Self::Garbage => GARBAGE,
            _ => &hello,
        };
        writer.write_all(said).await?;
        writer.flush().await?;
        match self {
            Self::Garbage => {}
            Self::HalfClose => writer.shutdown().await?,
            _ => return Ok(()),
        }
        // The host may end the connection cleanly or with an error.
        let _ = reader.read_to_end(&mut Vec::new()).await;
        Ok(())
    }
}

/// Bytes of another protocol.
pub(super) const GARBAGE: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\r\n";

/// Reads the host's hello, and returns the worker's.
async fn answer<C: Codec, T: Transport>(reader: &mut AnyReader) -> std::io::Result<Vec<u8>> {
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        line.push(reader.read_u8().await?);
    }
    let mut hello = Vec::new();
    let refused = |_| std::io::Error::other("the host's handshake is not for this worker");
    let (mut line, mut token) = (line.as_slice(), None);
    let (limits, features) = (Limits::default(), Features::of_worker(true));
    let identity = handshake::worker::<C>(T::NAME, SCHEMA.into(), limits, Services::default(), features);
    let greeting = Greeting::hear(&mut line, &mut hello, identity, &mut token).await;
    greeting.map_err(refused)?.accept(&mut hello).await.map_err(refused)?;
    Ok(hello)
}

const WITHIN_HELLO_PREFIX: &str = "end-within-hello-";

impl fmt::Display for SuiteRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serve => f.write_str("serve"),
            Self::End => f.write_str("end"),
            Self::EndAttached => f.write_str("end-attached"),
            Self::EndWithinHello { bytes } => write!(f, "{WITHIN_HELLO_PREFIX}{bytes}"),
            Self::EndGreeted => f.write_str("end-greeted"),
            Self::Garbage => f.write_str("garbage"),
            Self::HalfClose => f.write_str("half-close"),
            Self::ServeTwo => f.write_str("serve-two"),
            Self::CallBack => f.write_str("call-back"),
            Self::StopServing => f.write_str("stop-serving"),
            Self::Leave => f.write_str("leave"),
        }
    }
}

impl FromStr for SuiteRole {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        let plain = [
            Self::Serve,
            Self::End,
            Self::EndAttached,
            Self::EndGreeted,
            Self::Garbage,
            Self::HalfClose,
            Self::ServeTwo,
            Self::CallBack,
            Self::StopServing,
            Self::Leave,
        ];
        let bytes = word.strip_prefix(WITHIN_HELLO_PREFIX).and_then(|bytes| bytes.parse().ok());
        let role = match bytes {
            Some(bytes) => Some(Self::EndWithinHello { bytes }),
            None => plain.into_iter().find(|role| role.to_string() == word),
        };
        role.ok_or_else(|| {
            Error::new(ErrorKind::Config, format!("unknown role of a worker under test: `{word}`"))
        })
    }
}
