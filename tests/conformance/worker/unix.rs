//! Transports of Unix.

use isolated_workers::Error;
use isolated_workers::testing::{Dribble, conformance::SuiteRole};
use isolated_workers::transport::{SocketPair, UnixSocket};

pub(super) async fn play(role: SuiteRole, codec: &str, transport: &str) -> Result<(), Error> {
    match transport {
        "unix-socket" => super::play(role, codec, UnixSocket).await,
        "socket-pair" => super::play(role, codec, SocketPair).await,
        "worker-socket" => super::play(role, codec, UnixSocket::bound_by_worker()).await,
        "dribble" => super::play(role, codec, Dribble::new(UnixSocket)).await,
        other => panic!("unknown transport {other}"),
    }
}
