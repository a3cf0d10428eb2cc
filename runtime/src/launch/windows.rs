//! Built-in transports of Windows. The Node.js library has no transport that is supported here.

use isolated_workers_core::Error;
use isolated_workers_transport::{NamedPipe, Stdio, Transport};

use super::{AnyChannel, HostInfo, Inherited};

/// Returns `true` if this process has inherited the channel. Returns `None` for an unknown
/// transport.
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
        _ => Err(inherited.unknown_transport()),
    }
}

pub(super) fn variable(_: &str, _: &str, _: &str, _: bool) -> Option<(&'static str, String)> {
    None
}

pub(super) fn host_info(_: &str, _: &str) -> Option<Result<HostInfo, Error>> {
    None
}

pub(super) fn from_environment() -> Option<Result<HostInfo, Error>> {
    None
}
