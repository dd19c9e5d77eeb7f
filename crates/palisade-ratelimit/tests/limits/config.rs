//! Limits from files and from the environment.

use crate::support::*;
use palisade_ratelimit::{
    Key, Limit, Memory, RateLimitBuilder, RateLimitConfig, RateLimitLayer, burst, per_second,
};

fn read(text: &str) -> RateLimitConfig {
    serde_json::from_str(text).unwrap()
}

fn env(pairs: &[(&str, &str)]) -> Result<Option<Limit>, String> {
    let find = |name: &str| {
        pairs
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| (*value).to_owned())
    };
    Limit::from_env(find).map_err(|error| error.to_string())
}

#[test]
fn the_environment_names_a_token_bucket() {
    let bucket = |rate, size| Ok(Some(Limit::token_bucket(per_second(rate), burst(size))));
    assert_eq!(env(&[]), Ok(None));
    assert_eq!(
        env(&[
            ("RATE_LIMIT_REQUESTS_PER_SECOND", "10"),
            ("RATE_LIMIT_BURST", " 20 ")
        ]),
        bucket(10, 20)
    );
    assert_eq!(env(&[("RATE_LIMIT_PER_SECOND", "5")]), bucket(5, 10));
    assert_eq!(
        env(&[
            ("RATE_LIMIT_PER_SECOND", "5"),
            ("RATE_LIMIT_REQUESTS_PER_SECOND", "5")
        ]),
        bucket(5, 10)
    );
}

#[test]
fn a_variable_without_a_value_is_not_set() {
    let bucket = |rate, size| Ok(Some(Limit::token_bucket(per_second(rate), burst(size))));
    assert_eq!(
        env(&[("RATE_LIMIT_PER_SECOND", ""), ("RATE_LIMIT_BURST", " ")]),
        Ok(None)
    );
    let rate = ("RATE_LIMIT_PER_SECOND", "5");
    assert_eq!(env(&[rate, ("RATE_LIMIT_BURST", "")]), bucket(5, 10));
    assert_eq!(
        env(&[rate, ("RATE_LIMIT_REQUESTS_PER_SECOND", "")]),
        bucket(5, 10)
    );
    let alone = env(&[("RATE_LIMIT_BURST", "5"), ("RATE_LIMIT_PER_SECOND", "")]);
    assert!(alone.unwrap_err().contains("RATE_LIMIT_BURST: is set, but"));
}

#[tokio::test(start_paused = true)]
async fn a_file_names_proxies_and_the_statuses_that_are_refunded() {
    let config = read(
        r#"{
            "policies": [{
                "name": "api",
                "limits": [{ "quota": 3, "window": "1h", "kind": "fixed" }],
                "refund": ["304", "4xx"]
            }],
            "client_ip": "10.0.0.0/8, loopback,",
            "forwarded_header": "forwarded",
            "v6_prefix": 48
        }"#,
    );
    let service = serve(&config.builder().unwrap().build().unwrap());
    let request = |peer: &str, client: &str, want: &str| {
        let request = with(from(peer), "forwarded", &format!("for=\"[{client}]\""));
        with(request, "want", want)
    };
    for want in ["304", "400", "499"] {
        let refunded = || request("10.0.0.1", "2001:db8:1:2::3", want);
        assert_eq!(send(&service, refunded()).await.status().as_str(), want);
    }
    let behind = |client: &'static str| move || request("127.0.0.1", client, "200");
    assert_eq!(passed(&service, 9, behind("2001:db8:1:4::5")).await, 3);
    assert_eq!(
        passed(&service, 9, behind("2001:db8:1:6::7")).await,
        0,
        "the same /48"
    );
    assert_eq!(passed(&service, 9, behind("2001:db8:2::")).await, 3);
    for want in ["303", "305", "399", "500"] {
        let charged = request("10.0.0.1", "2001:db8:3::", want);
        let expected = if want == "500" { "429" } else { want };
        assert_eq!(send(&service, charged).await.status().as_str(), expected);
    }
}

