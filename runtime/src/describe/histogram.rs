//! Times of calls, counted in buckets.

/// Number of buckets: 8 for each power of two, up to 2^31 µs.
const BUCKETS: usize = 8 * 30;

/// Counts of times in microseconds. The width of a bucket is at most 12.5 % of its times.
#[derive(Debug)]
pub(super) struct Histogram {
    counts: Box<[u64; BUCKETS]>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: Box::new([0; BUCKETS]), total: 0 }
    }
}

impl Histogram {
    pub(super) fn add(&mut self, micros: u64) {
        self.counts[bucket(micros)] += 1;
        self.total += 1;
    }

    /// Returns a time that `percent` of the counted times do not exceed.
    pub(super) fn percentile(&self, percent: u64) -> u64 {
        let rank = (self.total * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let at = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        at.map_or(0, last_of)
    }
}

/// Index of the bucket of a time.
fn bucket(micros: u64) -> usize {
    if micros < 8 {
        return micros as usize;
    }
    let power = micros.ilog2() as usize;
    let eighth = (micros >> (power - 3)) as usize & 7;
    ((power - 2) * 8 + eighth).min(BUCKETS - 1)
}

/// Longest time of a bucket.
fn last_of(bucket: usize) -> u64 {
    if bucket < 8 {
        return bucket as u64;
    }
    let (power, eighth) = (bucket / 8 + 2, (bucket % 8) as u64);
    ((8 + eighth + 1) << (power - 3)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_at_most_an_eighth_of_its_times_wide() {
        for micros in (0..100_000).chain((17..31).map(|power| (1 << power) + 1)) {
            let last = last_of(bucket(micros));
            assert!(micros <= last && last - micros <= micros / 8, "{micros} {last}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_are_those_of_the_counted_times() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile(50), 0);
        for micros in 1..=100 {
            histogram.add(micros);
        }
        let near = |found: u64, exact: u64| exact <= found && found <= exact + exact / 8;
        assert!(near(histogram.percentile(50), 50), "{}", histogram.percentile(50));
        assert!(near(histogram.percentile(99), 99), "{}", histogram.percentile(99));
    }
}
