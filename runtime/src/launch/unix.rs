//! Built-in transports of Unix.

mod node_variable;

use isolated_workers_core::Error;
use isolated_workers_transport::{NamedPipe, SocketPair, Stdio, Transport, UnixSocket, WorkerSocket};

use super::{AnyChannel, HostInfo, Inherited};

/// Returns `true` if this process has inherited the channel. Returns `None` for an unknown
/// transport.
pub(super) fn is_inherited(name: &str, address: &str) -> Option<bool> {
    Some(match name {
        UnixSocket::NAME => UnixSocket.is_inherited(address),
        SocketPair::NAME => SocketPair.is_inherited(address),
        NamedPipe::NAME => NamedPipe.is_inherited(address),
        Stdio::NAME => Stdio.is_inherited(address),
        WorkerSocket::NAME => UnixSocket::bound_by_worker().is_inherited(address),
        _ => return None,
    })
}

pub(super) async fn attach(inherited: Inherited) -> Result<AnyChannel, Error> {
    match inherited.transport() {
        UnixSocket::NAME => inherited.attach_by(UnixSocket).await,
        SocketPair::NAME => inherited.attach_by(SocketPair).await,
        NamedPipe::NAME => inherited.attach_by(NamedPipe).await,
        Stdio::NAME => inherited.attach_by(Stdio).await,
        WorkerSocket::NAME => inherited.attach_by(UnixSocket::bound_by_worker()).await,
        _ => Err(inherited.unknown_transport()),
    }
}

/// Returns the startup variable of the Node.js library, for a transport that its workers use.
pub(super) fn variable(
    transport: &str,
    codec: &str,
    address: &str,
    handshake: bool,
) -> Option<(&'static str, String)> {
    (transport == WorkerSocket::NAME)
        .then(|| (node_variable::VARIABLE, node_variable::write(address, codec, handshake)))
}

/// Parses the startup variable of the Node.js library. Returns `None` for any other variable.
pub(super) fn host_info(variable: &str, value: &str) -> Option<Result<HostInfo, Error>> {
    (variable == node_variable::VARIABLE).then(|| node_variable::read(value))
}

/// Reads the startup variable of the Node.js library from the environment of this process.
pub(super) fn from_environment() -> Option<Result<HostInfo, Error>> {
    std::env::var(node_variable::VARIABLE).ok().map(|value| node_variable::read(&value))
}
