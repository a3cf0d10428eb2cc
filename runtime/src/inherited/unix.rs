//! The transports of a Unix system.

mod startup_data;

use isolated_workers_core::Error;
use isolated_workers_transport::{NamedPipe, SocketPair, Stdio, Transport, UnixSocket, WorkerSocket};

use super::{AnyChannel, Inherited, Told};

/// `None`: there is no such transport.
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
        _ => Err(inherited.unknown()),
    }
}

/// The variable for a worker that is told in another way than those of this library are.
pub(super) fn variable(
    transport: &str,
    codec: &str,
    address: &str,
    handshake: bool,
) -> Option<(&'static str, String)> {
    (transport == WorkerSocket::NAME)
        .then(|| (startup_data::VARIABLE, startup_data::written(address, codec, handshake)))
}

/// What such a variable tells; `None` where it is another one.
pub(super) fn told(variable: &str, value: &str) -> Option<Result<Told, Error>> {
    (variable == startup_data::VARIABLE).then(|| startup_data::read(value))
}

/// What such a variable of this process tells it.
pub(super) fn from_environment() -> Option<Result<Told, Error>> {
    std::env::var(startup_data::VARIABLE).ok().map(|value| startup_data::read(&value))
}
