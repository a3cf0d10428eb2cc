//! Scales all images of a folder.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use crate::options::Options;
use crate::report::Report;
use crate::service::ThumbnailerClient;
use crate::{folder, workers};

/// Scales the images of the folder.
///
/// Fails if a folder cannot be read or created, or if the workers cannot be started or closed. An
/// image that fails is part of the report.
pub(crate) async fn run(options: Options) -> Result<Report, String> {
    let started = Instant::now();
    let images = folder::images(&options)?;
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}").expect("a valid template");
    let bar = ProgressBar::new(images.len() as u64).with_style(style);
    let attempts = Arc::new(AtomicU64::new(0));
    let pool = workers::open(&options, images.len(), Arc::clone(&attempts))
        .await
        .map_err(|error| format!("{error:#}"))?;

    let mut report = Report::default();
    let mut images = pool
        .map(images, |pool, image| async move {
            let (source, target) = (image.source.clone(), image.target.clone());
            let thumbnail = ThumbnailerClient::new(pool).scale(source, target, options.size).await;
            (image, thumbnail)
        })
        .unordered();
    // Created once: a new future in each iteration would miss a signal between two of them.
    let mut ctrl_c = pin!(tokio::signal::ctrl_c());
    loop {
        tokio::select! {
            Ok(()) = &mut ctrl_c, if !report.interrupted => {
                report.interrupted = true;
                // Fails all calls, so the loop then ends.
                pool.kill();
                pool.closed().await;
            }
            image = images.next() => match image {
                Some((image, thumbnail)) => report.record(&bar, &image, thumbnail),
                None => break,
            },
        }
    }
    report.replaced = pool.stats().restarts();
    report.retried = attempts.load(Ordering::Relaxed) - images.progress().done;
    pool.close().await.map_err(|error| format!("{error:#}"))?;
    bar.finish_and_clear();
    report.failed.sort();
    report.elapsed = started.elapsed();
    Ok(report)
}
