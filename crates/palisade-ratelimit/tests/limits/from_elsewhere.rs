//! The settings of other limiters in the guide, and that what stands beside them admits what they do.

#[cfg(feature = "wait")]
use std::time::Duration;

use crate::support::*;
use palisade_core::time::now;
use palisade_core::{ClientIp, PathSet};
use palisade_ratelimit::{
    DAY, HOUR, Headers, KeyChain, Limit, MINUTE, Memory, Policy, RateLimit, RateLimitBuilder,
    RateLimitLayer, Selection, burst, per_minute, per_second,
};

const GUIDE: &str = include_str!("../../../../docs/guides/from-nginx-express-and-flask.md");
const A: &str = "203.0.113.7";

/// Code that stands in the guide beside this setting.
macro_rules! beside {
    ($setting:literal, $code:expr) => {{
        assert_beside($setting, stringify!($code));
        $code
    }};
}

/// Likewise, of a builder.
macro_rules! built {
    ($builder:expr, $setting:literal, $($call:tt)*) => {{
        assert_beside($setting, stringify!($($call)*));
        $builder $($call)*
    }};
}

fn assert_beside(setting: &str, code: &str) {
    // How code is broken into lines does not matter, nor the escapes of a table, nor how an error is passed on.
    let plain = |text: &str| {
        let text = text
            .replace("\\|", "|")
            .replace(".unwrap()", "?")
            .replace(",)", ")");
        text.split_whitespace().collect::<String>()
    };
    let rows = GUIDE
        .lines()
        .filter(|line| line.starts_with(&format!("| {setting} | ")));
    let rows: Vec<_> = rows.map(plain).collect();
    let ending = plain(&format!("`{code}` |"));
    assert!(
        rows.iter().any(|row| row.ends_with(&ending)),
        "{setting}: {ending} is not in {rows:?}"
    );
}

fn limited(policy: Policy) -> RateLimitBuilder {
    RateLimitLayer::builder().policy(policy)
}

fn by(limit: Limit) -> RateLimit<Handler> {
    serve(&limited(Policy::new("api").limit(limit)).build().unwrap())
}

fn two_an_hour() -> RateLimitBuilder {
    limited(Policy::new("api").limit(Limit::fixed(2, HOUR)))
}

async fn at_once(service: &RateLimit<Handler>) -> usize {
    passed(service, 200, || from(A)).await
}

#[tokio::test(start_paused = true)]
async fn nginx_without_waiting() {
    let one = by(beside!(
        "`rate=10r/s`, `limit_req zone=one;`",
        Limit::token_bucket(per_second(10), burst(1))
    ));
    assert_eq!(at_once(&one).await, 1);
    advance(100).await;
    assert_eq!(at_once(&one).await, 1);
    let slow = by(beside!(
        "`rate=30r/m`, `limit_req zone=one;`",
        Limit::token_bucket(per_minute(30), burst(1))
    ));
    assert_eq!(at_once(&slow).await, 1);
    advance(1_999).await;
    assert_eq!(at_once(&slow).await, 0);
    advance(1).await;
    assert_eq!(at_once(&slow).await, 1);
    let bursts = by(beside!(
        "`rate=10r/s`, `burst=20 nodelay`",
        Limit::token_bucket(per_second(10), burst(21))
    ));
    assert_eq!(at_once(&bursts).await, 21);
    advance(500).await;
    assert_eq!(at_once(&bursts).await, 5);
}

/// The delays of so many requests at once, in milliseconds; none for those that are refused.
#[cfg(feature = "wait")]
async fn delays(policy: Policy, requests: u32) -> Vec<Option<u128>> {
    let limiter = limited(policy).build().unwrap().limiter();
    let mut delays = Vec::new();
    for _ in 0..requests {
        let decision = limiter.check("one", A, 1).await;
        delays.push(decision.is_allowed().then_some(decision.delay.as_millis()));
    }
    delays
}

