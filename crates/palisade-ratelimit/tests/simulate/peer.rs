//! The server of the simulation direct a real one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use palisade_core::time::{UnixTime, WallClock};
use palisade_ratelimit::simulate::Shard;
use palisade_ratelimit::{
    Key, Limit, Outage, Policy, RateLimiter, Redis, SECOND, burst, per_second,
};
use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisFuture, Value};

use crate::server::{Server, limiter, multiplexed};

/// A connection to a server without a way between, by a clock that is set.
#[derive(Clone)]
struct DirectConnection {
    shard: Arc<Mutex<Shard>>,
    micros: Arc<Mutex<u64>>,
}

impl ConnectionLike for DirectConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        let now = Duration::from_micros(*self.micros.lock().unwrap());
        let answer = self.shard.lock().unwrap().answer(command, now);
        Box::pin(async { Ok(answer) })
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

#[tokio::test]
async fn the_server_of_the_simulation_answers_as_redis_does() {
    let server = Server::start();
    let bucket = Limit::token_bucket(per_second(10), burst(20));
    let fixed = Limit::fixed(20, 5 * SECOND);
    for (number, (limit, lease)) in [(bucket, 1), (bucket, 4), (fixed, 1), (fixed, 4)]
        .into_iter()
        .enumerate()
    {
        let policy = || {
            let policy = Policy::new(format!("p{number}")).limit(limit);
            policy.lease(lease).on_outage(Outage::Deny)
        };
        let micros = Arc::new(Mutex::new(1_800_000_000_000_000));
        let set = Arc::clone(&micros);
        let clock = move || {
            let set = Arc::clone(&set);
            let read = move || UnixTime::from_duration(Duration::from_micros(*set.lock().unwrap()));
            WallClock::from_fn(read)
        };
        let direct = DirectConnection {
            shard: Arc::new(Mutex::new(Shard::new(&policy()).unwrap())),
            micros: Arc::clone(&micros),
        };
        let redis = Redis::new(multiplexed(&server.client()).await);
        let there = settle(policy(), redis, clock()).await;
        let here = settle(policy(), Redis::new(direct), clock()).await;
        let name = format!("p{number}");
        for step in 0..60_u32 {
            // Leases run by the clock of the process: theirs stands.
            if lease == 1 {
                *micros.lock().unwrap() += u64::from(step % 7) * 50_000;
            }
            let (key, cost) = (["a", "b"][(step % 2) as usize], step % 4);
            let [one, two] =
                [&here, &there].map(|limiter| limiter.check(&name, Key::text(key), cost));
            let (one, two) = (one.await, two.await);
            // What the process reads off its own clock differs between the two by what they take.
            let told =
                |decision: palisade_ratelimit::Decision| (decision.outcome, decision.remaining);
            assert_eq!(
                told(one),
                told(two),
                "{limit:?}, lease {lease}, step {step}"
            );
            if lease == 1 {
                assert_eq!(one, two, "{limit:?}, step {step}");
            }
        }
    }
}

async fn settle(policy: Policy, redis: Redis, clock: WallClock) -> RateLimiter {
    let patient = redis.timeout(Duration::from_secs(5));
    limiter(policy, patient.caller_time(clock).remembered_refusals(0)).await
}