#[cfg(not(feature = "wait"))]
#[test]
fn what_needs_the_feature_wait_says_so() {
    let config = read(r#"{ "policies": [{ "preset": "clients", "wait": { "longest": "1s" } }] }"#);
    let error = config.builder().unwrap_err().to_string();
    assert!(
        error.contains("policies[0].wait: needs the feature wait"),
        "{error}"
    );
}

#[cfg(not(feature = "redis"))]
#[test]
fn what_needs_redis_says_so() {
    let config = read(r#"{ "policies": [{ "preset": "login", "outage": "allow", "lease": 2 }] }"#);
    let error = config.builder().unwrap_err().to_string();
    for field in [
        "policies[0].outage: needs the feature redis",
        "policies[0].lease: needs",
    ] {
        assert!(error.contains(field), "{error}");
    }
}

#[test]
fn every_bad_variable_is_named() {
    let error = env(&[
        ("RATE_LIMIT_REQUESTS_PER_SECOND", "ten"),
        ("RATE_LIMIT_PER_SECOND", "-1"),
        ("RATE_LIMIT_BURST", "0"),
    ]);
    let error = error.unwrap_err();
    for name in [
        "RATE_LIMIT_REQUESTS_PER_SECOND: \"ten\"",
        "RATE_LIMIT_PER_SECOND: \"-1\"",
        "RATE_LIMIT_BURST: \"0\"",
    ] {
        assert!(error.contains(name), "{error}");
    }
    assert!(
        env(&[("RATE_LIMIT_BURST", "20")])
            .unwrap_err()
            .contains("RATE_LIMIT_BURST: is set, but")
    );
    let differing = [
        ("RATE_LIMIT_REQUESTS_PER_SECOND", "1"),
        ("RATE_LIMIT_PER_SECOND", "2"),
    ];
    assert!(
        env(&differing)
            .unwrap_err()
            .contains("RATE_LIMIT_PER_SECOND: says something else")
    );
}

#[tokio::test(start_paused = true)]
async fn a_file_makes_the_layer_that_it_describes() {
    let config = read(
        r#"{
            "policies": [
                { "name": "api", "limits": [{ "quota": 3, "window": "1h", "kind": "exact" }, { "rate": 1, "burst": 5 }] },
                { "preset": "login" }
            ],
            "routes": { "POST /auth/token": "login" },
            "headers": "x-rate-limit",
            "exempt_paths": ["/free"]
        }"#,
    );
    let service = serve(&config.builder().unwrap().build().unwrap());
    let from = || from("203.0.113.7");
    let first = send(&service, from()).await;
    assert_eq!(header(&first, "x-ratelimit-remaining"), Some("2"));
    assert_eq!(header(&first, "ratelimit"), None);
    assert_eq!(passed(&service, 9, from).await, 2);
    assert_eq!(
        passed(&service, 9, || to(from(), "POST", "/auth/token")).await,
        5
    );
    assert_eq!(passed(&service, 9, || to(from(), "GET", "/free")).await, 9);
}

#[tokio::test(start_paused = true)]
async fn a_toml_file_sets_every_field() {
    let config: RateLimitConfig = toml::from_str(
        r#"
            key = ["header:x-track-id", "client-ip"]
            headers = "rate-limit"
            exempt_paths = ["/free"]
            capacity = 5000

            [[policies]]
            name = "api"
            limits = [{ rate = 6, per = "1m", burst = 3 }, { quota = 100, window = "1h" }]

            [[policies]]
            name = "trial"
            limits = [{ quota = 1, window = "1d", kind = "fixed" }]
            key = ["client-ip"]
            mode = "shadow"

            [routes]
            "GET /trial/*" = "trial"

            [ip_backstop]
            quota = 7
            window = "1h"
            kind = "exact"

            [v6_site_limit]
            quota = 9
            window = "500ms"
            kind = "fixed"
        "#,
    )
    .unwrap();
    let service = serve(&config.builder().unwrap().build().unwrap());
    let track = |ip: &str, id: &str| with(from(ip), "x-track-id", id);
    let first = send(&service, track("203.0.113.7", "a")).await;
    assert_eq!(
        header(&first, "ratelimit-policy"),
        Some("\"api\";q=6;w=60"),
        "the backstop has more left"
    );
    assert_eq!(header(&first, "x-ratelimit-limit"), None);
    // 3 of the bucket, and what is left to the address.
    assert_eq!(passed(&service, 9, || track("203.0.113.7", "a")).await, 2);
    assert_eq!(passed(&service, 9, || track("203.0.113.7", "b")).await, 3);
    assert_eq!(passed(&service, 9, || track("203.0.113.7", "c")).await, 1);
    advance(10_000).await;
    assert_eq!(
        passed(&service, 9, || from("203.0.113.7")).await,
        3,
        "an address that claims nothing has its own bucket"
    );
    assert_eq!(
        passed(&service, 9, || to(from("203.0.113.7"), "GET", "/free")).await,
        9
    );
    let trial = || to(track("203.0.113.9", "d"), "GET", "/trial/a");
    assert_eq!(passed(&service, 9, trial).await, 9);
    let mut site = 0;
    for network in 0..20 {
        let request = from(&format!("2001:db8:7:{network:x}::1"));
        site += usize::from(status(&service, request).await == 200);
    }
    assert_eq!(site, 9);

    let whole = toml::from_str::<RateLimitConfig>("mode = \"shadow\"").unwrap();
    let shadow = serve(&whole.builder().unwrap().build().unwrap());
    assert_eq!(passed(&shadow, 500, || from("203.0.113.7")).await, 500);
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_is_off_lets_everything_pass_and_keeps_its_counts() {
    let counts = Memory::default();
    let built = |mode: &str, old: Option<&RateLimitLayer>| {
        let text = format!(
            r#"{{ "policies": [
                {{ "name": "api", "limits": [{{ "quota": 3, "window": "1d" }}], "mode": "{mode}" }},
                {{ "name": "other", "limits": [{{ "quota": 1, "window": "1d" }}] }}
            ], "routes": {{ "/other": "other" }} }}"#
        );
        let builder = read(&text).builder().unwrap().store(counts.clone());
        old.into_iter()
            .fold(builder, RateLimitBuilder::replacing)
            .build()
            .unwrap()
    };
    let client = || from("203.0.113.7");
    let on = built("on", None);
    assert_eq!(passed(&serve(&on), 2, client).await, 2);

    let off = built("off", Some(&on));
    assert_eq!(passed(&serve(&off), 50, client).await, 50);
    let bare = send(&serve(&off), client()).await;
    assert_eq!(header(&bare, "x-ratelimit-limit"), None);
    let other = || to(client(), "GET", "/other");
    assert_eq!(passed(&serve(&off), 9, other).await, 1, "it is still on");

    let on = built("on", Some(&off));
    assert_eq!(passed(&serve(&on), 9, client).await, 1, "2 of 3 were taken");
}

