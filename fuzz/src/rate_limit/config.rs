use std::net::Ipv4Addr;
use std::time::Duration;

use http::Request;
use palisade_core::{PeerAddr, time};
use palisade_ratelimit::{
    Error, Limit, LimitConfig, Mode, PolicyConfig, RateLimitConfig, RateLimitLayer, burst,
    per_second,
};

use super::super::answers::through;

/// A configuration that somebody has written, as a file and as the environment: it is refused by the names of its
/// settings, or it makes a layer that holds what it says.
pub(crate) fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    environment(&text);
    // What a file gets wrong as TOML, or with names and types that there are not, its reader says.
    let Ok(config) = toml::from_str::<RateLimitConfig>(&text) else {
        return;
    };
    match config
        .builder()
        .and_then(palisade_ratelimit::RateLimitBuilder::build)
    {
        Ok(layer) => holds(&config, &layer),
        Err(error) => names_settings(&error, &SETTINGS),
    }
}

/// The beginning of the name of each setting.
const SETTINGS: [&str; 9] = [
    "policies",
    "route",
    "key",
    "ip_backstop",
    "v6_site_limit",
    "exempt_paths",
    "headers",
    "capacity",
    "store",
];
const VARIABLES: [&str; 3] = [
    "RATE_LIMIT_REQUESTS_PER_SECOND",
    "RATE_LIMIT_PER_SECOND",
    "RATE_LIMIT_BURST",
];

fn names_settings(error: &Error, known: &[&str]) {
    let Error::Config(problems) = error else {
        panic!("{error} is not about the configuration");
    };
    assert!(!problems.is_empty(), "refused, and nobody knows why");
    for problem in problems.iter() {
        let named = known.iter().any(|name| problem.field.starts_with(name));
        assert!(named && !problem.reason.is_empty(), "{problem}");
    }
}

/// The first lines are the values of the variables; a line that is not there leaves its variable unset.
fn environment(text: &str) {
    let values: Vec<&str> = text.lines().take(3).collect();
    let read = |name: &str| {
        let position = VARIABLES.iter().position(|known| *known == name)?;
        values.get(position).map(ToString::to_string)
    };
    let number = |position: usize| -> Option<Option<u32>> {
        let text = values.get(position)?.trim();
        Some(text.parse().ok().filter(|number| *number > 0))
    };
    // Outside: whether it is set; inside: whether it is a number.
    let [first, second, size] = [0, 1, 2].map(number);
    let expected = match (first, second, size) {
        (None, None, None) => Some(None),
        (Some(None), ..) | (_, Some(None), _) | (.., Some(None)) => None,
        (Some(Some(first)), Some(Some(second)), _) if first != second => None,
        _ => first.or(second).flatten().map(|rate| {
            let size = size.flatten().unwrap_or(rate.saturating_mul(2));
            Some(Limit::token_bucket(per_second(rate), burst(size)))
        }),
    };
    match (Limit::from_env(read), expected) {
        (Ok(limit), Some(expected)) => assert_eq!(limit, expected, "{values:?}"),
        (Err(error), None) => names_settings(&error, &VARIABLES),
        (found, expected) => panic!("{found:?} instead of {expected:?} from {values:?}"),
    }
}

/// The number of requests that are sent.
const SENT: u64 = 64;
const PATH: &str = "/fuzz/a";

/// One client's requests of one moment pass as the tightest limit of their policy says.
fn holds(config: &RateLimitConfig, layer: &RateLimitLayer) {
    let exempt = config.exempt_paths.iter().flatten();
    if exempt.into_iter().any(|path| path == PATH) {
        return;
    }
    let start = time::now();
    let passed = (0..SENT).filter(|_| passes(layer)).count() as u64;
    let took = start.elapsed();
    let clients = PolicyConfig::default();
    let policy = chosen(config).unwrap_or(&clients);
    if config.mode != Mode::On || policy.mode != Mode::On {
        assert_eq!(passed, SENT, "what is off or watches refused");
        return;
    }
    let limits = limits(policy);
    let least = limits.iter().map(|limit| limit.at_once.into()).min();
    let most = limits.iter().map(|limit| limit.within(took)).min();
    assert!(
        passed >= least.unwrap_or(SENT).min(SENT),
        "{passed} passed, {least:?} should"
    );
    assert!(passed <= most.unwrap_or(0), "{passed} passed, {most:?} may");
}

