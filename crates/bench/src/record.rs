//! Latencies of one measurement: a histogram of fixed size, each bucket 3 % wide at most.
//!
//! Invariant: memory does not grow with the number of operations.

use serde::Serialize;
use std::time::Duration;

const SUB_BITS: u32 = 5;
const SUBS: u64 = 1 << SUB_BITS;
const BUCKETS: usize = ((64 - SUB_BITS as usize) + 1) * SUBS as usize;

/// Counts of latencies in microseconds.
#[derive(Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    longest_us: u64,
}

/// What a measurement has found.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Operations done in the time measured.
    pub operations: u64,
    /// Operations that failed, at any time.
    pub errors: u64,
    /// What the first failure was.
    pub first_error: Option<String>,
    /// Operations per second.
    pub per_second: f64,
    /// Half of the operations took no longer.
    pub p50_us: u64,
    /// 95 of 100 took no longer.
    pub p95_us: u64,
    /// 99 of 100 took no longer.
    pub p99_us: u64,
    /// The slowest.
    pub max_us: u64,
}

impl Histogram {
    /// An empty one.
    pub fn new() -> Histogram {
        Histogram { counts: vec![0; BUCKETS], total: 0, longest_us: 0 }
    }

    /// Counts one operation.
    pub fn add(&mut self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get_mut(bucket_of(us)) {
            *count += 1;
        }
        self.total += 1;
        self.longest_us = self.longest_us.max(us);
    }

    /// Number of operations counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The slowest operation.
    pub fn longest_us(&self) -> u64 {
        self.longest_us
    }

    /// The latency that `part` (0 to 1) of all operations did not exceed.
    pub fn quantile_us(&self, part: f64) -> u64 {
        let wanted = ((self.total as f64 * part).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return upper_bound_of(bucket).min(self.longest_us);
            }
        }
        self.longest_us
    }
}

/// Values below 32 have buckets of their own; above, 32 buckets for each power of two.
fn bucket_of(us: u64) -> usize {
    if us < SUBS {
        return us as usize;
    }
    let shift = 63 - us.leading_zeros() - SUB_BITS;
    (u64::from(shift) * SUBS + (us >> shift)) as usize
}

fn upper_bound_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * SUBS {
        return bucket;
    }
    let shift = bucket / SUBS - 1;
    let low = (bucket - shift * SUBS) << shift;
    low + ((1u64 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_its_values_and_is_narrow() {
        for us in (0..5000).chain([65_535, 65_536, 1_000_000, 60_000_000, u64::MAX]) {
            let upper = upper_bound_of(bucket_of(us));
            assert!(upper >= us, "{us} is above {upper}");
            assert!((upper - us) as f64 <= us as f64 / 31.0, "{us} is reported as {upper}");
        }
    }

    #[test]
    fn quantiles_of_one_to_a_thousand() {
        let mut histogram = Histogram::new();
        (1..=1000).for_each(|us| histogram.add(Duration::from_micros(us)));
        assert_eq!(histogram.total(), 1000);
        assert!((500..=516).contains(&histogram.quantile_us(0.5)));
        assert!((950..=982).contains(&histogram.quantile_us(0.95)));
        assert_eq!(histogram.quantile_us(1.0), 1000);
        assert_eq!(Histogram::new().quantile_us(0.5), 0);
    }
}
