//! The transports of Windows.

use isolated_workers_core::Error;
use isolated_workers_transport::{NamedPipe, Stdio, Transport};

use super::{AnyChannel, Inherited, Told};

/// `None`: there is no such transport.
pub(super) fn is_inherited(name: &str, address: &str) -> Option<bool> {
    Some(match name {
        NamedPipe::NAME => NamedPipe.is_inherited(address),
        Stdio::NAME => Stdio.is_inherited(address),
        _ => return None,
    })
}

pub(super) async fn attach(inherited: Inherited) -> Result<AnyChannel, Error> {
    match inherited.transport() {
        NamedPipe::NAME => inherited.attach_by(NamedPipe).await,
        Stdio::NAME => inherited.attach_by(Stdio).await,
        _ => Err(inherited.unknown()),
    }
}

/// Every worker is told in the way of this library.
pub(super) fn variable(_: &str, _: &str, _: &str, _: bool) -> Option<(&'static str, String)> {
    None
}

pub(super) fn told(_: &str, _: &str) -> Option<Result<Told, Error>> {
    None
}

pub(super) fn from_environment() -> Option<Result<Told, Error>> {
    None
}
