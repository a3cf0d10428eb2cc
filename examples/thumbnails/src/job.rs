//! Scales all images of a folder.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use isolated_workers::host::Status;
use tokio::time::{MissedTickBehavior, interval};

use crate::killer::kill;
use crate::options::Options;
use crate::report::Report;
use crate::service::ThumbnailerClient;
use crate::{folder, workers};

/// Time between two workers that are killed on purpose.
const KILL_INTERVAL: Duration = Duration::from_millis(100);

/// Scales the images of the folder.
///
/// Fails if a folder cannot be read or created, or if the workers cannot be started or closed. An
/// image that fails is part of the report.
pub(crate) async fn run(options: &Options) -> Result<Report, String> {
    let images = folder::images(options)?;
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}").expect("a valid template");
    let bar = ProgressBar::new(images.len() as u64).with_style(style);
    let attempts = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let pool = workers::open(options, images.len(), Arc::clone(&attempts))
        .await
        .map_err(|error| format!("{error:#}"))?;

    let mut report = Report::default();
    let mut images = pool
        .map(images, |pool, image| async move {
            let (source, target) = (image.source.clone().into(), image.target.clone().into());
            let thumbnail = ThumbnailerClient::new(pool).scale(source, target, options.size).await;
            (image, thumbnail)
        })
        .unordered();
    // Created once: a new future in each iteration would miss a signal between two of them.
    let mut ctrl_c = pin!(tokio::signal::ctrl_c());
    let mut kills = interval(KILL_INTERVAL);
    kills.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Ok(()) = &mut ctrl_c, if !report.interrupted => {
                report.interrupted = true;
                // Fails all calls, so the loop then ends.
                pool.kill();
                pool.closed().await;
            }
            _ = kills.tick(), if options.kills && !options.in_process => {
                let workers = pool.stats().workers;
                let busy = workers.iter().filter(|worker| worker.status == Status::Active && worker.in_flight > 0);
                let pids: Vec<_> = busy.filter_map(|worker| worker.pid).collect();
                if let Some(pid) = pids.get(report.killed % pids.len().max(1)) {
                    kill(*pid);
                    report.killed += 1;
                }
            }
            image = images.next() => match image {
                Some((image, thumbnail)) => {
                    if let Ok(thumbnail) = &thumbnail {
                        bar.set_message(format!("{} {}x{}", image.name, thumbnail.width, thumbnail.height));
                    }
                    bar.inc(1);
                    report.record(&image, thumbnail);
                }
                None => break,
            },
        }
    }
    report.replaced = pool.stats().restarts();
    report.retried = attempts.load(Ordering::Relaxed) - report.images;
    report.elapsed = started.elapsed();
    pool.close().await.map_err(|error| format!("{error:#}"))?;
    bar.finish_and_clear();
    Ok(report)
}
