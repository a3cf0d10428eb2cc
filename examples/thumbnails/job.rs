//! A folder of images, from its first to its last.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use crate::options::Options;
use crate::report::Report;
use crate::service::ThumbnailerClient;
use crate::{folder, workers};

/// Scales the images of the folder; fails where it cannot even begin.
pub(crate) async fn run(options: Options) -> Result<Report, String> {
    let begun = Instant::now();
    let images = folder::images(&options)?;
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}").expect("a template");
    let bar = ProgressBar::new(images.len() as u64).with_style(style);
    let runs = Arc::new(AtomicU64::new(0));
    let pool = workers::open(&options, images.len(), Arc::clone(&runs))
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
