//! The scripts and the rules of the memory store are written twice, in two languages: random policies, costs, keys, steps
//! of the clock and refunds, of which both have to say exactly the same.

use std::time::Duration;

use crate::clock::SetClock;
use crate::server::{Server, limiter, multiplexed};
use crate::through::Through;
use palisade_ratelimit::{
    DAY, Decision, Limit, Policy, Rate, RateLimitLayer, RateLimiter, Receipt, Redis, SECOND, burst,
    per_day, per_second,
};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Arg, Cmd, RedisFuture, Value};
use tokio::runtime::{Builder, Handle};

const STEPS: u64 = 250;

#[test]
fn the_scripts_decide_as_the_memory_store_does() {
    let policies = if std::env::var_os("PALISADE_FULL").is_some() {
        1_600
    } else {
        60
    };
    in_both(async |running, server| {
        for number in 0..policies {
            let mut rng = TestRng(number + 1);
            let limits = fixed_policy(number).unwrap_or_else(|| rng.limits());
            compare(running, server, number, &limits, rng).await;
        }
    });
}

/// The scripts count a bucket's time round and round: 2^22 seconds, which are 48 days and a half.
#[test]
fn buckets_outlast_the_rounds_of_their_clock() {
    in_both(async |running, server| {
        // In debt for 125 days, of which each hour counts to the nanosecond.
        let deep = Limit::token_bucket(Rate::new(7, 6 * DAY), burst(19));
        let mut pair = Pair::new(running, server, "always".into(), &[deep]).await;
        for step in 0..250 {
            pair.rest(DAY / 2 + Duration::from_micros(1)).await;
            pair.charge("a", 1, &format!("step {step}")).await;
        }
        // Refilled, but for a tenth of a day, when a charge of ten days is given back; and then left alone.
        let daily = Limit::token_bucket(per_day(1), burst(19));
        let mut pair = Pair::new(running, server, "given-back".into(), &[daily]).await;
        for cost in [10, 9] {
            pair.charge("a", cost, "before").await;
        }
        pair.rest(DAY * 189 / 10).await;
        pair.refund(0).await;
        pair.rest(15 * DAY).await;
        pair.charge("a", 19, "after 15 days").await;
        // A key that another limit keeps for longer than a round.
        for days in [1, 23, 25, 36, 47, 49, 60, 85] {
            let limits = [
                Limit::token_bucket(per_second(10), burst(3)),
                Limit::fixed(1_000, 300 * DAY),
            ];
            let mut pair = Pair::new(running, server, format!("kept{days}"), &limits).await;
            for cost in [3, 1] {
                pair.charge("a", cost, "before").await;
            }
            pair.rest(days * DAY).await;
            pair.charge("a", 3, &format!("after {days} days")).await;
        }
    });
}

/// Runs a test whose time is paused, with a runtime whose time is not, and a server.
fn in_both(test: impl AsyncFnOnce(&Handle, &Server)) {
    let running = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let paused = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    paused.block_on(async {
        let server = Server::start();
        test(running.handle(), &server).await;
    });
}

/// Policies that random ones may miss: each algorithm alone, and all of them together.
fn fixed_policy(number: u64) -> Option<Vec<Limit>> {
    Some(match number {
        0 => vec![Limit::token_bucket(per_second(10), burst(3))],
        1 => vec![Limit::token_bucket(per_second(300_000), burst(7))],
        2 => vec![Limit::fixed(4, SECOND)],
        3 => vec![Limit::sliding(4, Duration::from_millis(1_600))],
        4 => vec![Limit::exact(4, SECOND)],
        5 => vec![
            Limit::token_bucket(per_second(5), burst(4)),
            Limit::sliding(9, Duration::from_millis(3_200)),
            Limit::fixed(12, Duration::from_secs(5)),
            Limit::exact(7, Duration::from_secs(2)),
        ],
        #[cfg(feature = "calendar")]
        6 => vec![Limit::calendar(
            4,
            palisade_ratelimit::Calendar::hour("UTC"),
        )],
        _ => return None,
    })
}

async fn compare(
    running: &Handle,
    server: &Server,
    number: u64,
    limits: &[Limit],
    mut rng: TestRng,
) {
    let mut pair = Pair::new(running, server, format!("p{number}"), limits).await;
    let pace = 10_u64.pow(rng.below(10) as u32);
    for step in 0..STEPS {
        let gap = match rng.below(3) {
            0 => 0,
            1 => rng.below(pace),
            _ => rng.below(pace / 50 + 1),
        };
        pair.rest(Duration::from_micros(gap)).await;
        let key = ["a", "b", "c"][rng.below(3) as usize];
        let place = format!("{limits:?}, step {step} of policy {number}");
        match rng.below(10) {
            0 => pair.peek(key, &place).await,
            1 | 2 if !pair.receipts.is_empty() => {
                let nth = rng.below(pair.receipts.len() as u64) as usize;
                pair.refund(nth).await;
                pair.peek(key, &place).await;
            }
            _ => {
                let cost = rng.cost();
                pair.charge(key, cost, &format!("{place}, cost {cost}"))
                    .await;
            }
        }
    }
}

/// One policy in both stores.
struct Pair {
    here: RateLimiter,
    there: RateLimiter,
    running: Handle,
    name: String,
    clock: SetClock,
    receipts: Vec<(Receipt, Receipt)>,
}

