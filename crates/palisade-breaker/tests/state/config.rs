//! Configuration: variables, fields, and what is wrong with them.

use std::collections::HashMap;

use palisade_breaker::{BreakerConfig, BreakerLayer, Mode, RateWindow, State};

use crate::common::{fail, secs};

fn vars(vars: &[(&str, &str)]) -> Result<BreakerConfig, String> {
    BreakerConfig::from_vars(vars.iter().copied()).map_err(|error| error.to_string())
}

#[tokio::test(start_paused = true)]
async fn variables_set_threshold_and_open_time() {
    let map = HashMap::from([
        ("CIRCUIT_BREAKER_THRESHOLD".to_owned(), "3".to_owned()),
        ("CIRCUIT_BREAKER_TIMEOUT_SEC".to_owned(), " 30 ".to_owned()),
        ("PATH".to_owned(), "/bin".to_owned()),
    ]);
    let config = BreakerConfig::from_vars(&map).unwrap();
    let breaker = BreakerLayer::new("x").configured(&config).unwrap().handle();
    fail(&breaker, 2);
    assert_eq!(breaker.state(), State::Closed);
    fail(&breaker, 1);
    assert_eq!(breaker.retry_after(), Some(secs(30)));
}

#[test]
fn without_variables_the_defaults_stand() {
    assert_eq!(vars(&[]), Ok(BreakerConfig::default()));
}

#[test]
fn each_bad_variable_is_named() {
    for bad in ["0", "-1", "", "five", "1.5", "4294967296"] {
        let error = vars(&[
            ("CIRCUIT_BREAKER_THRESHOLD", bad),
            ("CIRCUIT_BREAKER_TIMEOUT_SEC", bad),
        ]);
        assert_eq!(
            error.unwrap_err(),
            "breaker configuration: CIRCUIT_BREAKER_THRESHOLD: must be a whole number of at least 1; \
             CIRCUIT_BREAKER_TIMEOUT_SEC: must be a whole number of at least 1",
            "{bad:?}"
        );
    }
}

#[test]
fn every_bad_field_is_named_at_once() {
    let mut config = BreakerConfig::default();
    config.failure_threshold = Some(0);
    config.failure_rate = Some(f64::NAN);
    config.open_for = Some(secs(0));
    config.open_growth = Some(0.5);
    config.open_jitter = Some(-0.1);
    config.rate_calls = Some(10);
    config.rate_time = Some(secs(10));
    config.slow_call_rate = Some(0.5);
    let error = BreakerLayer::new("x").configured(&config).unwrap_err();
    let fields: Vec<_> = error.problems().iter().map(|p| p.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "failure_threshold",
            "failure_rate",
            "open_for",
            "open_growth",
            "open_jitter",
            "slow_call_rate",
            "rate_calls",
        ]
    );
    let mut config = BreakerConfig::default();
    (config.window, config.failure_rate) = (Some(secs(30)), Some(0.5));
    let error = BreakerLayer::new("x").configured(&config).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("window: needs failure_threshold"),
        "{error}"
    );
    config.failure_threshold = Some(5);
    assert!(BreakerLayer::new("x").configured(&config).is_ok());
}

type Set = fn(BreakerLayer) -> BreakerLayer;

