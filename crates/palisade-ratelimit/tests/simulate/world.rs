//! Instances, a network and the servers of a cluster, on paused time.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use palisade_ratelimit::simulate::Shard;
use palisade_ratelimit::{
    Key, Limit, Memory, Outage, Policy, RateLimitLayer, RateLimiter, Redis, burst, per_second,
};
use redis::aio::ConnectionLike;
use redis::{Arg, Cmd, Pipeline, RedisFuture, Value};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// A fault in the middle third of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    None,
    /// The first shard answers nobody, and has lost its keys when it is back.
    LostShard,
    /// So many instances reach no shard.
    CutOff(usize),
}

/// One run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    pub(crate) instances: usize,
    pub(crate) shards: usize,
    pub(crate) keys: usize,
    /// Tokens a second of each key, and its burst.
    pub(crate) rate: u32,
    pub(crate) burst: u32,
    pub(crate) lease: u32,
    /// The requests of a key over its rate.
    pub(crate) demand: f64,
    pub(crate) seconds: u64,
    /// The shortest and the longest way from an instance to a shard, or back, in milliseconds.
    pub(crate) way: (u64, u64),
    /// Of a thousand messages so many take longer than an instance waits.
    pub(crate) slow: u64,
    pub(crate) fault: Fault,
    pub(crate) outage: Outage,
}

impl Scenario {
    pub(crate) fn of(instances: usize, shards: usize, keys: usize, lease: u32) -> Self {
        Self {
            seed: 1,
            instances,
            shards,
            keys,
            rate: 50,
            burst: 50,
            lease,
            demand: 2.0,
            seconds: 12,
            way: (1, 4),
            slow: 0,
            fault: Fault::None,
            outage: Outage::default(),
        }
    }

    fn policy(&self) -> Policy {
        Policy::new("api")
            .limit(Limit::token_bucket(
                per_second(self.rate),
                burst(self.burst),
            ))
            .lease(self.lease)
            .on_outage(self.outage)
    }

    /// The requests that the limit allows each key from the beginning to the end.
    fn allowed(&self) -> u64 {
        u64::from(self.burst) + u64::from(self.rate) * self.seconds
    }

    /// The middle third, in milliseconds.
    fn middle(&self) -> std::ops::Range<u64> {
        self.seconds * 1_000 / 3..self.seconds * 2_000 / 3
    }
}

/// The figures of a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) offered: u64,
    pub(crate) admitted: u64,
    pub(crate) allowed: u64,
    /// The most that a key was admitted beyond its rate in any time, to be compared with its burst.
    pub(crate) worst: f64,
    /// Calls a second of each shard.
    pub(crate) calls: Vec<f64>,
    /// Admitted over the rate in the middle third: for the keys of the first shard, and for all others.
    pub(crate) middle: [f64; 2],
}

impl Outcome {
    pub(crate) fn over(&self) -> f64 {
        self.admitted as f64 / self.allowed as f64
    }

    pub(crate) fn unused(&self) -> f64 {
        1.0 - self.over().min(1.0)
    }

    /// Of all requests.
    pub(crate) fn refused(&self) -> f64 {
        1.0 - self.admitted as f64 / self.offered as f64
    }

    pub(crate) fn busiest(&self) -> f64 {
        self.calls.iter().copied().fold(0.0, f64::max)
    }

    pub(crate) fn mean(&self) -> f64 {
        self.calls.iter().sum::<f64>() / self.calls.len() as f64
    }
}

/// Random numbers that are the same in each run: SplitMix64 (Steele, Lea and Flood, 2014).
struct TestRng(u64);

impl TestRng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// The time to the next of events that come at random, so many a second (a Poisson process).
    fn gap(&mut self, rate: f64) -> f64 {
        let uniform = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        -(1.0 - uniform).ln() / rate
    }
}

struct World {
    scenario: Scenario,
    began: Instant,
    shards: Vec<Shard>,
    rng: TestRng,
}

