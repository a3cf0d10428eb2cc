//! Worker that only writes frames, and never reads any.

#[path = "../flood_frames.rs"]
mod flood_frames;

use flood_frames::{UNANSWERED, frames};
use isolated_workers::Error;
use isolated_workers::transport::{
    CHANNEL_VARIABLE, Channel, NamedPipe, SocketPair, Stdio, Transport, UnixSocket,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Size in bytes of a flood that the host must bear. It ends the connection because of any other.
const FLOOD_BYTES: usize = 6 << 20;

/// Line of the handshake, with a transport to insert.
const HELLO: &str =
    r#"{"isolated-workers":1,"codec":"json","transport":"TRANSPORT","pid":1,"build":"test","admission":{}}"#;

/// Writes frames of this kind until the host closes the connection, or bears the flood. Then it
/// answers the first call. Performs a handshake first if it `greets`.
pub(crate) async fn run(kind: &str, greets: bool) -> Result<(), Error> {
    let channel = std::env::var(CHANNEL_VARIABLE).unwrap();
    let (transport, address) = channel.split_once(':').unwrap();
    match transport {
        UnixSocket::NAME => write(UnixSocket.attach(address).await.unwrap(), kind, greets, transport).await,
        SocketPair::NAME => write(SocketPair.attach(address).await.unwrap(), kind, greets, transport).await,
        Stdio::NAME => write(Stdio.attach(address).await.unwrap(), kind, greets, transport).await,
        NamedPipe::NAME => write(NamedPipe.attach(address).await.unwrap(), kind, greets, transport).await,
        other => panic!("the transport {other}"),
    }
    Ok(())
}

async fn write<R, W>(channel: Channel<R, W>, kind: &str, greets: bool, transport: &str)
where
    R: AsyncReadExt + Unpin,
    W: AsyncWriteExt + Unpin,
{
    let Channel { mut reader, mut writer, incoming: _incoming, cleanup: _cleanup, .. } = channel;
    if greets {
        while reader.read_u8().await.unwrap() != b'\n' {}
        let hello = format!("{}\n", HELLO.replace("TRANSPORT", transport));
        writer.write_all(hello.as_bytes()).await.unwrap();
    }
    let mut written = 0;
    for batch in 0.. {
        let frames = frames(kind, batch);
        written += frames.len();
        if writer.write_all(frames.as_bytes()).await.is_err() {
            return;
        }
        if UNANSWERED.contains(&kind) && written >= FLOOD_BYTES {
            break;
        }
    }
    writer.write_all(b"{\"type\":\"waitResult\",\"tx\":\"1\",\"kind\":\"reply\"}\n").await.unwrap();
    std::future::pending().await
}