#[cfg(feature = "wait")]
#[tokio::test(start_paused = true)]
async fn nginx_with_waiting() {
    let even = beside!(
        "`rate=10r/s`, `burst=20`",
        Policy::new("one")
            .limit(Limit::token_bucket(per_second(10), burst(1)))
            .wait(Duration::from_millis(2_000), 1_000)
    );
    let expected: Vec<_> = (0..=20).map(|n| Some(n * 100)).chain([None]).collect();
    assert_eq!(delays(even, 22).await, expected);
    let two_stages = beside!(
        "`rate=10r/s`, `burst=20 delay=8`",
        Policy::new("one")
            .limit(Limit::token_bucket(per_second(10), burst(9)))
            .wait(Duration::from_millis(1_200), 1_000)
    );
    let waiting = (1..=12).map(|n| Some(n * 100));
    let expected: Vec<_> = [Some(0); 9]
        .into_iter()
        .chain(waiting)
        .chain([None])
        .collect();
    assert_eq!(delays(two_stages, 22).await, expected);
}

#[tokio::test(start_paused = true)]
async fn nginx_around_the_rate() {
    let memory = built!(two_an_hour(), "`zone=one:10m`", .store(Memory::with_capacity(160_000)));
    let service = serve(&memory.build().unwrap());
    assert_eq!(at_once(&service).await, 2);
    let shadow = built!(two_an_hour(), "`limit_req_dry_run on;`", .shadow());
    assert_eq!(at_once(&serve(&shadow.build().unwrap())).await, 200);
    let proxied = built!(
        two_an_hour(),
        "`set_real_ip_from 10.0.0.0/8; real_ip_recursive on;`",
        .client_ip(ClientIp::trusting(["10.0.0.0/8"]).unwrap())
    );
    expect_forwarded(&serve(&proxied.build().unwrap()), "10.1.2.3").await;
    let keyed = built!(
        two_an_hour(),
        "`limit_req_zone $http_x_api_key`",
        .key(KeyChain::new().claimed_header("x-api-key").client_ip())
    );
    let service = serve(&keyed.build().unwrap());
    for key in ["one", "another"] {
        assert_eq!(
            passed(&service, 9, || with(from(A), "x-api-key", key)).await,
            2
        );
    }
}

/// The address that the proxy saw is counted, whatever the client put in front.
async fn expect_forwarded(service: &RateLimit<Handler>, proxy: &str) {
    for (spoofed, client, expected) in [
        ("1.1.1.1", "198.51.100.1", 2),
        ("2.2.2.2", "198.51.100.1", 0),
        ("1.1.1.1", "198.51.100.2", 2),
    ] {
        let forwarded = format!("{spoofed}, {client}");
        let through = || with(from(proxy), "x-forwarded-for", &forwarded);
        assert_eq!(passed(service, 9, through).await, expected, "{forwarded}");
    }
}

/// The number of nine requests that reach a handler which answers so.
async fn answered(policy: Policy, status: u16) -> usize {
    let service = serve(&limited(policy).build().unwrap());
    let mut answered = 0;
    for _ in 0..9 {
        let request = with(from(A), "want", &status.to_string());
        answered += usize::from(send(&service, request).await.status().as_u16() == status);
    }
    answered
}

#[tokio::test(start_paused = true)]
async fn express_windows_and_refunds() {
    let window = by(beside!(
        "`windowMs: 15 * 60 * 1000, limit: 100`",
        Limit::fixed(100, 15 * MINUTE)
    ));
    assert_eq!(at_once(&window).await, 100);
    advance(15 * 60 * 1_000 - 1).await;
    assert_eq!(at_once(&window).await, 0);
    advance(1).await;
    assert_eq!(at_once(&window).await, 100);
    let failures = beside!(
        "`skipSuccessfulRequests: true`",
        Policy::new("api")
            .limit(Limit::fixed(2, HOUR))
            .refund_when(|status| status.as_u16() < 400)
    );
    assert_eq!(answered(failures.clone(), 200).await, 9);
    assert_eq!(answered(failures.clone(), 302).await, 9);
    assert_eq!(answered(failures, 400).await, 2);
    let successes = beside!(
        "`skipFailedRequests: true`",
        Policy::new("api")
            .limit(Limit::fixed(2, HOUR))
            .refund_when(|status| status.as_u16() >= 400)
    );
    assert_eq!(answered(successes.clone(), 500).await, 9);
    assert_eq!(answered(successes, 399).await, 2);
}