impl World {
    fn millis(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap()
    }

    /// The way of one message, in milliseconds.
    fn way(&mut self) -> u64 {
        let Scenario { way, slow, .. } = self.scenario;
        let longer = if self.rng.below(1_000) < slow { 40 } else { 0 };
        way.0 + self.rng.below(way.1 - way.0 + 1) + longer
    }

    fn reaches(&self, instance: usize, shard: usize) -> bool {
        let fault = match self.scenario.fault {
            Fault::None => false,
            Fault::LostShard => shard == 0,
            Fault::CutOff(instances) => instance < instances,
        };
        !(fault && self.scenario.middle().contains(&self.millis()))
    }
}

/// The shard of a key: FNV-1a over its name, as a cluster takes a check sum of it.
fn shard_of(key: &[u8], shards: usize) -> usize {
    let hash = key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    ((hash >> 32) % shards as u64) as usize
}

/// The connection of one instance to all shards.
#[derive(Clone)]
struct Network {
    world: Arc<Mutex<World>>,
    instance: usize,
}

impl Network {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }
}

impl ConnectionLike for Network {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let Some(Arg::Simple(key)) = command.args_iter().nth(3) else {
                // `INFO`, for the look at a server when a layer is built.
                return Ok(Value::Nil);
            };
            let there = self.world().way();
            sleep(Duration::from_millis(there)).await;
            let (answer, back) = {
                let mut world = self.world();
                let shard = shard_of(key, world.shards.len());
                let reached = world.reaches(self.instance, shard);
                let now = world.began.elapsed() + Duration::from_secs(1_000);
                let answer = reached.then(|| world.shards[shard].answer(command, now));
                (answer, world.way())
            };
            match answer {
                Some(answer) => {
                    sleep(Duration::from_millis(back)).await;
                    Ok(answer)
                }
                None => std::future::pending().await,
            }
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        _: &'a Pipeline,
        _: usize,
        _: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn get_db(&self) -> i64 {
        0
    }
}

/// Runs a scenario on a runtime of its own, whose time is paused.
pub(crate) fn run(scenario: Scenario) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(simulate(scenario))
}

/// A request that was admitted: its key, and when, in milliseconds.
type Admitted = (usize, u64);

async fn simulate(scenario: Scenario) -> Outcome {
    let shard = |_| Shard::new(&scenario.policy()).unwrap();
    let world = Arc::new(Mutex::new(World {
        scenario,
        began: Instant::now(),
        shards: (0..scenario.shards).map(shard).collect(),
        rng: TestRng(scenario.seed),
    }));
    let instance = |instance| {
        limiter(
            &scenario,
            Network {
                world: Arc::clone(&world),
                instance,
            },
        )
    };
    let limiters: Vec<_> = (0..scenario.instances).map(instance).collect();
    let names: Vec<_> = (0..scenario.keys).map(|key| format!("key-{key}")).collect();
    let began = world.lock().unwrap().began;
    let mut rng = TestRng(scenario.seed.wrapping_mul(31));
    let mut asked = JoinSet::new();
    let (mut offered, mut seconds, mut lost) = (0, 0.0, false);
    let all = f64::from(scenario.rate) * scenario.demand * scenario.keys as f64;
    loop {
        seconds += rng.gap(all);
        if seconds >= scenario.seconds as f64 {
            break;
        }
        sleep_until(began + Duration::from_secs_f64(seconds)).await;
        if !lost && began.elapsed().as_millis() as u64 >= scenario.middle().end {
            lost = true;
            if scenario.fault == Fault::LostShard {
                world.lock().unwrap().shards[0].forget();
            }
        }
        offered += 1;
        let key = rng.below(scenario.keys as u64) as usize;
        let limiter = limiters[rng.below(scenario.instances as u64) as usize].clone();
        let name = names[key].clone();
        asked.spawn(async move {
            let decision = limiter.check("api", Key::text(&name), 1).await;
            let millis = u64::try_from(began.elapsed().as_millis()).unwrap();
            decision.is_allowed().then_some((key, millis))
        });
    }
    let mut admitted: Vec<Admitted> = asked.join_all().await.into_iter().flatten().collect();
    admitted.sort_unstable_by_key(|(key, millis)| (*millis, *key));
    let world = world.lock().unwrap();
    let calls = world
        .shards
        .iter()
        .map(|shard| shard.calls() as f64 / scenario.seconds as f64);
    Outcome {
        offered,
        admitted: admitted.len() as u64,
        allowed: scenario.allowed() * scenario.keys as u64,
        worst: worst(&scenario, &admitted),
        calls: calls.collect(),
        middle: middle(&scenario, &admitted, &limiters_keys(&scenario, &names)),
    }
}

