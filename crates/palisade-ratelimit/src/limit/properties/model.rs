//! The naive models.

use std::time::Duration;

use super::*;

/// A limit by its definition.
#[derive(Debug, Clone)]
pub(super) enum Model {
    /// `level` is in parts of a token, of which there are `period` in one.
    Bucket {
        level: u128,
        last: u64,
        count: u128,
        period: u128,
        burst: u128,
    },
    Fixed {
        began: u64,
        used: u64,
        quota: u64,
        window: u64,
    },
    /// The times at which admitted units stop counting, and the times at which they were charged.
    Log {
        held: Vec<(u64, u64)>,
        quota: u64,
        window: u64,
        step: Option<u64>,
    },
}

impl Model {
    pub(super) fn of(limit: &Limit) -> Self {
        let nanos = |window: Duration| u64::try_from(window.as_nanos()).unwrap();
        let log = |quota: u32, window, step| Self::Log {
            held: Vec::new(),
            quota: quota.into(),
            window: nanos(window),
            step,
        };
        match limit.0 {
            Kind::TokenBucket { rate, burst } => Self::Bucket {
                level: u128::from(burst.count()) * rate.period().as_nanos(),
                last: 0,
                count: rate.count().into(),
                period: rate.period().as_nanos(),
                burst: burst.count().into(),
            },
            Kind::Fixed { quota, window } => Self::Fixed {
                began: 0,
                used: 0,
                quota: quota.into(),
                window: nanos(window),
            },
            Kind::Sliding { quota, window } => log(quota, window, Some(nanos(window) / 16)),
            Kind::Exact { quota, window } => log(quota, window, None),
            #[cfg(feature = "calendar")]
            Kind::Calendar { .. } => unreachable!("has a model of its own"),
        }
    }

    pub(super) fn advance(&mut self, now: u64) {
        match self {
            Self::Bucket {
                level,
                last,
                count,
                period,
                burst,
            } => {
                *level = (*level + u128::from(now - *last) * *count).min(*burst * *period);
                *last = now;
            }
            Self::Fixed {
                began,
                used,
                window,
                ..
            } => {
                if now >= *began + *window {
                    *used = 0;
                }
            }
            Self::Log { held, .. } => held.retain(|(release, _)| *release > now),
        }
    }

    pub(super) fn left(&mut self, now: u64) -> u64 {
        self.advance(now);
        match self {
            Self::Bucket { level, period, .. } => u64::try_from(*level / *period).unwrap(),
            Self::Fixed { used, quota, .. } => *quota - *used,
            Self::Log { held, quota, .. } => *quota - held.len() as u64,
        }
    }

    /// Nanoseconds until it is full again.
    pub(super) fn reset(&mut self, now: u64) -> u64 {
        self.advance(now);
        match self {
            Self::Bucket {
                level,
                count,
                period,
                burst,
                ..
            } => u64::try_from((*burst * *period - *level).div_ceil(*count)).unwrap(),
            Self::Fixed { used: 0, .. } => 0,
            Self::Fixed { began, window, .. } => *began + *window - now,
            Self::Log { held, .. } => {
                let last = held.iter().map(|(release, _)| *release).max();
                last.map_or(0, |release| release - now)
            }
        }
    }

    /// The assessment of a cost: whether it fits, what remains after it, and in what time the limit is full then; the
    /// last two without the cost where it does not fit.
    pub(super) fn assess(&mut self, now: u64, cost: u64) -> (bool, u64, u64) {
        let fits = cost <= self.left(now);
        let mut after = self.clone();
        if fits && cost > 0 {
            after.charge(now, cost);
        }
        (fits, after.left(now), after.reset(now))
    }

    pub(super) fn charge(&mut self, now: u64, cost: u64) {
        self.advance(now);
        match self {
            Self::Bucket { level, period, .. } => *level -= u128::from(cost) * *period,
            Self::Fixed { began, used, .. } => {
                if *used == 0 {
                    *began = now;
                }
                *used += cost;
            }
            Self::Log {
                held, window, step, ..
            } => {
                let release = match step {
                    // The step that the request fell into, and 16 more.
                    Some(step) => (now / *step + 17) * *step,
                    None => now + *window,
                };
                held.extend((0..cost).map(|_| (release, now)));
            }
        }
    }

    pub(super) fn refund(&mut self, now: u64, charged_at: u64, cost: u64) {
        self.advance(now);
        match self {
            Self::Bucket {
                level,
                period,
                burst,
                ..
            } => *level = (*level + u128::from(cost) * *period).min(*burst * *period),
            Self::Fixed { began, used, .. } => {
                if charged_at >= *began {
                    *used = used.saturating_sub(cost);
                }
            }
            Self::Log { held, .. } => {
                for _ in 0..cost {
                    if let Some(position) =
                        held.iter().position(|(_, charged)| *charged == charged_at)
                    {
                        held.swap_remove(position);
                    }
                }
            }
        }
    }
}
