//! A folder of images, taken from one queue by several stations.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use std::{fmt, fs, mem};

use indicatif::{ProgressBar, ProgressStyle};
use isolated_workers::ErrorKind::{Closed, Crashed, Timeout};
use isolated_workers::{CallError, Error, Executed, Message};
use tokio::task::JoinSet;

use crate::options::Options;
use crate::service::{Thumbnail, partial, thumbnailer::Scale};
use crate::station::Station;

/// What has become of the images.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) failed: Vec<String>,
    pub(crate) interrupted: bool,
    written: usize,
    retried: usize,
    replaced: usize,
    took: Duration,
}

struct Job {
    options: Options,
    bar: ProgressBar,
    state: Mutex<State>,
}

struct State {
    queue: VecDeque<Image>,
    /// All that were opened, to end them.
    stations: Vec<Station>,
    report: Report,
}

struct Image {
    name: String,
    source: PathBuf,
    target: PathBuf,
    /// How many workers have died while they were at it.
    crashes: u32,
}

/// Scales the images of the folder; fails where it cannot even begin.
pub(crate) async fn run(options: Options) -> Result<Report, String> {
    let begun = Instant::now();
    let queue = find(&options)?;
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}").expect("a template");
    let bar = ProgressBar::new(queue.len() as u64).with_style(style);
    let side_by_side = queue.len().min(options.workers);
    let state = Mutex::new(State { queue, stations: Vec::new(), report: Report::default() });
    let job = Arc::new(Job { options, bar, state });

    let mut lanes = (0..side_by_side).map(|_| Arc::clone(&job).lane()).collect::<JoinSet<_>>();
    let mut no_worker = None;
    loop {
        tokio::select! {
            Ok(()) = tokio::signal::ctrl_c() => job.stop(),
            lane = lanes.join_next() => match lane {
                Some(lane) => no_worker = lane.expect("a lane does not panic").err().or(no_worker),
                None => break,
            },
        }
    }
    if let Some(error) = no_worker {
        if job.bar.position() == 0 {
            return Err(format!("{error:#}"));
        }
        while let Some(image) = job.next() {
            job.fail(&image, format_args!("no worker is left to do it: {error:#}"));
        }
    }
    job.bar.finish_and_clear();
    let mut report = mem::take(&mut job.state().report);
    report.failed.sort();
    report.took = begun.elapsed();
    Ok(report)
}

fn find(Options { folder, out, .. }: &Options) -> Result<VecDeque<Image>, String> {
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
        Image { name: name.display().to_string(), target: target.into(), crashes: 0, source }
    };
    Ok(sources.into_iter().map(image).collect())
}

impl Job {
    /// Does one image after the other, at a station of its own.
    async fn lane(self: Arc<Self>) -> Result<(), Error> {
        let mut station = self.open().await?;
        while let Some(image) = self.next() {
            let lost = self.scale(image, &station).await;
            if lost && self.has_more() {
                station = self.open().await?;
                self.state().report.replaced += 1;
            }
        }
        station.close().await;
        Ok(())
    }

    async fn open(&self) -> Result<Station, Error> {
        let station = Station::open(self.options.in_process).await?;
        self.state().stations.push(station.clone());
        Ok(station)
    }

    fn next(&self) -> Option<Image> {
        if self.has_more() { self.state().queue.pop_front() } else { None }
    }

    fn has_more(&self) -> bool {
        let state = self.state();
        !state.report.interrupted && !state.queue.is_empty()
    }

    /// Does one image, and returns whether the station was lost over it.
    async fn scale(&self, mut image: Image, station: &Station) -> bool {
        let error = match station.scale(&image.source, &image.target, self.options.size).await {
            Ok(Thumbnail { width, height }) => {
                self.bar.set_message(format!("{} {width}x{height}", image.name));
                self.bar.inc(1);
                self.state().report.written += 1;
                return false;
            }
            Err(error) => error,
        };
        let kind = error.call().map(Error::kind);
        let lost = matches!(kind, Some(Crashed | Closed | Timeout));
        if lost {
            // One that takes too long is still busy, and only this ends it.
            station.kill();
            station.close().await;
        }
        // Nobody writes to it any more.
        let _ = fs::remove_file(partial(&image.target));
        match error {
            _ if self.state().report.interrupted => {}
            CallError::Call(crash) if lost && kind != Some(Timeout) => {
                // A worker that was gone before it saw the image does not count against the image.
                image.crashes += u32::from(crash.executed() != Executed::No);
                if image.crashes > Scale::RETRY {
                    self.fail(&image, format_args!("it has killed {} workers; {crash}", image.crashes));
                } else {
                    let mut state = self.state();
                    state.report.retried += 1;
                    state.queue.push_back(image);
                }
            }
            error => self.fail(&image, error),
        }
        lost
    }

    fn fail(&self, image: &Image, why: impl fmt::Display) {
        self.bar.suspend(|| eprintln!("{}: {why}", image.name));
        self.bar.inc(1);
        self.state().report.failed.push(image.name.clone());
    }

    /// After Ctrl-C: ends the calls at once, so that the lanes end, too.
    fn stop(&self) {
        let mut state = self.state();
        state.report.interrupted = true;
        state.stations.iter().for_each(Station::kill);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
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
