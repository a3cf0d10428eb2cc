//! A folder of images, and a pool of workers that does them.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{fmt, fs};

use indicatif::{ProgressBar, ProgressStyle};
use isolated_workers::prelude::*;
use isolated_workers::{Middleware, OnCrash, OnTimeout, Postcard, Request, Response, Thread};

use crate::options::Options;
use crate::service::{ScaleError, Scaler, Thumbnail, Thumbnailer, ThumbnailerClient, partial};

/// What has become of the images.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) failed: Vec<String>,
    pub(crate) interrupted: bool,
    written: u64,
    retried: u64,
    replaced: u64,
    took: Duration,
}

struct Image {
    name: String,
    source: PathBuf,
    target: PathBuf,
}

/// Scales the images of the folder; fails where it cannot even begin.
pub(crate) async fn run(options: Options) -> Result<Report, String> {
    let begun = Instant::now();
    let images = find(&options)?;
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}").expect("a template");
    let bar = ProgressBar::new(images.len() as u64).with_style(style);
    let runs = Arc::new(AtomicU64::new(0));
    let pool = open(&options, images.len(), Arc::clone(&runs)).await.map_err(|error| format!("{error:#}"))?;

    let mut report = Report::default();
    let mut images = pool
        .map(images, |pool, image| async move {
            let (source, target) = (image.source.clone(), image.target.clone());
            let thumbnail = ThumbnailerClient::new(pool).scale(source, target, options.size).await;
            (image, thumbnail)
        })
        .unordered();
    // Once for all: one that is made anew each time would miss what comes between two.
    let mut ctrl_c = pin!(tokio::signal::ctrl_c());
    loop {
        tokio::select! {
            Ok(()) = &mut ctrl_c, if !report.interrupted => {
                report.interrupted = true;
                // It ends the calls, so that the images come to their end, too.
                pool.kill();
                pool.closed().await;
            }
            image = images.next() => match image {
                Some((image, thumbnail)) => report.take(&bar, &image, thumbnail),
                None => break,
            },
        }
    }
    report.replaced = pool.stats().restarts();
    report.retried = runs.load(Ordering::Relaxed) - images.progress().done;
    pool.close().await.map_err(|error| format!("{error:#}"))?;
    bar.finish_and_clear();
    report.failed.sort();
    report.took = begun.elapsed();
    Ok(report)
}

/// The workers: processes, or threads of this one. The same typed client calls both.
async fn open(
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

fn find(Options { folder, out, .. }: &Options) -> Result<Vec<Image>, String> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(|error| format!("cannot read the folder {}: {error}", folder.display()))?;
    let mut sources: Vec<_> = entries.iter().map(fs::DirEntry::path).collect();
    sources.retain(|source| {
        let extension = source.extension().unwrap_or_default().to_ascii_lowercase();
        source.is_file() && ["png", "jpg", "jpeg", "gif", "webp"].iter().any(|known| extension == *known)
    });
    sources.sort();
    if sources.is_empty() {
        return Err(format!("no images (png, jpg, jpeg, gif, webp) in the folder {}", folder.display()));
    }
    fs::create_dir_all(out).map_err(|error| format!("cannot make the folder {}: {error}", out.display()))?;
    let image = |source: PathBuf| {
        // The whole name, so that a.jpg and a.png do not become one thumbnail.
        let name = source.file_name().unwrap_or_default();
        let mut target = out.join(name).into_os_string();
        target.push(".png");
        Image { name: name.display().to_string(), target: target.into(), source }
    };
    Ok(sources.into_iter().map(image).collect())
}

impl Report {
    fn take(&mut self, bar: &ProgressBar, image: &Image, result: Result<Thumbnail, CallError<ScaleError>>) {
        let error = match result {
            Ok(Thumbnail { width, height }) => {
                bar.set_message(format!("{} {width}x{height}", image.name));
                bar.inc(1);
                self.written += 1;
                return;
            }
            Err(error) => error,
        };
        // Nobody writes to it any more.
        let _ = fs::remove_file(partial(&image.target));
        if self.interrupted {
            return;
        }
        let crash = error.call().and_then(Error::crash);
        let runs = crash.map_or(String::new(), |crash| format!("it has killed {} workers; ", crash.attempt));
        bar.suspend(|| eprintln!("{}: {runs}{error}", image.name));
        bar.inc(1);
        self.failed.push(image.name.clone());
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { written, failed, retried, replaced, took, .. } = self;
        let (failed, seconds) = (failed.len(), took.as_secs_f64());
        write!(f, "{written} written, {failed} failed, {retried} retried, {replaced} workers replaced ")?;
        write!(f, "in {seconds:.2} s, {:.0} images/s", *written as f64 / seconds)
    }
}
