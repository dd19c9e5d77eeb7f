//! One item for each limit in `RateLimit-Policy` and `RateLimit`.

use std::collections::HashSet;
use std::time::Duration;

use crate::support::*;
use http::Response;
use palisade_ratelimit::{
    HOUR, Headers, KeyChain, Limit, MINUTE, Policy, RateLimitBuilder, RateLimitLayer, Selection,
    burst, per_minute, per_second,
};
use sfv::{BareItem, List, ListEntry, Parser};
use tower::Layer;

const A: &str = "203.0.113.7";

/// A bucket of 60 a minute with bursts of 10, and 100 in any hour.
fn api() -> Policy {
    Policy::new("api")
        .limit(Limit::token_bucket(per_minute(60), burst(10)))
        .limit(Limit::sliding(100, HOUR))
}

fn listing(policy: Policy) -> RateLimitBuilder {
    RateLimitLayer::builder().policy(policy).list_limits()
}

fn both<B>(response: &Response<B>) -> (&str, &str) {
    let field = |name| header(response, name).unwrap();
    (field("ratelimit-policy"), field("ratelimit"))
}

/// The items of a field over all its lines: names and two numbers.
fn items<B>(response: &Response<B>, field: &str, keys: [&str; 2]) -> Vec<(String, [i64; 2])> {
    let lines = response.headers().get_all(field).iter();
    let lines: Vec<_> = lines.map(|line| line.to_str().unwrap()).collect();
    let list: List = Parser::new(&lines.join(", ")).parse().unwrap();
    let item = |entry: &ListEntry| {
        let ListEntry::Item(item) = entry else {
            panic!("{entry:?}")
        };
        let BareItem::String(name) = &item.bare_item else {
            panic!("{item:?}")
        };
        let number = |key: &str| match item.params.get(key) {
            Some(BareItem::Integer(number)) => i64::from(*number),
            other => panic!("{key}: {other:?}"),
        };
        assert_eq!(item.params.len(), 2);
        (name.as_str().to_owned(), keys.map(number))
    };
    list.iter().map(item).collect()
}

#[tokio::test(start_paused = true)]
async fn every_limit_that_was_asked_has_an_item() {
    let limits = listing(api())
        .key(KeyChain::new().claimed_header("x-id").client_ip())
        .ip_backstop(Limit::fixed(5, MINUTE))
        .v6_site_limit(Limit::fixed(1_000, MINUTE));
    let service = serve(&limits.build().unwrap());
    let claiming = || with(from("2001:db8:7::1"), "x-id", "device-1");
    let first = send(&service, claiming()).await;
    let policy =
        r#""api/1";q=60;w=60, "api/2";q=100;w=3600, "ip-backstop";q=5;w=60, "v6-site";q=1000;w=60"#;
    // 17 steps of 225 seconds.
    let left =
        r#""api/1";r=9;t=1, "api/2";r=99;t=3825, "ip-backstop";r=4;t=60, "v6-site";r=999;t=60"#;
    assert_eq!(both(&first), (policy, left));
    // The other family speaks of the closest.
    assert_eq!(header(&first, "x-ratelimit-limit"), Some("5"));
    assert_eq!(header(&first, "x-ratelimit-remaining"), Some("4"));
    tokio::time::advance(Duration::from_secs(2)).await;
    let second = send(&service, claiming()).await;
    let left =
        r#""api/1";r=9;t=1, "api/2";r=98;t=3823, "ip-backstop";r=3;t=58, "v6-site";r=998;t=58"#;
    assert_eq!(both(&second), (policy, left));
}

