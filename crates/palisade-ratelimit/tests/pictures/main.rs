//! The pictures of `docs/algorithms.md`: what each algorithm admits of the same arrivals.
//!
//! The limiter itself is asked, on paused time, so that a picture shows what it does. `cargo xtask pictures` writes them.

mod draw;

use std::path::PathBuf;
use std::time::Duration;

use draw::{Phase, Picture};
use palisade_ratelimit::{Limit, MINUTE, Policy, RateLimitLayer, burst, per_minute};

const QUOTA: u32 = 10;

/// The phases of the eight minutes of every picture, in seconds.
const PHASES: [Phase; 3] = [
    Phase {
        name: "a trickle",
        from: 0,
        until: 120,
    },
    Phase {
        name: "bursts around an edge",
        from: 175,
        until: 250,
    },
    Phase {
        name: "a flood",
        from: 330,
        until: 450,
    },
];
const END: u64 = 480;

/// The times at which requests come, in seconds.
///
/// The one at 180 opens a fixed window, which ends at 240: the two bursts lie on either side of its edge.
fn arrivals() -> Vec<u64> {
    let trickle = (0..120).step_by(10);
    let edge = [180, 236, 241].into_iter().zip([1, 12, 12]);
    let bursts = edge.flat_map(|(second, count)| std::iter::repeat_n(second, count));
    let flood = (330..=450).step_by(2);
    trickle.chain(bursts).chain(flood).collect()
}

struct Case {
    file: &'static str,
    title: &'static str,
    limit: Limit,
}

const CASES: [Case; 4] = [
    Case {
        file: "limit-token-bucket.svg",
        title: "Token bucket: 10 a minute, bursts of 10",
        limit: Limit::token_bucket(per_minute(QUOTA), burst(QUOTA)),
    },
    Case {
        file: "limit-fixed-window.svg",
        title: "Fixed window: 10 in each minute",
        limit: Limit::fixed(QUOTA, MINUTE),
    },
    Case {
        file: "limit-sliding-window.svg",
        title: "Sliding window: 10 in any minute",
        limit: Limit::sliding(QUOTA, MINUTE),
    },
    Case {
        file: "limit-exact-log.svg",
        title: "Exact log: 10 in any minute",
        limit: Limit::exact(QUOTA, MINUTE),
    },
];

/// The times of the arrivals that pass.
async fn admitted(limit: Limit) -> Vec<u64> {
    let layer = RateLimitLayer::builder()
        .policy(Policy::new("picture").limit(limit))
        .build()
        .unwrap();
    let limiter = layer.limiter();
    let (mut now, mut admitted) = (0, Vec::new());
    for arrival in arrivals() {
        tokio::time::advance(Duration::from_secs(arrival - now)).await;
        now = arrival;
        if limiter.check("picture", "client", 1).await.is_allowed() {
            admitted.push(now);
        }
    }
    admitted
}

/// The most that lie in any (t - 60 s, t].
fn worst_minute(times: &[u64]) -> usize {
    let within = |end: &u64| {
        times
            .iter()
            .filter(|time| *time <= end && **time + 60 > *end)
            .count()
    };
    times.iter().map(within).max().unwrap_or(0)
}

/// The figures of `docs/algorithms.md`, worked out by hand from the definitions.
#[tokio::test(start_paused = true)]
async fn each_algorithm_admits_what_its_definition_says() {
    assert_eq!(arrivals().len(), 12 + 1 + 12 + 12 + 61);
    let expected = [
        // The trickle, 1 and 10 of the bursts, and of the flood 10 at once and one every 6 s for 120 s.
        (12 + 1 + 10 + 30, 19),
        // 9 are left to the window that ends at 240, and 10 to the next; the flood opens three windows.
        (12 + 1 + 9 + 10 + (10 + 10 + 1), 19),
        // The step of 3.75 s in which 180 lies is let go at 243.75. Of the flood's first 10, two each lie in the steps
        // that begin at 330, 333.75, 337.5, 341.25 and 345, so that two each are free from 393.75 to 408.75.
        (12 + 1 + 9 + (10 + 10), 10),
        // 180 is let go at 240, and so one of the second burst passes; the flood's 10 are let go as they came.
        (12 + 1 + 9 + 1 + (10 + 10 + 1), 10),
    ];
    for (case, expected) in CASES.iter().zip(expected) {
        let times = admitted(case.limit).await;
        assert_eq!(
            (times.len(), worst_minute(&times)),
            expected,
            "{}",
            case.title
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_pictures_show_what_the_limiter_does() {
    let images = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/images");
    let write = std::env::var_os("PALISADE_WRITE_PICTURES").is_some();
    for case in CASES {
        let picture = Picture {
            title: case.title,
            quota: u64::from(QUOTA),
            window: MINUTE.as_secs(),
            end: END,
            phases: &PHASES,
            arrivals: &arrivals(),
            admitted: &admitted(case.limit).await,
        };
        let (path, svg) = (images.join(case.file), picture.draw());
        if write {
            std::fs::write(&path, &svg).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == svg,
            "docs/images/{} is not what the limiter does; `cargo xtask pictures` writes it anew",
            case.file
        );
    }
}