#[tokio::test(start_paused = true)]
async fn express_around_the_window() {
    let standard = built!(
        two_an_hour(), "`standardHeaders: true, legacyHeaders: false`",
        .headers(Headers::RateLimit)
    );
    let answer = send(&serve(&standard.build().unwrap()), from(A)).await;
    assert_eq!(
        header(&answer, "ratelimit-policy"),
        Some("\"api\";q=2;w=3600")
    );
    assert_eq!(header(&answer, "x-ratelimit-limit"), None);
    let legacy = built!(
        two_an_hour(), "`standardHeaders: false, legacyHeaders: true`",
        .headers(Headers::XRateLimit)
    );
    let answer = send(&serve(&legacy.build().unwrap()), from(A)).await;
    assert_eq!(header(&answer, "ratelimit-policy"), None);
    assert_eq!(header(&answer, "x-ratelimit-limit"), Some("2"));
    let skipping = built!(
        two_an_hour(), "`skip: (req) => req.path === '/status'`",
        .exempt_paths(PathSet::of(["/status"]))
    );
    let service = serve(&skipping.build().unwrap());
    assert_eq!(
        passed(&service, 9, || to(from(A), "GET", "/status")).await,
        9
    );
    assert_eq!(at_once(&service).await, 2);
    let plans = built!(
        two_an_hour(), "`limit: (req) => req.get('x-plan') === 'pro' ? 5 : 2`",
        .select(|request| Selection::first().quota(if request.headers().get("x-plan").is_some_and(|plan| plan == "pro") { 5 } else { 2 }))
    );
    let service = serve(&plans.build().unwrap());
    assert_eq!(
        passed(&service, 9, || with(from(A), "x-plan", "pro")).await,
        5
    );
    assert_eq!(
        passed(&service, 9, || with(from("203.0.113.8"), "x-plan", "free")).await,
        2
    );
    let networks = built!(
        two_an_hour(), "`ipv6Subnet: 56`",
        .client_ip(ClientIp::peer().v6_prefix(56))
    );
    let service = serve(&networks.build().unwrap());
    assert_eq!(passed(&service, 9, || from("2001:db8:0:100::1")).await, 2);
    assert_eq!(passed(&service, 9, || from("2001:db8:0:1ff::1")).await, 0);
    assert_eq!(passed(&service, 9, || from("2001:db8:0:200::1")).await, 2);
    let hops = built!(
        two_an_hour(), "`app.set('trust proxy', 1)`",
        .client_ip("hops:1".parse::<ClientIp>().unwrap())
    );
    expect_forwarded(&serve(&hops.build().unwrap()), "192.0.2.1").await;
    let named = built!(
        two_an_hour(), "`app.set('trust proxy', 'loopback, 10.0.0.0/8')`",
        .client_ip("loopback, 10.0.0.0/8".parse::<ClientIp>().unwrap())
    );
    let service = serve(&named.build().unwrap());
    expect_forwarded(&service, "127.0.0.1").await;
    let direct = || with(from("192.0.2.1"), "x-forwarded-for", "198.51.100.7");
    assert_eq!(passed(&service, 9, direct).await, 2, "no proxy of ours");
    assert_eq!(passed(&service, 9, || from("192.0.2.1")).await, 0);
}

/// The time at which so many requests in a row have passed, in whole seconds, by one that asks each minute.
async fn seconds(policy: Policy, requests: usize) -> Vec<u64> {
    let service = serve(&limited(policy).build().unwrap());
    let (start, mut passed) = (now(), Vec::new());
    while passed.len() < requests {
        if status(&service, from(A)).await == 200 {
            passed.push(start.elapsed().as_secs());
        } else {
            tokio::time::advance(MINUTE).await;
        }
    }
    passed
}

