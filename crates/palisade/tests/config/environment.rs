//! Variables, which override the file.

use std::time::Duration;

use palisade::Stack;
use palisade::config::Config;

use crate::support::{FILE, lines, passed, request, send};

const TEXT: &str = r#"
    [scope]
    trusted_proxies = ["10.0.0.0/8"]

    [cors]
    origins = ["https://file.example"]
    methods = ["GET"]

    [limits.clients]
    policies = [{ name = "api", limits = [{ rate = 3, per = "1h", burst = 3 }] }]

    [breakers.upstream]
    failure_threshold = 3
    consecutive_failures = 9
"#;

fn with(variables: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let loader = Config::loader().text(FILE, TEXT);
    let loader = loader.variables(variables.iter().copied());
    loader.load().map_err(|error| lines(&error))
}

#[test]
fn a_variable_overrides_the_file_and_the_file_the_default() {
    let config = with(&[]).unwrap();
    let cors = config.cors.as_ref().unwrap();
    assert_eq!(
        (&*cors.origins, cors.max_age_seconds),
        (&["https://file.example".to_owned()][..], 600)
    );
    assert_eq!(config.breakers["upstream"].failure_threshold, Some(3));

    let config = with(&[
        ("TRUSTED_PROXIES", "192.0.2.1, loopback"),
        ("CORS_ORIGINS", "https://a.example,https://b.example"),
        ("CIRCUIT_BREAKER_THRESHOLD", "7"),
        ("CIRCUIT_BREAKER_TIMEOUT_SEC", "90"),
    ])
    .unwrap();
    let cors = config.cors.as_ref().unwrap();
    assert_eq!(cors.origins, ["https://a.example", "https://b.example"]);
    assert_eq!(cors.methods, ["GET"], "what no variable says stays");
    assert_eq!(
        config.scope.as_ref().unwrap().trusted_proxies,
        ["192.0.2.1", "loopback"]
    );
    let breaker = &config.breakers["upstream"];
    assert_eq!(breaker.failure_threshold, Some(7));
    assert_eq!(breaker.open_for, Some(Duration::from_secs(90)));
    assert_eq!(breaker.consecutive_failures, Some(9));
}

#[tokio::test(start_paused = true)]
async fn rate_and_burst_each_override_the_first_policy() {
    for (variables, expected) in [
        (&[][..], 3),
        (&[("RATE_LIMIT_BURST", "5")], 5),
        (
            &[
                ("RATE_LIMIT_REQUESTS_PER_SECOND", "1"),
                ("RATE_LIMIT_BURST", " 4 "),
            ],
            4,
        ),
        (&[("RATE_LIMIT_PER_SECOND", "1")], 3),
        (&[("RATE_LIMIT_BURST", "")], 3),
    ] {
        let stack = Stack::from_config(&with(variables).unwrap()).unwrap();
        assert_eq!(passed(&stack, 9).await, expected, "{variables:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rate_takes_the_place_of_a_quota() {
    let text = r#"
        [limits.clients]
        policies = [{ name = "api", limits = [{ quota = 7, window = "1h" }] }]
    "#;
    let loader = Config::loader().text(FILE, text);
    let variables = [
        ("RATE_LIMIT_REQUESTS_PER_SECOND", "1"),
        ("RATE_LIMIT_BURST", "4"),
    ];
    let config = loader.variables(variables).load().unwrap();
    let limits = &config.limits["clients"].policies[0].limits;
    assert_eq!(
        (limits.len(), limits[0].rate, limits[0].quota),
        (1, Some(1), None)
    );
    let stack = Stack::from_config(&config).unwrap();
    assert_eq!(passed(&stack, 9).await, 4);
}

#[tokio::test(start_paused = true)]
async fn a_variable_makes_the_section_that_is_missing() {
    let loader = Config::loader().variables([
        ("RATE_LIMIT_REQUESTS_PER_SECOND", "1"),
        ("RATE_LIMIT_BURST", "2"),
        ("CORS_ORIGINS", "https://a.example"),
    ]);
    let stack = Stack::from_config(&loader.load().unwrap()).unwrap();
    assert_eq!(passed(&stack, 9).await, 2);
    let mut request = request("/");
    let origin = http::HeaderValue::from_static("https://a.example");
    request.headers_mut().insert("origin", origin);
    let (_, headers) = send(&stack, request).await;
    assert_eq!(headers["access-control-allow-origin"], "https://a.example");
}

#[tokio::test(start_paused = true)]
async fn a_shipped_policy_gets_another_bucket_and_keeps_its_name() {
    let text = "[limits.ping]\npolicies = [{ preset = \"clients\" }]";
    let loader = Config::loader().text(FILE, text).add_limit("ping");
    let loader = loader
        .variables_limit("ping")
        .variables([("RATE_LIMIT_PER_SECOND", "2")]);
    let config = loader.load().unwrap();
    let policy = &config.limits["ping"].policies[0];
    assert_eq!(
        (policy.preset.as_deref(), policy.name.as_deref()),
        (None, Some("clients"))
    );
    assert_eq!(policy.limits[0].rate, Some(2));
}

#[test]
fn a_mistake_in_a_variable_is_named_by_it() {
    let found = with(&[
        ("TRUSTED_PROXIES", "10.0.0.0/99"),
        ("CORS_ORIGINS", " , "),
        ("RATE_LIMIT_REQUESTS_PER_SECOND", "ten"),
        ("RATE_LIMIT_BURST", "0"),
        ("CIRCUIT_BREAKER_TIMEOUT_SEC", "-1"),
    ])
    .unwrap_err();
    let expected = [
        "RATE_LIMIT_REQUESTS_PER_SECOND: must be a whole number from 1 to 4294967295",
        "RATE_LIMIT_BURST: must be a whole number from 1 to 4294967295",
        "CIRCUIT_BREAKER_TIMEOUT_SEC: must be a whole number from 1 to 4294967295",
        "TRUSTED_PROXIES (scope.trusted_proxies[0]): ",
        "CORS_ORIGINS (cors.origins",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\n{expected}");
    }
    let differing = [
        ("RATE_LIMIT_REQUESTS_PER_SECOND", "1"),
        ("RATE_LIMIT_PER_SECOND", "2"),
    ];
    assert_eq!(
        with(&differing).unwrap_err(),
        ["RATE_LIMIT_PER_SECOND: says something else than RATE_LIMIT_REQUESTS_PER_SECOND"]
    );
    let alone = Config::loader()
        .variables([("RATE_LIMIT_BURST", "2")])
        .load();
    assert_eq!(
        alone.unwrap_err().to_string(),
        "RATE_LIMIT_BURST: is set, but RATE_LIMIT_REQUESTS_PER_SECOND is not, and the file has no rate there"
    );
}