#[tokio::test(start_paused = true)]
async fn a_policy_of_one_limit_has_its_name_and_unasked_ones_have_no_item() {
    let one = Policy::new("one").limit(Limit::fixed(2, HOUR));
    let service = serve(&listing(one).policy(api()).build().unwrap());
    let response = send(&service, from(A)).await;
    assert_eq!(
        both(&response),
        (r#""one";q=2;w=3600"#, r#""one";r=1;t=3600"#)
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_lists_what_is_left_and_names_the_limit_that_refused() {
    let policy = Policy::new("api")
        .limit(Limit::fixed(1_000, HOUR))
        .limit(Limit::fixed(2, MINUTE));
    let service = serve(&listing(policy).build().unwrap());
    assert_eq!(passed(&service, 2, || from(A)).await, 2);
    for _ in 0..3 {
        let refused = send(&service, from(A)).await;
        assert_eq!(refused.status(), 429);
        // Nothing is charged by a refusal.
        let left = r#""api/1";r=998;t=3600, "api/2";r=0;t=60"#;
        assert_eq!(both(&refused).1, left);
        assert_eq!(header(&refused, "x-ratelimit-limit"), Some("2"));
        assert_eq!(header(&refused, "retry-after"), Some("60"));
        assert_eq!(json(refused).await["violated-policies"][0], "api/2");
    }
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_who_is_refused_sees_full_limits() {
    let limits = listing(api()).cost(|_| 11);
    let refused = send(&serve(&limits.build().unwrap()), from(A)).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(both(&refused).1, r#""api/1";r=10;t=0, "api/2";r=100;t=0"#);
}

#[tokio::test(start_paused = true)]
async fn a_quota_of_its_own_is_listed_in_its_own_measure() {
    let limits = listing(api()).select(|_| Selection::policy("api").quota(120));
    let response = send(&serve(&limits.build().unwrap()), from(A)).await;
    let policy = r#""api/1";q=120;w=60, "api/2";q=200;w=3600"#;
    let left = r#""api/1";r=19;t=1, "api/2";r=199;t=3825"#;
    assert_eq!(both(&response), (policy, left));
}

#[tokio::test(start_paused = true)]
async fn two_layers_add_a_line_each_and_no_name_twice() {
    let outer = listing(api()).build().unwrap();
    let other = Policy::new("other").limit(Limit::fixed(3, MINUTE));
    let inner = listing(other).build().unwrap();
    let both_layers = outer.layer(serve(&inner));
    let response = send(&both_layers, from(A)).await;
    let names: Vec<_> = items(&response, "ratelimit-policy", ["q", "w"])
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["other", "api/1", "api/2"]);
    let left = items(&response, "ratelimit", ["r", "t"]);
    assert_eq!(left[0], ("other".into(), [2, 60]));
    assert_eq!(
        header(&response, "x-ratelimit-limit"),
        Some("3"),
        "the closest"
    );
    // The same policy once more, in a layer of its own.
    let again = listing(api()).build().unwrap().layer(both_layers);
    let response = send(&again, from(A)).await;
    assert_eq!(items(&response, "ratelimit", ["r", "t"]).len(), 3);
    // A stack of many layers does not grow the fields without end.
    let layers: Vec<_> = (0..9)
        .map(|number| Policy::new(format!("p{number}")).limit(Limit::fixed(9, MINUTE)))
        .map(|policy| listing(policy).build().unwrap())
        .collect();
    let stack = layers[0].layer(layers[1].layer(
        layers[2].layer(layers[3].layer(layers[4].layer(layers[5].layer(serve(&layers[6]))))),
    ));
    let response = send(&stack, from(A)).await;
    assert_eq!(items(&response, "ratelimit", ["r", "t"]).len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_tells_of_the_closest_leaves_a_list_that_has_a_closer_one() {
    let inner = Policy::new("inner")
        .limit(Limit::fixed(100, HOUR))
        .limit(Limit::fixed(3, HOUR));
    let inner = listing(inner).headers(Headers::RateLimit).build().unwrap();
    let outer = Policy::new("outer").limit(Limit::fixed(50, HOUR));
    let outer = RateLimitLayer::builder().policy(outer);
    let outer = outer.headers(Headers::RateLimit).build().unwrap();
    let response = send(&outer.layer(serve(&inner)), from(A)).await;
    let left = r#""inner/1";r=99;t=3600, "inner/2";r=2;t=3600"#;
    assert_eq!(both(&response).1, left);
}

#[tokio::test(start_paused = true)]
async fn without_it_the_closest_alone_is_told() {
    let service = serve(&RateLimitLayer::builder().policy(api()).build().unwrap());
    let response = send(&service, from(A)).await;
    assert_eq!(both(&response), (r#""api";q=60;w=60"#, r#""api";r=9;t=1"#));
    // Nor does it write what was switched off.
    let off = listing(api()).headers(Headers::XRateLimit).build().unwrap();
    let response = send(&serve(&off), from(A)).await;
    assert_eq!(header(&response, "ratelimit"), None);
    assert_eq!(header(&response, "x-ratelimit-remaining"), Some("9"));
    let alone = listing(api()).headers(Headers::RateLimit).build().unwrap();
    let response = send(&serve(&alone), from(A)).await;
    assert_eq!(header(&response, "x-ratelimit-remaining"), None);
    assert_eq!(items(&response, "ratelimit", ["r", "t"]).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_longest_lists_parse_with_names_that_are_unique() {
    let name = "n".repeat(64);
    let limits = [
        Limit::token_bucket(per_second(u32::MAX), burst(u32::MAX)),
        Limit::fixed(u32::MAX, HOUR),
        Limit::sliding(u32::MAX, HOUR),
        Limit::exact(64, HOUR),
        Limit::fixed(u32::MAX, HOUR * 24 * 366),
        Limit::fixed(u32::MAX, Duration::from_millis(1_500)),
        Limit::sliding(65_535, HOUR),
        Limit::token_bucket(per_second(1), burst(9)),
    ];
    let policy = limits.into_iter().fold(Policy::new(name), Policy::limit);
    let layer = listing(policy)
        .key(KeyChain::new().claimed_header("x-id").client_ip())
        .v6_site_limit(Limit::fixed(9, MINUTE))
        .build()
        .unwrap();
    let response = send(&serve(&layer), with(from("2001:db8::1"), "x-id", "a")).await;
    let policies = items(&response, "ratelimit-policy", ["q", "w"]);
    let left = items(&response, "ratelimit", ["r", "t"]);
    assert_eq!((policies.len(), left.len()), (10, 10));
    let names: HashSet<_> = left.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), 10);
    assert!(
        policies
            .iter()
            .zip(&left)
            .all(|(one, other)| one.0 == other.0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_response_that_gives_its_charge_back_lists_too() {
    let policy = api().refund_when(|status| status.is_success());
    let service = serve(&listing(policy).build().unwrap());
    for _ in 0..3 {
        let response = send(&service, from(A)).await;
        assert_eq!(both(&response).1, r#""api/1";r=9;t=1, "api/2";r=99;t=3825"#);
    }
}

#[cfg(feature = "serde")]
#[tokio::test(start_paused = true)]
async fn a_file_can_say_so() {
    let text = r#"{"list_limits": true, "policies": [{"name": "api", "limits": [
        {"rate": 1}, {"quota": 9, "window": "1m"}]}]}"#;
    let config: palisade_ratelimit::RateLimitConfig = serde_json::from_str(text).unwrap();
    let layer = config.builder().unwrap().build().unwrap();
    let response = send(&serve(&layer), from(A)).await;
    assert_eq!(both(&response).0, r#""api/1";q=1;w=1, "api/2";q=9;w=60"#);
}

#[cfg(feature = "redis")]
mod in_redis {
    use std::time::Duration;

    use palisade_core::time::{UnixTime, WallClock};
    use palisade_ratelimit::{Outage, Redis};

    use super::*;
    use crate::server::{Server, multiplexed};

    /// On a multiple of every step of the limits, as memory is at its beginning.
    fn set() -> WallClock {
        WallClock::from_fn(|| UnixTime::from_secs(1_800_000_000))
    }

    async fn store(server: &Server) -> Redis {
        Redis::new(multiplexed(&server.client()).await)
            .timeout(Duration::from_secs(5))
            .caller_time(set())
            .remembered_refusals(0)
    }

    #[tokio::test]
    async fn redis_lists_what_memory_lists() {
        let server = Server::start();
        let policy = || {
            api()
                .limit(Limit::fixed(3, MINUTE))
                .limit(Limit::exact(9, HOUR))
        };
        let single = || Policy::new("single").limit(Limit::token_bucket(per_minute(1), burst(2)));
        for (name, policy, passes) in [("api", policy(), 3), ("single", single(), 2)] {
            let limits = listing(policy.clone().on_outage(Outage::Deny));
            let service = serve(&limits.store(store(&server).await).build().unwrap());
            for number in 0..5 {
                let response = send(&service, from(A)).await;
                assert_eq!(response.status().is_success(), number < passes, "{name}");
                let charged = number.min(passes - 1) + 1;
                let expected = match name {
                    "api" => [
                        format!("\"api/1\";r={};t={charged}", 10 - charged),
                        format!("\"api/2\";r={};t=3825", 100 - charged),
                        format!("\"api/3\";r={};t=60", 3 - charged),
                        format!("\"api/4\";r={};t=3600", 9 - charged),
                    ]
                    .join(", "),
                    _ => format!("\"single\";r={};t={}", 2 - charged, 60 * charged),
                };
                assert_eq!(both(&response).1, expected, "{name} {number}");
            }
        }
    }

    #[tokio::test]
    async fn while_redis_is_down_the_limits_of_this_process_are_listed() {
        let mut server = Server::start();
        let service = serve(&listing(api()).store(store(&server).await).build().unwrap());
        server.kill();
        let response = send(&service, from(A)).await;
        assert_eq!(response.status(), 200);
        let left = items(&response, "ratelimit", ["r", "t"]);
        assert_eq!(left[0].1[0], 9);
        assert_eq!(left[1].1[0], 99);
    }

    #[tokio::test]
    async fn a_refusal_that_was_remembered_tells_of_the_limit_that_refused() {
        let server = Server::start();
        let policy = api().limit(Limit::fixed(1, HOUR));
        let store = Redis::new(multiplexed(&server.client()).await).timeout(Duration::from_secs(5));
        let service = serve(&listing(policy).store(store).build().unwrap());
        assert_eq!(passed(&service, 2, || from(A)).await, 1);
        let refused = send(&service, from(A)).await;
        assert_eq!(both(&refused).0, "\"api/3\";q=1;w=3600");
        assert_eq!(json(refused).await["violated-policies"][0], "api/3");
    }
}