#[test]
fn setters_name_what_the_configuration_names() {
    let zero = secs(0);
    let nonsense: [(Set, &[&str]); 14] = [
        (|l| l.failure_threshold(0), &["failure_threshold"]),
        (|l| l.window(secs(0)), &["window"]),
        (|l| l.consecutive_failures(0), &["consecutive_failures"]),
        (|l| l.failure_rate(f64::NAN), &["failure_rate"]),
        (|l| l.failure_rate(0.0), &["failure_rate"]),
        (
            |l| l.slow_call_rate(1.1, secs(0)),
            &["slow_call_rate", "slow_call"],
        ),
        (|l| l.rate_window(RateWindow::calls(0)), &["rate_calls"]),
        (
            |l| l.rate_window(RateWindow::calls(1_048_577)),
            &["rate_calls"],
        ),
        (|l| l.rate_window(RateWindow::time(secs(0))), &["rate_time"]),
        (
            |l| l.minimum_calls(0).minimum_calls(1_048_577),
            &["minimum_calls"; 2],
        ),
        (
            |l| l.open_for(secs(0)).longest_open(secs(0)),
            &["open_for", "longest_open"],
        ),
        (
            |l| l.open_growth(f64::INFINITY).open_jitter(-1.0),
            &["open_growth", "open_jitter"],
        ),
        (
            |l| l.trials(0).trials(8_192).successes_to_close(0),
            &["trials", "trials", "successes_to_close"],
        ),
        (|l| l.trial_lease(secs(0)), &["trial_lease"]),
    ];
    for (set, named) in nonsense {
        let layer = set(BreakerLayer::new("x"));
        let error = layer.clone().checked().unwrap_err();
        let fields: Vec<_> = error.problems().iter().map(|p| p.field.as_str()).collect();
        assert_eq!(fields, named);
        assert_eq!(
            layer.configured(&BreakerConfig::default()).unwrap_err(),
            error
        );
    }
    // In either order, and in vain.
    let rate_first = BreakerLayer::new("x").failure_rate(0.5).window(secs(30));
    let window_first = BreakerLayer::new("x")
        .window(secs(30))
        .consecutive_failures(3);
    for layer in [rate_first, window_first] {
        let error = layer.checked().unwrap_err().to_string();
        assert_eq!(
            error,
            "breaker configuration: window: needs failure_threshold beside another rule"
        );
    }
    let layer = BreakerLayer::new("x")
        .failure_rate(0.07)
        .minimum_calls(1_048_576)
        .ramp(zero);
    assert!(layer.checked().is_ok());
}

#[test]
fn the_mode_switches_it_off_or_lets_it_watch() {
    for (mode, state) in [
        (Mode::On, State::Closed),
        (Mode::Off, State::Disabled),
        (Mode::MetricsOnly, State::MetricsOnly),
    ] {
        let mut config = BreakerConfig::default();
        config.mode = Some(mode);
        let layer = BreakerLayer::http("x").configured(&config).unwrap();
        assert_eq!(layer.handle().state(), state);
    }
}

#[cfg(feature = "serde")]
#[test]
fn files_set_every_field_and_times_have_units() {
    let config: BreakerConfig = serde_json::from_str(
        r#"{ "mode": "metrics_only", "failure_rate": 0.5, "slow_call_rate": 0.8, "slow_call": "1500ms",
             "rate_calls": 100, "minimum_calls": 10, "open_for": "2m", "open_growth": 2.0, "open_jitter": 0.1,
             "longest_open": "1h", "trials": 3, "successes_to_close": 2, "trial_lease": 45, "ramp": "10s" }"#,
    )
    .unwrap();
    assert_eq!(config.mode, Some(Mode::MetricsOnly));
    assert_eq!(
        config.slow_call,
        Some(std::time::Duration::from_millis(1_500))
    );
    assert_eq!(config.open_for, Some(secs(120)));
    assert_eq!(config.longest_open, Some(secs(3_600)));
    assert_eq!(config.trial_lease, Some(secs(45)));
    let layer = BreakerLayer::http("x").configured(&config).unwrap();
    assert_eq!(layer.handle().state(), State::MetricsOnly);
}

