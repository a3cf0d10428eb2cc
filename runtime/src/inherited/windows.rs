//! The transports of Windows.

use isolated_workers_core::Error;
use isolated_workers_transport::{NamedPipe, Transport};

use super::{AnyChannel, Inherited};

/// `None`: there is no such transport.
pub(super) fn is_inherited(name: &str, address: &str) -> Option<bool> {
    (name == NamedPipe::NAME).then(|| NamedPipe.is_inherited(address))
}

pub(super) async fn attach(inherited: Inherited) -> Result<AnyChannel, Error> {
    match inherited.transport.as_str() {
        NamedPipe::NAME => inherited.attach_by(NamedPipe).await,
        _ => Err(inherited.unknown()),
    }
}
