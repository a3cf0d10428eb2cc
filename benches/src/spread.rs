use std::fmt;
use std::time::Duration;

/// The spread of a measurement.
pub struct Spread(Vec<Duration>);

impl Spread {
    pub fn of(mut samples: Vec<Duration>) -> Self {
        samples.sort_unstable();
        Self(samples)
    }

    fn at(&self, part: f64) -> f64 {
        let at = (self.0.len() as f64 * part) as usize;
        self.0[at.min(self.0.len() - 1)].as_secs_f64() * 1e3
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (p50, p99, most) = (self.at(0.5), self.at(0.99), self.at(1.0));
        write!(f, "p50 {p50:8.3} ms   p99 {p99:8.3} ms   max {most:8.3} ms   n {}", self.0.len())
    }
}
