//! The transports of Windows.

use isolated_workers_core::Error;
use isolated_workers_transport::{NamedPipe, Stdio, Transport};

use super::{AnyChannel, Inherited};

/// `None`: there is no such transport.
pub(super) fn is_inherited(name: &str, address: &str) -> Option<bool> {
    Some(match name {
        NamedPipe::NAME => NamedPipe.is_inherited(address),
        Stdio::NAME => Stdio.is_inherited(address),
        _ => return None,
    })
}

pub(super) async fn attach(inherited: Inherited) -> Result<AnyChannel, Error> {
    match inherited.transport.as_str() {
        NamedPipe::NAME => inherited.attach_by(NamedPipe).await,
        Stdio::NAME => inherited.attach_by(Stdio).await,
        _ => Err(inherited.unknown()),
    }
}
