use std::time::Duration;

use palisade_breaker::{BreakerConfig, BreakerConfigError, BreakerLayer, Mode, State};

/// The settings of a breaker that somebody has written, as a file and as the environment: they are refused by their
/// names, or make a breaker that opens when they say.
pub(crate) fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    environment(&text);
    // What a file gets wrong as TOML, or with names and types that there are not, its reader says.
    if let Ok(config) = toml::from_str::<BreakerConfig>(&text) {
        match BreakerLayer::new("fuzz").configured(&config) {
            Ok(layer) => opens(&config, &layer),
            Err(error) => names_settings(&error),
        }
    }
}

/// The beginning of the name of each setting.
const SETTINGS: [&str; 17] = [
    "failure_threshold",
    "window",
    "consecutive_failures",
    "failure_rate",
    "slow_call_rate",
    "slow_call",
    "rate_calls",
    "rate_time",
    "minimum_calls",
    "open_for",
    "open_growth",
    "open_jitter",
    "longest_open",
    "trials",
    "successes_to_close",
    "trial_lease",
    "CIRCUIT_BREAKER_",
];

fn names_settings(error: &BreakerConfigError) {
    let mut problems = error.problems().iter().peekable();
    assert!(problems.peek().is_some(), "refused, and nobody knows why");
    for problem in problems {
        let named = SETTINGS.iter().any(|name| problem.field.starts_with(name));
        assert!(named && !problem.reason.is_empty(), "{problem}");
    }
}

/// The first two lines are the values of the variables; a line that is not there leaves its variable unset.
fn environment(text: &str) {
    let names = ["CIRCUIT_BREAKER_THRESHOLD", "CIRCUIT_BREAKER_TIMEOUT_SEC"];
    let values: Vec<&str> = text.lines().take(2).collect();
    let numbers = values.iter().map(|value| {
        value
            .trim()
            .parse::<u32>()
            .ok()
            .filter(|number| *number > 0)
    });
    let numbers: Option<Vec<u32>> = numbers.collect();
    let vars = names.into_iter().zip(values);
    match (BreakerConfig::from_vars(vars), numbers) {
        (Ok(config), Some(numbers)) => {
            assert_eq!(config.failure_threshold.as_ref(), numbers.first());
            let seconds = config.open_for.map(|time| time.as_secs());
            assert_eq!(seconds, numbers.get(1).map(|seconds| (*seconds).into()));
            if let Ok(layer) = BreakerLayer::new("fuzz").configured(&config) {
                opens(&config, &layer);
            }
        }
        (Err(error), None) => names_settings(&error),
        (found, expected) => panic!("{found:?} instead of {expected:?}"),
    }
}

/// The greatest number of failing calls.
const CALLS: u32 = 256;
/// Failures within less may be forgotten before there are enough of them.
const LONG_ENOUGH: Duration = Duration::from_secs(10);

/// A breaker whose calls all fail opens with the failure that its settings name, and not before.
fn opens(config: &BreakerConfig, layer: &BreakerLayer) {
    let handle = layer.handle();
    let shown = match config.mode {
        Some(Mode::Off) => State::Disabled,
        Some(Mode::MetricsOnly) => State::MetricsOnly,
        _ => State::Closed,
    };
    let needed = needed(config);
    for call in 1..=CALLS {
        assert_eq!(handle.state(), shown, "before call {call}");
        match handle.try_acquire() {
            Ok(permit) => permit.failure(),
            Err(refused) => panic!("call {call} was refused: {refused:?}"),
        }
        if shown != State::Closed || needed.is_some_and(|needed| call < needed) {
            continue;
        }
        if needed == Some(call) {
            assert_eq!(handle.state(), State::Open, "after failure {call}");
        }
        if handle.state() == State::Open {
            return;
        }
    }
}

/// The number of failures in a row that opens it; `None` where that depends on how quick they are.
fn needed(config: &BreakerConfig) -> Option<u32> {
    let remembered = |time: Option<Duration>| time.is_none_or(|time| time >= LONG_ENOUGH);
    let minimum = config.minimum_calls.unwrap_or(20);
    let of_a_rate = match config.rate_calls {
        Some(calls) => Some(minimum.min(calls)),
        None => remembered(config.rate_time).then_some(minimum),
    };
    if config.slow_call.is_some() {
        return None;
    }
    if config.failure_rate.is_some() {
        return of_a_rate;
    }
    match config.consecutive_failures {
        Some(failures) => Some(failures),
        None => remembered(config.window).then(|| config.failure_threshold.unwrap_or(5)),
    }
}
