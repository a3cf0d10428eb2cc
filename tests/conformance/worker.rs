//! Worker of the conformance tests. Arguments: transport, codec, role.

#[allow(dead_code, reason = "its `main` is that of the example")]
#[path = "../../examples/messagepack/src/main.rs"]
mod messagepack;
#[cfg_attr(unix, path = "worker/unix.rs")]
#[cfg_attr(windows, path = "worker/windows.rs")]
mod platform;
#[path = "../../examples/custom_codec/src/sealed.rs"]
mod sealed;
#[path = "../../examples/custom_transport/tcp.rs"]
mod tcp;
#[path = "../../examples/custom_transport/tokens.rs"]
mod tokens;

use isolated_workers::Error;
use isolated_workers::codec::{Cbor, Compressed, Json, Postcard};
use isolated_workers::testing::conformance::SuiteRole;
use isolated_workers::transport::{NamedPipe, Stdio, Transport};
use messagepack::MessagePack;
use sealed::Sealed;
use tcp::Tcp;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let [_, transport, codec, role] = &std::env::args().collect::<Vec<_>>()[..] else {
        panic!("usage: conformance-worker TRANSPORT CODEC ROLE")
    };
    let role = role.parse()?;
    match transport.as_str() {
        "stdio" => play(role, codec, Stdio).await,
        "named-pipe" => play(role, codec, NamedPipe).await,
        "tcp" => play(role, codec, Tcp).await,
        other => platform::play(role, codec, other).await,
    }
}

async fn play(role: SuiteRole, codec: &str, transport: impl Transport) -> Result<(), Error> {
    match codec {
        "json" => role.play(Json, transport).await,
        "postcard" => role.play(Postcard, transport).await,
        "cbor" => role.play(Cbor, transport).await,
        "compressed+json" => role.play(Compressed::new(Json), transport).await,
        "compressed+postcard" => role.play(Compressed::new(Postcard), transport).await,
        "sealed+postcard" => role.play(Sealed([7; 32].into()), transport).await,
        "messagepack" => role.play(MessagePack, transport).await,
        other => panic!("unknown codec {other}"),
    }
}
