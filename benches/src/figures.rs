//! Statistics of measured figures.

use std::fmt;
use std::process::Command;
use std::time::Duration;

/// The figures of one contestant in one row, one per round. Empty if it cannot do the work.
#[derive(Default)]
pub struct Figures(pub Vec<f64>);

impl Figures {
    /// Returns the numbers that a program prints. `None` if it cannot be started, fails, or prints
    /// anything else.
    pub fn printed_by(program: &mut Command) -> Option<Self> {
        let output = program.output().ok().filter(|output| output.status.success())?;
        let printed = String::from_utf8(output.stdout).ok()?;
        printed.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok().map(Self)
    }

    /// Returns the figure at `fraction` of the sorted figures: 0.5 is the median.
    pub fn quantile(&self, fraction: f64) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.get((sorted.len().saturating_sub(1) as f64 * fraction).round() as usize).copied()
    }

    pub fn median(&self) -> Option<f64> {
        self.quantile(0.5)
    }

    /// Returns the smallest figure of each round. Contestants without figures are left out.
    pub fn best<'a>(of: impl Iterator<Item = &'a Self>) -> Self {
        let of = of.map(|figures| &figures.0).filter(|figures| !figures.is_empty());
        Self(
            of.cloned()
                .reduce(|best, next| best.into_iter().zip(next).map(|(a, b)| a.min(b)).collect())
                .unwrap_or_default(),
        )
    }

    /// Returns the ratio of each round to the same round of `base`.
    pub fn ratios(&self, base: &Self) -> Self {
        Self(self.0.iter().zip(&base.0).map(|(own, base)| own / base).collect())
    }
}

/// The distribution of a measured time.
pub struct Distribution(Vec<Duration>);

impl Distribution {
    pub fn of(mut samples: Vec<Duration>) -> Self {
        samples.sort_unstable();
        Self(samples)
    }

    /// Returns the sample at `fraction` of the sorted samples, in milliseconds.
    fn millis_at(&self, fraction: f64) -> f64 {
        let at = (self.0.len() as f64 * fraction) as usize;
        self.0[at.min(self.0.len() - 1)].as_secs_f64() * 1e3
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (p50, p99, max) = (self.millis_at(0.5), self.millis_at(0.99), self.millis_at(1.0));
        write!(f, "p50 {p50:8.3} ms   p99 {p99:8.3} ms   max {max:8.3} ms   n {}", self.0.len())
    }
}
