//! Worker without a handshake that only writes, and never reads.

use isolated_workers::Error;
use isolated_workers::transport::{CHANNEL_VARIABLE, Channel, SocketPair, Stdio, Transport};
use tokio::io::AsyncWriteExt;

/// Size in bytes of a flood that the host must bear. It ends the connection because of any other.
const FLOOD_BYTES: usize = 6 << 20;

/// Frames that are written together.
const BATCH: usize = 64;

/// Writes frames of this kind until the host closes the connection, or bears the flood. Then it
/// answers the first call.
pub(crate) async fn run(kind: &str) -> Result<(), Error> {
    let channel = std::env::var(CHANNEL_VARIABLE).unwrap();
    match channel.split_once(':').unwrap() {
        (SocketPair::NAME, address) => write(SocketPair.attach(address).await.unwrap(), kind).await,
        (Stdio::NAME, address) => write(Stdio.attach(address).await.unwrap(), kind).await,
        (other, _) => panic!("the transport {other}"),
    }
    Ok(())
}

async fn write<R, W: AsyncWriteExt + Unpin>(channel: Channel<R, W>, kind: &str) {
    let Channel { reader: _reader, mut writer, .. } = channel;
    let long = "x".repeat(10_000);
    let mut written = 0;
    for number in 0.. {
        let frame = |number: usize| match kind {
            "pings" => "{\"kind\":\"ping\"}\n".to_owned(),
            "requests" => format!("{{\"type\":\"unknown\",\"tx\":\"{number}\",\"kind\":\"request\"}}\n"),
            "long-names" => format!("{{\"type\":\"{long}\",\"tx\":\"{number}\",\"kind\":\"request\"}}\n"),
            "long-ids" => {
                format!("{{\"type\":\"unknown\",\"tx\":\"{long}{number}\",\"kind\":\"request\"}}\n")
            }
            "answers" => {
                format!("{{\"type\":\"waitResult\",\"tx\":\"no call {number}\",\"kind\":\"reply\"}}\n")
            }
            "cancels" => format!("{{\"tx\":\"{number}\",\"kind\":\"cancel\"}}\n"),
            other => panic!("unknown kind {other}"),
        };
        let frames: String = (BATCH * number..BATCH * (number + 1)).map(frame).collect();
        written += frames.len();
        if writer.write_all(frames.as_bytes()).await.is_err() {
            return;
        }
        if matches!(kind, "pings" | "answers" | "cancels") && written >= FLOOD_BYTES {
            break;
        }
    }
    writer.write_all(b"{\"type\":\"waitResult\",\"tx\":\"1\",\"kind\":\"reply\"}\n").await.unwrap();
    std::future::pending().await
}