fn passes(layer: &RateLimitLayer) -> bool {
    let mut request = Request::new(());
    *request.uri_mut() = http::Uri::from_static(PATH);
    let peer = (Ipv4Addr::new(203, 0, 113, 7), 4433);
    request.extensions_mut().insert(PeerAddr(peer.into()));
    through(layer, request).status() == 200
}

/// The policy of the first route that fits, or else the first; `None` where the layer has one of its own.
fn chosen(config: &RateLimitConfig) -> Option<&PolicyConfig> {
    let fits = |route: &str| {
        let route = route.trim();
        let (method, path) = route.split_once(' ').unwrap_or(("GET", route));
        let path = path.trim();
        let below = path.strip_suffix("/*").is_some_and(|parent| {
            let rest = PATH.strip_prefix(parent);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        method == "GET" && (path == PATH || below)
    };
    let routed = config.routes.iter().find(|(route, _)| fits(route));
    let Some((_, wanted)) = routed else {
        return config.policies.first();
    };
    let mut policies = config.policies.iter();
    policies.find(|policy| policy.name.as_ref().or(policy.preset.as_ref()) == Some(wanted))
}

/// A limit by its definition: so many at once, and so many again in each period.
#[derive(Debug)]
struct Stated {
    at_once: u32,
    again: u32,
    period: Duration,
}

impl Stated {
    /// The most that it may admit within a time.
    fn within(&self, time: Duration) -> u64 {
        let again = u128::from(self.again) * time.as_nanos() / self.period.as_nanos().max(1);
        let again = u64::try_from(again).unwrap_or(u64::MAX);
        // A window may end while the requests are sent.
        let window = if time < self.period { 0 } else { self.again };
        u64::from(self.at_once)
            .saturating_add(again)
            .saturating_add(window.into())
    }
}

fn limits(policy: &PolicyConfig) -> Vec<Stated> {
    let shipped = |at_once, seconds| {
        vec![Stated {
            at_once,
            again: at_once,
            period: Duration::from_secs(seconds),
        }]
    };
    match policy.preset.as_deref() {
        Some("public") => shipped(100, 3_600),
        Some("authenticated") => shipped(500, 3_600),
        Some("admin") => shipped(1_000, 3_600),
        Some("strict") => shipped(10, 60),
        Some("login") => shipped(5, 60),
        Some("standard") => shipped(10, 10),
        Some("clients") => shipped(400, 1),
        Some(other) => panic!("there is no policy {other:?}"),
        None if policy.limits.is_empty() => shipped(400, 1),
        None => policy.limits.iter().map(stated).collect(),
    }
}

fn stated(limit: &LimitConfig) -> Stated {
    let (at_once, again, period) = match (limit.rate, limit.quota) {
        (Some(rate), None) => {
            let size = limit.burst.unwrap_or(rate.saturating_mul(2));
            (size, rate, limit.per.as_deref().unwrap_or("1s"))
        }
        // Two windows, where one ends meanwhile.
        (None, Some(quota)) if limit.calendar.is_some() => (quota, quota, "1ms"),
        (None, Some(quota)) => (quota, quota, limit.window.as_deref().unwrap_or("")),
        both => panic!("{both:?} made a layer"),
    };
    Stated {
        at_once,
        again,
        period: time_of(period),
    }
}

fn time_of(text: &str) -> Duration {
    let text = text.trim();
    let number = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let seconds = |unit: u64| {
        number
            .parse()
            .ok()
            .map(|count: u64| Duration::from_secs(count * unit))
    };
    let time = match &text[number.len()..] {
        "ms" => number.parse().ok().map(Duration::from_millis),
        "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(3_600),
        "d" => seconds(86_400),
        _ => None,
    };
    time.unwrap_or_else(|| panic!("{text:?} is no time, and made a layer"))
}