impl Pair {
    async fn new(running: &Handle, server: &Server, name: String, limits: &[Limit]) -> Self {
        let policy = || {
            let named = Policy::new(name.clone());
            limits
                .iter()
                .fold(named, |policy, limit| policy.limit(*limit))
        };
        let clock = SetClock::new();
        Self {
            // Both start on the same step of their clocks, because steps are counted from each store's own zero.
            there: in_redis(running, server, policy(), &clock).await,
            here: RateLimitLayer::builder()
                .policy(policy())
                .wall_clock(clock.wall())
                .build()
                .unwrap()
                .limiter(),
            running: running.clone(),
            receipts: Vec::new(),
            clock,
            name,
        }
    }

    /// Lets time pass.
    async fn rest(&self, time: Duration) {
        self.clock.advance(time.as_micros() as u64);
        tokio::time::advance(time).await;
    }

    async fn charge(&mut self, key: &'static str, cost: u32, place: &str) {
        let here = self.here.charge(&self.name, key, cost).await;
        let (asked, policy) = (self.there.clone(), self.name.clone());
        let charging = async move { asked.charge(&policy, key, cost).await };
        let there = elsewhere(&self.running, charging);
        let decision = |charged: &Result<Receipt, Decision>| match charged {
            Ok(receipt) => *receipt.decision(),
            Err(refused) => *refused,
        };
        assert_eq!(
            decision(&there),
            decision(&here),
            "Redis and memory, {place}"
        );
        self.receipts.extend(here.ok().zip(there.ok()));
    }

    async fn peek(&self, key: &'static str, place: &str) {
        let here = self.here.peek(&self.name, key).await;
        let (asked, policy) = (self.there.clone(), self.name.clone());
        let peeking = async move { asked.peek(&policy, key).await };
        let there = elsewhere(&self.running, peeking);
        assert_eq!(there, here, "Redis and memory, peek at {place}");
    }

    async fn refund(&mut self, nth: usize) {
        let (here, there) = self.receipts.swap_remove(nth);
        here.refund().await;
        elsewhere(&self.running, there.refund());
    }
}

async fn in_redis(
    running: &Handle,
    server: &Server,
    policy: Policy,
    clock: &SetClock,
) -> RateLimiter {
    let client = server.client();
    let redis = elsewhere(running, async move {
        let connection = multiplexed(&client).await;
        let send = persisting;
        Redis::new(Through { connection, send }).timeout(Duration::from_secs(5))
    });
    let redis = redis.caller_time(clock.wall()).remembered_refusals(0);
    limiter(policy, redis).await
}

/// Runs a future on the other runtime, whose clock runs.
fn elsewhere<T: Send + 'static>(
    running: &Handle,
    future: impl Future<Output = T> + Send + 'static,
) -> T {
    let (answer, answered) = std::sync::mpsc::channel();
    running.spawn(async move { answer.send(future.await) });
    answered.recv().unwrap()
}

/// Takes the time to live off each key at once: Redis lets keys run out by its own clock, and this test has another.
fn persisting(mut connection: MultiplexedConnection, command: Cmd) -> RedisFuture<'static, Value> {
    let key = match command.args_iter().nth(3) {
        Some(Arg::Simple(key)) => key.to_vec(),
        _ => Vec::new(),
    };
    Box::pin(async move {
        let mut both = redis::pipe();
        both.add_command(command).cmd("PERSIST").arg(key);
        let answers = connection.req_packed_commands(&both, 0, 2).await?;
        Ok(answers.into_iter().next().unwrap())
    })
}

/// Numbers that are the same in each run.
struct TestRng(u64);

impl TestRng {
    fn below(&mut self, bound: u64) -> u64 {
        // Knuth's MMIX generator, of which the upper bits are good.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 16) % bound
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    fn limits(&mut self) -> Vec<Limit> {
        let count = self.one_of(&[1, 1, 1, 2, 3, 8]);
        (0..count).map(|_| self.limit()).collect()
    }

    fn limit(&mut self) -> Limit {
        // A sixteenth of each is whole microseconds, and the clock begins at a multiple of all of them.
        let window = Duration::from_millis(
            self.one_of(&[2, 160, 900, 1_000, 1_600, 3_200, 60_000, 3_600_000]),
        );
        let quota = 1 + self.below(12) as u32;
        #[cfg(feature = "calendar")]
        if self.below(5) == 0 {
            return self.calendar(quota);
        }
        match self.below(5) {
            0 => Limit::fixed(quota, window),
            1 => Limit::exact(quota, window),
            2 => Limit::sliding(quota, window),
            _ => {
                let rate = self.one_of(&[1, 3, 7, 60, 1_000, 300_000, 1_000_000]);
                let size = self.one_of(&[1, 2, 5, 20, 1_000]);
                Limit::token_bucket(Rate::new(rate, window), burst(size))
            }
        }
    }

    #[cfg(feature = "calendar")]
    fn calendar(&mut self, quota: u32) -> Limit {
        use palisade_ratelimit::{Calendar, Weekday};
        let zone = self.one_of(&["UTC", "America/New_York", "Australia/Lord_Howe"]);
        let calendar = match self.below(5) {
            0 | 1 => Calendar::hour(zone),
            2 => Calendar::day(zone),
            3 => Calendar::week(zone, Weekday::Friday),
            _ => Calendar::month(zone),
        };
        Limit::calendar(quota, calendar)
    }

    fn cost(&mut self) -> u32 {
        let any = self.below(13) as u32;
        self.one_of(&[1, 1, 1, 1, 2, 0, any])
    }
}
