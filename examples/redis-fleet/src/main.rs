//! Three processes, one limit: 50 in any ten seconds, counted in Redis.
//!
//! `REDIS_URL=redis://127.0.0.1:6379 cargo run -p redis-fleet` starts itself three times more. Each of the three asks
//! every 20 ms for five seconds, 250 times in all; together they are let through 50 times, whoever comes first.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use palisade::ratelimit::{Key, Limit, Policy, RateLimitLayer, RateLimiter, Redis};
use redis::aio::ConnectionManager;

const INSTANCE: &str = "REDIS_FLEET_INSTANCE";
const RUN: &str = "REDIS_FLEET_RUN";
const QUOTA: u32 = 50;

type Error = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let url = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".into());
    match std::env::var(INSTANCE) {
        Ok(name) => instance(&name, limiter(&url).await?).await,
        Err(_) => fleet(&url),
    }
}

/// The service of one process. The store makes the limit common to all of them.
async fn limiter(url: &str) -> Result<RateLimiter, Error> {
    let connection = ConnectionManager::new(redis::Client::open(url)?).await?;
    // A run of its own each time: what the last one used up is not this one's.
    let prefix = format!("redis-fleet-{}", std::env::var(RUN).unwrap_or_default());
    let shared = Policy::new("shared").limit(Limit::sliding(QUOTA, Duration::from_secs(10)));
    // Patient, for a laptop that is busy: each instance would count by itself while Redis does not answer.
    let store = Redis::new(connection)
        .prefix(&prefix)
        .timeout(Duration::from_secs(1));
    let layer = RateLimitLayer::builder()
        .policy(shared)
        .store(store)
        .build()?;
    Ok(layer.limiter())
}

async fn instance(name: &str, limiter: RateLimiter) -> Result<(), Error> {
    let mut every = tokio::time::interval(Duration::from_millis(20));
    let mut allowed = 0;
    for _ in 0..250 {
        every.tick().await;
        let decision = limiter.check("shared", Key::text("everybody"), 1).await;
        if decision.is_allowed() {
            allowed += 1;
            println!(
                "instance {name}: {allowed:3} let through, {:3} left for all",
                decision.remaining
            );
        }
    }
    println!("instance {name}: {allowed:3} let through in all");
    Ok(())
}

/// Starts the three, shows what they say, and adds up.
fn fleet(url: &str) -> Result<(), Error> {
    let run = std::process::id().to_string();
    let mut children = Vec::new();
    for name in ["1", "2", "3"] {
        let child = Command::new(std::env::current_exe()?)
            .envs([("REDIS_URL", url), (INSTANCE, name), (RUN, run.as_str())])
            .stdout(Stdio::piped())
            .spawn()?;
        children.push(child);
    }
    let readers: Vec<_> = children
        .iter_mut()
        .filter_map(|child| child.stdout.take())
        .map(|output| {
            std::thread::spawn(move || {
                let lines = BufReader::new(output).lines().map_while(Result::ok);
                lines
                    .inspect(|line| println!("{line}"))
                    .filter(|line| line.contains("left for all"))
                    .count()
            })
        })
        .collect();
    let total: usize = readers
        .into_iter()
        .map(|reader| reader.join().unwrap_or_default())
        .sum();
    for mut child in children {
        if !child.wait()?.success() {
            return Err(format!("an instance failed; is there a Redis at {url}?").into());
        }
    }
    println!("together: {total} of {QUOTA}");
    Ok(())
}