#[tokio::test(start_paused = true)]
async fn a_limiter_of_a_layer_that_is_off_lets_every_use_pass() {
    let config = read(
        r#"{ "mode": "off", "policies": [{ "name": "api", "limits": [{ "quota": 1, "window": "1d" }] }] }"#,
    );
    let layer = config.builder().unwrap().build().unwrap();
    assert_eq!(passed(&serve(&layer), 5, || from("203.0.113.7")).await, 5);
    let limiter = layer.limiter();
    for _ in 0..5 {
        assert!(limiter.check("api", Key::text("a"), 1).await.is_allowed());
        assert!(limiter.peek("api", Key::text("a")).await.is_allowed());
        let charge = limiter.charge("api", Key::text("a"), 1).await;
        charge.expect("it is off").refund().await;
    }
}

#[test]
fn every_bad_field_is_named() {
    let config = read(
        r#"{
            "policies": [
                { "name": "a", "limits": [{ "quota": 3, "window": "1 fortnight" }, { "quota": 1, "rate": 1 }] },
                { "preset": "loging" },
                { "limits": [] },
                { "name": "d", "limits": [{ "quota": 5 }, { "rate": 5, "window": "1s" }] },
                { "name": "e", "limits": [{ "rate": 1 }], "refund": ["2x", "600", "2xx", "6xx", "ok"] }
            ],
            "key": ["cookie"],
            "ip_backstop": { "rate": 1, "per": "soon" },
            "client_ip": "hops:0",
            "forwarded_header": "x-real-ip",
            "v6_prefix": 129,
            "headers": "some"
        }"#,
    );
    let error = config.builder().unwrap_err().to_string();
    for part in [
        "policies[0].limits[0].window: \"1 fortnight\" is not a time",
        "policies[0].limits[1].rate: there must be either a rate or a quota",
        "policies[1].preset: there is none named \"loging\"",
        "policies[2].name: is missing",
        "policies[3].limits[0].window: is missing",
        "policies[3].limits[1].window: belongs to a quota",
        "policies[4].refund[0]: \"2x\" is neither",
        "policies[4].refund[1]: \"600\"",
        "policies[4].refund[3]: \"6xx\"",
        "policies[4].refund[4]: \"ok\"",
        "key[0]: \"cookie\" is not",
        "ip_backstop.per: \"soon\" is not a time",
        "headers: must be",
        "client_ip: trusted proxies: hops:0",
        "forwarded_header: must be",
        "v6_prefix: must be 1 to 128",
    ] {
        assert!(error.contains(part), "{part:?} is missing in: {error}");
    }
    let unknown = serde_json::from_str::<RateLimitConfig>(r#"{ "polices": [] }"#).unwrap_err();
    assert!(unknown.to_string().contains("polices"));
}
