use std::time::Duration;

/// One second.
pub const SECOND: Duration = Duration::from_secs(1);
/// One minute.
pub const MINUTE: Duration = Duration::from_secs(60);
/// One hour.
pub const HOUR: Duration = Duration::from_secs(3_600);
/// One day of 24 hours.
pub const DAY: Duration = Duration::from_secs(86_400);

/// So many requests in so much time, spread evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    count: u32,
    period: Duration,
}

impl Rate {
    /// `count` requests in each `period`: at least 1, and 1 ms to 366 days.
    #[must_use]
    pub const fn new(count: u32, period: Duration) -> Self {
        Self { count, period }
    }

    /// The number of requests.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.count
    }

    /// The time for that number.
    #[must_use]
    pub const fn period(self) -> Duration {
        self.period
    }
}

/// `count` requests a second.
#[must_use]
pub const fn per_second(count: u32) -> Rate {
    Rate::new(count, SECOND)
}

/// `count` requests a minute.
#[must_use]
pub const fn per_minute(count: u32) -> Rate {
    Rate::new(count, MINUTE)
}

/// `count` requests an hour.
#[must_use]
pub const fn per_hour(count: u32) -> Rate {
    Rate::new(count, HOUR)
}

/// `count` requests a day.
#[must_use]
pub const fn per_day(count: u32) -> Rate {
    Rate::new(count, DAY)
}

/// The number of requests that a token bucket lets through at once after a rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Burst(u32);

impl Burst {
    /// The number of requests.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.0
    }
}

/// A burst of `count` requests, at least 1.
#[must_use]
pub const fn burst(count: u32) -> Burst {
    Burst(count)
}