#[cfg(feature = "serde")]
#[test]
fn what_a_file_gets_wrong_is_named() {
    let read = |text: &str| {
        serde_json::from_str::<BreakerConfig>(text)
            .unwrap_err()
            .to_string()
    };
    assert!(read(r#"{ "treshold": 5 }"#).contains("treshold"));
    for odd in [
        r#""soon""#,
        r#""5 parsecs""#,
        r#""""#,
        "-5",
        "1e300",
        "true",
    ] {
        let text = format!(r#"{{ "open_for": {odd} }}"#);
        assert!(!read(&text).is_empty(), "{odd}");
    }
}

#[cfg(feature = "retry")]
mod retry {
    use super::*;
    use palisade_breaker::{BreakerConfigError, RetryConfig, RetryLayer};

    fn fields(error: &BreakerConfigError) -> Vec<&str> {
        let problems = error.problems().iter();
        problems.map(|problem| problem.field.as_str()).collect()
    }

    #[test]
    fn every_bad_field_of_a_retry_is_named_at_once() {
        let mut config = RetryConfig::default();
        config.attempts = Some(0);
        config.base = Some(secs(0));
        config.longest_wait = Some(secs(0));
        config.factor = Some(0.99);
        config.jitter = Some(f64::NAN);
        config.budget = Some(10.1);
        config.reserve = Some(1_000_001);
        config.body_cap = Some(64);
        let error = RetryLayer::default().configured(&config).unwrap_err();
        assert_eq!(
            fields(&error),
            [
                "attempts",
                "base",
                "longest_wait",
                "factor",
                "jitter",
                "budget",
                "reserve",
                "body_cap",
            ]
        );
        assert!(error.to_string().starts_with("retry configuration: "));
        // A layer that replays bodies has a cap.
        let replaying = RetryLayer::default().replay_bodies(1);
        let error = replaying.configured(&config).unwrap_err();
        assert_eq!(fields(&error).last(), Some(&"reserve"));
    }

    #[test]
    fn setters_of_a_retry_name_what_its_configuration_names() {
        let layer = RetryLayer::default().attempts(0).backoff(secs(1), f64::NAN);
        let layer = layer.jitter(2.0).budget(-0.1, 1_000_001);
        let error = layer.clone().checked().unwrap_err();
        let named = ["attempts", "factor", "jitter", "budget", "reserve"];
        assert_eq!(fields(&error), named);
        assert_eq!(
            layer.configured(&RetryConfig::default()).unwrap_err(),
            error
        );
        assert!(RetryLayer::default().off().checked().is_ok());
    }

    #[test]
    fn a_first_wait_above_the_longest_is_named() {
        let mut config = RetryConfig::default();
        config.base = Some(secs(61));
        let error = RetryLayer::default().configured(&config).unwrap_err();
        assert_eq!(fields(&error), ["base"], "the longest is 60 s by default");
        config.longest_wait = Some(secs(60));
        let error = RetryLayer::default().configured(&config).unwrap_err();
        assert_eq!(fields(&error), ["longest_wait"]);
        config.longest_wait = Some(secs(61));
        assert!(RetryLayer::default().configured(&config).is_ok());
    }

    #[test]
    fn factors_and_shares_that_are_no_numbers_are_named() {
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0] {
            let mut config = RetryConfig::default();
            config.factor = Some(odd);
            config.jitter = Some(odd);
            config.budget = Some(odd as f32);
            let error = RetryLayer::default().configured(&config).unwrap_err();
            assert_eq!(fields(&error), ["factor", "jitter", "budget"], "{odd}");
        }
    }

    #[cfg(feature = "serde")]
    #[test]
    fn files_set_every_field_of_a_retry() {
        let config: RetryConfig = serde_json::from_str(
            r#"{ "attempts": 5, "base": "250ms", "factor": 1.5, "longest_wait": "10s", "jitter": 0.5,
                 "budget": 0.1, "reserve": 2, "deadline": "20s", "body_cap": 65536 }"#,
        )
        .unwrap();
        let layer = RetryLayer::default().replay_bodies(1);
        let shown = format!("{:?}", layer.configured(&config).unwrap());
        for set in [
            "attempts: 5",
            "base: 250ms",
            "factor: 1.5",
            "longest: 10s",
            "jitter: 0.5",
            "budget: 0.1",
            "reserve: 2",
            "deadline: Some(20s)",
            "cap: 65536",
        ] {
            assert!(shown.contains(set), "{set}: {shown}");
        }
        let unknown = serde_json::from_str::<RetryConfig>(r#"{ "atempts": 5 }"#);
        assert!(unknown.unwrap_err().to_string().contains("atempts"));
    }
}
