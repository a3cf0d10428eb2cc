//! Where images are scaled, one at a time: a worker, or a thread of this process. The same typed client calls both.

use std::path::Path;

use isolated_workers::prelude::*;
use isolated_workers::{Link, Local, Postcard};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use crate::service::{ScaleError, Scaler, Thumbnail, Thumbnailer, ThumbnailerClient};

#[derive(Clone)]
pub(crate) enum Station {
    Worker(Worker<Link<Postcard>>),
    InProcess,
}

/// How often in a row a worker may die while it comes up, which is no image's fault.
const STARTS: u32 = 5;

impl Station {
    pub(crate) async fn open(in_process: bool) -> Result<Self, Error> {
        if in_process {
            return Ok(Self::InProcess);
        }
        // This very program: `main` finds out that it is a worker.
        let program = Program::current_exe()?;
        let mut starts = 1;
        loop {
            match Worker::builder(program.clone()).codec(Postcard).spawn().await {
                Err(error) if error.kind() == ErrorKind::Startup && starts < STARTS => starts += 1,
                started => return started.map(Self::Worker),
            }
        }
    }

    pub(crate) async fn scale(
        &self,
        source: &Path,
        target: &Path,
        size: u32,
    ) -> Result<Thumbnail, CallError<ScaleError>> {
        let (source, target) = (source.to_owned(), target.to_owned());
        match self {
            Self::Worker(worker) => ThumbnailerClient::new(worker.clone()).scale(source, target, size).await,
            Self::InProcess => {
                let client = ThumbnailerClient::new(Local::new(Scaler.into_service(), Postcard));
                // Off the thread of the runtime, which it would block.
                let call = move || Handle::current().block_on(client.scale(source, target, size));
                let panicked = |panic| Error::with_source(ErrorKind::Panicked, "the decoder panicked", panic);
                spawn_blocking(call).await.unwrap_or_else(|panic| Err(panicked(panic).into()))
            }
        }
    }

    /// Ends the worker at once, busy or not, and the call that it is at. A thread cannot be ended.
    pub(crate) fn kill(&self) {
        if let Self::Worker(worker) = self {
            worker.kill();
        }
    }

    /// Waits until the worker is gone, which an idle one is at once.
    pub(crate) async fn close(&self) {
        if let Self::Worker(worker) = self {
            // It fails where the worker had to be killed: it is gone all the same.
            let _ = worker.close().await;
        }
    }
}
