use std::time::Duration;

use super::extent::LONGEST;
use super::plan::Plan;

/// The open time of a breaker: longer each time in a row, with jitter, up to a cap.
#[derive(Debug)]
pub(crate) struct OpenTime {
    /// Openings since the last close.
    streak: u32,
    random: u64,
}

impl OpenTime {
    pub(crate) const fn new(seed: u64) -> Self {
        Self {
            streak: 0,
            random: seed,
        }
    }

    /// The next open time. `asked` is what the server asked for, believed up to the cap.
    pub(crate) fn next(&mut self, plan: &Plan, asked: Option<Duration>) -> Duration {
        let base = plan.open_for.min(LONGEST);
        let cap = plan.longest_open.max(base).min(LONGEST);
        let exponent = i32::try_from(self.streak).unwrap_or(i32::MAX);
        self.streak = self.streak.saturating_add(1);
        let told = plan.open_by.as_ref().and_then(|by| by.time(self.streak));
        let grown = match told {
            Some(time) => time.min(cap),
            None => scaled(base, plan.growth.max(1.0).powi(exponent), cap),
        };
        // Jitter only ever lengthens: `open_for` is a promise to the server that is to be left alone.
        let jittered = scaled(grown, 1.0 + plan.jitter * self.unit(), cap);
        jittered.max(asked.unwrap_or_default().min(cap))
    }

    /// The breaker has closed, so the next open time is the first again.
    pub(crate) fn start_anew(&mut self) {
        self.streak = 0;
    }

    /// A number in `0.0..1.0`, by splitmix64: the jitter spreads clients, it keeps no secret.
    fn unit(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// `time` by `factor`, at most `cap`; a product that is no time at all is the cap.
fn scaled(time: Duration, factor: f64, cap: Duration) -> Duration {
    Duration::try_from_secs_f64(time.as_secs_f64() * factor).map_or(cap, |scaled| {
        // A factor of one must not lose nanoseconds to floating point.
        if factor <= 1.0 { time } else { scaled }.min(cap)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn plan(growth: f64, jitter: f64) -> Plan {
        Plan {
            open_for: secs(10),
            growth,
            jitter,
            longest_open: secs(60),
            ..Plan::default()
        }
    }

    #[test]
    fn it_grows_up_to_the_cap_and_starts_anew() {
        let mut open = OpenTime::new(1);
        let plan = plan(2.0, 0.0);
        let times: Vec<_> = (0..5).map(|_| open.next(&plan, None).as_secs()).collect();
        assert_eq!(times, [10, 20, 40, 60, 60]);
        open.start_anew();
        assert_eq!(open.next(&plan, None), secs(10));
    }

    #[test]
    fn jitter_lengthens_by_its_share_at_most_and_spreads() {
        let mut open = OpenTime::new(7);
        let plan = plan(1.0, 0.5);
        let times: Vec<_> = (0..1_000).map(|_| open.next(&plan, None)).collect();
        assert!(times.iter().all(|time| (secs(10)..secs(15)).contains(time)));
        assert!(times.iter().any(|time| *time < secs(11)));
        assert!(times.iter().any(|time| *time > secs(14)));
    }

    #[test]
    fn the_jitter_is_that_of_splitmix64() {
        // The first numbers of the reference implementation, <https://prng.di.unimi.it/splitmix64.c>, seeded with 1234567.
        let numbers: [u64; 5] = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        let mut open = OpenTime::new(1_234_567);
        for number in numbers {
            // As a fraction of 2^64, to the 53 bits of a float that lie above.
            let fraction = number as f64 / 2_f64.powi(64);
            assert!((open.unit() - fraction).abs() < 2_f64.powi(-52), "{number}");
        }
    }

    #[test]
    fn what_the_server_asks_lengthens_up_to_the_cap() {
        let plan = plan(1.0, 0.0);
        for (asked, expected) in [(3, 10), (25, 25), (86_400, 60)] {
            assert_eq!(
                OpenTime::new(0).next(&plan, Some(secs(asked))),
                secs(expected)
            );
        }
    }

    #[test]
    fn absurd_settings_stay_within_the_longest_time() {
        let plan = Plan {
            open_for: Duration::MAX,
            growth: f64::INFINITY,
            jitter: f64::NAN,
            longest_open: Duration::MAX,
            ..Plan::default()
        };
        let mut open = OpenTime::new(0);
        for _ in 0..3 {
            assert!(open.next(&plan, Some(Duration::MAX)) <= LONGEST);
        }
    }
}
