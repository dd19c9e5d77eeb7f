/// Each power of two has so many buckets, so that a quantile is at most 1/16 above the true one.
const PARTS: usize = 16;

/// Durations up to 2^30 microseconds, some 18 minutes; what is longer counts as that.
const BUCKETS: usize = 30 * PARTS;

/// The durations of requests.
#[derive(Debug, Clone, Default)]
pub(super) struct Latencies {
    /// None as long as there was none.
    counts: Vec<u32>,
    total: u64,
}

impl Latencies {
    pub(super) fn add(&mut self, micros: u64) {
        if self.counts.is_empty() {
            self.counts = vec![0; BUCKETS];
        }
        if let Some(count) = self.counts.get_mut(bucket(micros)) {
            *count = count.saturating_add(1);
            self.total += 1;
        }
    }

    /// The duration in milliseconds that this many percent of the requests did not exceed.
    pub(super) fn percentile(&self, percent: u64) -> Option<f64> {
        let wanted = (self.total * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let nth = self.counts.iter().position(|count| {
            seen += u64::from(*count);
            seen >= wanted
        })?;
        Some(upper(nth) / 1_000.0)
    }
}

fn bucket(micros: u64) -> usize {
    // Beyond the last bucket, and small enough to be multiplied.
    let micros = micros.clamp(1, 1 << 40);
    let octave = micros.ilog2() as usize;
    let base = 1_u64 << octave;
    let part = ((micros - base) * PARTS as u64 / base) as usize;
    (octave * PARTS + part).min(BUCKETS - 1)
}

/// The upper end of a bucket, in microseconds.
fn upper(nth: usize) -> f64 {
    let (octave, part) = (nth / PARTS, nth % PARTS);
    let base = (1_u64 << octave.min(62)) as f64;
    base + base * (part + 1) as f64 / PARTS as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_at_most_a_sixteenth_above() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentile(50), None);
        for micros in 1..=1_000 {
            latencies.add(micros * 100);
        }
        for (percent, truth) in [(50, 50.0), (99, 99.0), (100, 100.0)] {
            let found = latencies.percentile(percent).unwrap();
            assert!(
                found >= truth && found <= truth * 17.0 / 16.0,
                "{percent}: {found}"
            );
        }
    }

    #[test]
    fn no_duration_is_out_of_range() {
        let mut latencies = Latencies::default();
        latencies.add(0);
        assert!(latencies.percentile(50).unwrap() < 0.01);
        let mut latencies = Latencies::default();
        latencies.add(u64::MAX);
        assert!(latencies.percentile(99).unwrap() > 500_000.0);
    }
}
