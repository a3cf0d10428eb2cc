//! The pool of workers that scales the images.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use isolated_workers::codec::Postcard;
use isolated_workers::driver::Thread;
use isolated_workers::host::{OnCrash, OnTimeout};
use isolated_workers::layer::Middleware;
use isolated_workers::prelude::*;
use isolated_workers::protocol::{Request, Response};
#[cfg(target_os = "linux")]
use isolated_workers::sandbox::Sandbox;

use crate::options::Options;
use crate::service::{Scaler, Thumbnailer};

/// Starts worker processes, or threads of this process. The same client calls both.
pub(crate) async fn open(
    options: &Options,
    images: usize,
    attempts: Arc<AtomicUsize>,
) -> Result<Pool<impl Service<Codec = Postcard> + use<>>, Error> {
    let workers = options.workers.min(images);
    // Restarts at once, because crashes are expected here.
    let on_crash = OnCrash::reject().backoff(Duration::ZERO, Duration::ZERO);
    if options.in_process {
        let thread = Thread::new(|| async { serve(Scaler.into_service()).codec(Postcard).await });
        return Pool::builder(thread)
            .codec(Postcard)
            .workers(workers)
            .layer(CountAttempts(attempts))
            .spawn()
            .await;
    }
    // This program: its `main` detects that it is a worker.
    let program = Program::current_exe()?;
    let pool = Pool::builder(program).codec(Postcard).workers(workers).layer(CountAttempts(attempts));
    // An image may attack its decoder. The worker reads and writes only in these two folders.
    #[cfg(target_os = "linux")]
    let pool = pool.sandbox(Sandbox::deny_all().read(&options.folder).write(&options.out));
    // The handler does not await, so only a kill stops an image that takes too long.
    pool.on_timeout(OnTimeout::Kill)
        .on_crash(on_crash)
        .restart_limit(1000, Duration::from_secs(1))
        // A warm worker takes the place of one that was killed.
        .spare(1)
        .spawn()
        .await
}

/// Counts attempts, retries included.
struct CountAttempts(Arc<AtomicUsize>);

impl Middleware for CountAttempts {
    async fn handle<S: Service>(&self, request: Request, next: &S) -> Result<Response, Error> {
        self.0.fetch_add(1, Ordering::Relaxed);
        next.call(request).await
    }
}