#[tokio::test(start_paused = true)]
async fn flask_limits() {
    let fixed = beside!("`\"5 per minute\"`", Limit::fixed(5, MINUTE));
    let service = by(fixed);
    assert_eq!(at_once(&service).await, 5);
    advance(59_999).await;
    assert_eq!(at_once(&service).await, 0);
    advance(1).await;
    assert_eq!(at_once(&service).await, 5);
    let moving = beside!(
        "`\"5 per minute\"`, `strategy=\"moving-window\"`",
        Limit::exact(5, MINUTE)
    );
    let service = by(moving);
    assert_eq!(passed(&service, 2, || from(A)).await, 2);
    advance(30_000).await;
    assert_eq!(at_once(&service).await, 3);
    advance(30_000).await;
    assert_eq!(at_once(&service).await, 2, "those of a minute ago alone");
    let counter = beside!(
        "`\"1000 per day\"`, `strategy=\"sliding-window-counter\"`",
        Limit::sliding(1_000, DAY)
    );
    assert_eq!(passed(&by(counter), 1_500, || from(A)).await, 1_000);
    let both = beside!(
        "`\"6 per day; 2 per hour\"`",
        Policy::new("api")
            .limit(Limit::fixed(6, DAY))
            .limit(Limit::fixed(2, HOUR))
    );
    let (hour, day) = (3_600, 86_400);
    assert_eq!(
        seconds(both, 7).await,
        [0, 0, hour, hour, 2 * hour, 2 * hour, day]
    );
}

#[tokio::test(start_paused = true)]
async fn flask_around_the_limits() {
    let orders = two_an_hour().policy(Policy::new("orders").limit(Limit::fixed(1, DAY)));
    let routed = built!(
        orders, "`@limiter.limit(\"1 per day\", methods=[\"POST\"])`",
        .route("POST /orders", "orders")
    );
    let service = serve(&routed.build().unwrap());
    assert_eq!(
        passed(&service, 9, || to(from(A), "POST", "/orders")).await,
        1
    );
    assert_eq!(
        passed(&service, 9, || to(from(A), "GET", "/orders")).await,
        2
    );
    let exempt = built!(
        two_an_hour(), "`@limiter.exempt`",
        .exempt_paths(PathSet::of(["/ping"]))
    );
    let service = serve(&exempt.build().unwrap());
    assert_eq!(passed(&service, 9, || to(from(A), "GET", "/ping")).await, 9);
    let expensive = built!(two_an_hour(), "`cost=lambda: 2`", .cost(|_| 2));
    assert_eq!(at_once(&serve(&expensive.build().unwrap())).await, 1);
    let denied = beside!(
        "`deduct_when=lambda response: response.status_code == 401`",
        Policy::new("api")
            .limit(Limit::fixed(2, HOUR))
            .refund_when(|status| status != 401)
    );
    assert_eq!(answered(denied.clone(), 401).await, 2);
    assert_eq!(answered(denied, 200).await, 9);
    let all = limited(Policy::new("api").limit(Limit::fixed(3, HOUR)));
    let shared = built!(
        all, "`application_limits=[\"3 per hour\"]`",
        .key(KeyChain::new().verified(|_| Some("all".into())))
    );
    let service = serve(&shared.build().unwrap());
    assert_eq!(passed(&service, 2, || from("203.0.113.8")).await, 2);
    assert_eq!(at_once(&service).await, 1);
}

/// The tests above are all rows that there are.
#[test]
fn each_line_of_the_guide_is_tested() {
    let code = include_str!("from_elsewhere.rs").replace("\\\"", "\"");
    let rows = GUIDE.lines().filter(|line| line.starts_with("| `"));
    let untested: Vec<_> = rows
        .filter_map(|row| row.strip_prefix("| ")?.split(" | ").next())
        .filter(|setting| !code.contains(&format!("\"{setting}\"")))
        .collect();
    assert!(untested.is_empty(), "{untested:?}");
}
