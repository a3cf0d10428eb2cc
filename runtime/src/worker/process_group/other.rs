//! Does nothing: the host's job ends a worker together with the processes that it has started.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::worker::parent::ParentProcess;

pub(in crate::worker) fn end_with_orphan(host: ParentProcess, _: Arc<AtomicBool>) {
    match host {}
}

pub(in crate::worker) fn connection_lost() {}