fn limiter(scenario: &Scenario, network: Network) -> RateLimiter {
    let redis = Redis::new(network).local(Memory::with_capacity(64));
    let layer = RateLimitLayer::builder()
        .policy(scenario.policy())
        .store(redis)
        .build();
    layer.unwrap().limiter()
}

/// The shard of each key: that of the name which the store gives it.
fn limiters_keys(scenario: &Scenario, names: &[String]) -> Vec<usize> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    #[derive(Clone)]
    struct Look(Arc<Mutex<Vec<Vec<u8>>>>);
    impl ConnectionLike for Look {
        fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
            if let Some(Arg::Simple(key)) = command.args_iter().nth(3) {
                self.0.lock().unwrap().push(key.to_vec());
            }
            Box::pin(async { Ok(Value::Nil) })
        }
        fn req_packed_commands<'a>(
            &'a mut self,
            _: &'a Pipeline,
            _: usize,
            _: usize,
        ) -> RedisFuture<'a, Vec<Value>> {
            Box::pin(async { Ok(Vec::new()) })
        }
        fn get_db(&self) -> i64 {
            0
        }
    }
    for name in names {
        let redis = Redis::new(Look(Arc::clone(&seen)));
        let layer = RateLimitLayer::builder()
            .policy(scenario.policy())
            .store(redis);
        let limiter = layer.build().unwrap().limiter();
        let mut asking = Box::pin(async { limiter.peek("api", Key::text(name)).await });
        let waker = std::task::Waker::noop();
        let _ = asking
            .as_mut()
            .poll(&mut std::task::Context::from_waker(waker));
    }
    let seen = seen.lock().unwrap();
    seen.iter()
        .map(|key| shard_of(key, scenario.shards))
        .collect()
}

/// The most that was admitted of one key in any time beyond the rate: the level of a bucket that leaks at the rate.
fn worst(scenario: &Scenario, admitted: &[Admitted]) -> f64 {
    let mut levels = vec![(0.0_f64, 0_u64); scenario.keys];
    let mut worst = 0.0_f64;
    for (key, millis) in admitted {
        let (level, last) = &mut levels[*key];
        let leaked = (millis - *last) as f64 * f64::from(scenario.rate) / 1_000.0;
        (*level, *last) = ((*level - leaked).max(0.0) + 1.0, *millis);
        worst = worst.max(*level);
    }
    worst
}

fn middle(scenario: &Scenario, admitted: &[Admitted], shards: &[usize]) -> [f64; 2] {
    let middle = scenario.middle();
    let rate = f64::from(scenario.rate) * (middle.end - middle.start) as f64 / 1_000.0;
    [true, false].map(|first| {
        let keys = shards
            .iter()
            .filter(|shard| (**shard == 0) == first)
            .count();
        let inside = admitted
            .iter()
            .filter(|(key, millis)| middle.contains(millis) && (shards[*key] == 0) == first);
        inside.count() as f64 / (rate * keys as f64).max(1.0)
    })
}
