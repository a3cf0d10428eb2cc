//! The pool of workers that does the images.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use isolated_workers::codec::Postcard;
use isolated_workers::driver::Thread;
use isolated_workers::host::{OnCrash, OnTimeout};
use isolated_workers::layer::Middleware;
use isolated_workers::prelude::*;
use isolated_workers::protocol::{Request, Response};

use crate::options::Options;
use crate::service::{Scaler, Thumbnailer};

/// Processes, or threads of this one. The same typed client calls both.
pub(crate) async fn open(
    options: &Options,
    images: usize,
    runs: Arc<AtomicU64>,
) -> Result<Pool<impl Service<Codec = Postcard> + use<>>, Error> {
    let workers = options.workers.min(images);
    // Crashes are to be expected here.
    let on_crash = OnCrash::reject().backoff(Duration::ZERO, Duration::from_millis(100));
    if options.in_process {
        let thread = Thread::new(|| async { serve(Scaler.into_service()).codec(Postcard).await });
        return Pool::builder(thread).codec(Postcard).workers(workers).layer(Count(runs)).spawn().await;
    }
    // This very program: `main` finds out that it is a worker.
    let program = Program::current_exe()?;
    let pool = Pool::builder(program).codec(Postcard).workers(workers).layer(Count(runs));
    // An image that takes too long keeps its worker busy, and only this ends it.
    pool.on_timeout(OnTimeout::Kill)
        .on_crash(on_crash)
        .restart_limit(1000, Duration::from_secs(1))
        .spawn()
        .await
}

/// Counts the runs: each passes here, also another attempt.
struct Count(Arc<AtomicU64>);

impl Middleware for Count {
    async fn handle<S: Service>(&self, request: Request, next: &S) -> Result<Response, Error> {
        self.0.fetch_add(1, Ordering::Relaxed);
        next.call(request).await
    }
}
