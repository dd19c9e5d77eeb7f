//! No value of a file or a variable is in any error.

use palisade::Stack;
use palisade::config::{Assembly, Config};

use crate::support::FILE;

/// No directory can be made of it either.
const CANARY: &str = "/dev/null/Zk3vQ8wT1yLr5nXs9bGd7hJf2mPc";

/// Every key of the model that takes a value, with one that it takes.
const SECTIONS: &str = r#"
[scope]
trusted_proxies = ["loopback"]
forwarded_header = "forwarded"
v6_prefix = 64
[request_id]
mode = "on"
format = "random"
trusted_proxies = ["loopback"]
trust_callers = false
[security_headers]
preset = "api"
frame_options = "deny"
no_store = "always"
without = ["x-frame-options"]
strip = ["server"]
[security_headers.headers]
x-own = "value"
[security_headers.hsts]
max_age_seconds = 60
preload = false
[cookies]
same_site = "lax"
scripts_read = ["a"]
[https_redirect]
trusted_proxies = ["loopback"]
hosts = ["a.example"]
port = 8443
[cors]
origins = ["https://a.example"]
methods = ["GET"]
headers = ["x-a"]
expose = ["x-b"]
credentials = false
max_age_seconds = 1
[cross_origin_guard]
trusted_origins = ["https://a.example"]
insecure_bypasses = ["/hooks/"]
[limits.clients]
mode = "on"
key = ["client-ip"]
exempt_paths = ["/a"]
headers = "both"
capacity = 1000
client_ip = "loopback"
v6_prefix = 64
[[limits.clients.policies]]
name = "api"
key = ["client-ip"]
mode = "on"
refund = ["304"]
limits = [{ rate = 1, per = "1s", burst = 2 }, { quota = 1, window = "1h", kind = "fixed" }]
[limits.clients.policies.block_after]
refusals = 5
within = "1m"
time = "1h"
[limits.clients.routes]
"GET /a" = "api"
[auth]
optional = false
realm = "api"
skip_paths = ["/a"]
bearer_header = "x-token"
bearer_cookie = "token"
websocket_origins = ["https://a.example"]
[[auth.services]]
name = "crm"
token = { env = "TOKEN" }
scopes = ["a"]
[[auth.issuers]]
name = "own"
audiences = ["api"]
secret = { env = "SECRET" }
algorithms = ["HS256"]
token_type = "common"
max_lifetime_seconds = 60
leeway_seconds = 5
[audit]
service = "a"
directory = "/dev/null/nowhere"
format = "ecs"
headers = ["user-agent"]
on_failure = "block"
mask = ["a"]
[audit.deliver]
access = "block"
[[audit.rules]]
level = "metadata"
path = "/a"
methods = ["GET"]
statuses = ["400-499"]
[field_encryption]
key = { env = "KEY" }
fields = ["**/email"]
record_type = "a"
paths = ["/a"]
[breakers.upstream]
mode = "on"
failure_threshold = 5
open_for = "60s"
open_jitter = 0.5
[retries.upstream]
attempts = 2
base = "100ms"
jitter = 1.0
"#;

const VARIABLES: [(&str, &str); 3] = [
    ("TOKEN", "Tk3vQ8wT1yLr5nXs9bGd7hJf2mPc4aEu"),
    ("SECRET", "kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu"),
    ("KEY", "LcsBmEZe8culEvQHJeFEUmcXuk+1igeyk/fgHmpQIaQ="),
];

/// Everything that can be said of a configuration.
fn all_that_is_said(text: &str) -> String {
    let loaded = Config::loader()
        .text(FILE, text)
        .variables(VARIABLES)
        .load();
    let config = match loaded {
        Ok(config) => config,
        Err(error) => return format!("{error}\n{error:?}\n{}", error.problems()),
    };
    let mut said = format!("{config:?}");
    if let Err(error) = Stack::from_config(&config) {
        said += &error.to_string();
    }
    if let Err(error) = config.open_trail() {
        said += &error.to_string();
    }
    let before = Config::loader()
        .text(FILE, SECTIONS)
        .variables(VARIABLES)
        .load();
    for change in before.unwrap().changes_to(&config) {
        said += &change.to_string();
    }
    said
}

#[test]
fn the_file_of_this_test_is_right_but_for_its_trail() {
    let loader = Config::loader().text(FILE, SECTIONS).variables(VARIABLES);
    let config = loader.load().unwrap_or_else(|error| panic!("{error}"));
    let error = Assembly::new().stack(&config).unwrap_err();
    assert_eq!(error.mistakes().count(), 1, "{error}");
    assert!(config.open_trail().is_err());
}

#[test]
fn a_secret_in_the_place_of_any_value_is_in_no_error() {
    let lines: Vec<&str> = SECTIONS.lines().collect();
    let mut tried = 0;
    for (number, line) in lines.iter().enumerate() {
        let Some((key, _)) = line.split_once(" = ") else {
            continue;
        };
        // As a text, in a list, as a key, as a word that is no TOML, and as the end of a line that is broken off.
        for wrong in [
            format!("{key} = \"{CANARY}\""),
            format!("{key} = [\"{CANARY}\"]"),
            format!("{key} = [\"{CANARY}\", 7]"),
            format!("{key} = {{ env = \"{CANARY}\" }}"),
            format!("{key} = {{ name = \"{CANARY}\", other = 1 }}"),
            format!("{key} = {CANARY}"),
            format!("{key} = \"{CANARY}"),
            format!("{key} = \"a\" {CANARY}"),
        ] {
            let mut changed = lines.clone();
            changed[number] = &wrong;
            let said = all_that_is_said(&changed.join("\n"));
            // A variable is named, and so is a path that could not be opened, whose name is no secret.
            let is_a_name =
                wrong.contains("env = ") && said.contains(&format!("variable {CANARY}"));
            assert!(is_a_name || !said.contains(CANARY), "{wrong}\n{said}");
            assert!(
                is_a_name || !said.contains("Zk3vQ8wT1yLr5nXs9"),
                "{wrong}\n{said}"
            );
            tried += 1;
        }
    }
    assert!(tried > 500, "{tried}");
}

#[test]
fn a_secret_in_a_variable_is_in_no_error() {
    for name in [
        "TRUSTED_PROXIES",
        "CORS_ORIGINS",
        "CORS_METHODS",
        "CORS_HEADERS",
        "RATE_LIMIT_REQUESTS_PER_SECOND",
        "RATE_LIMIT_PER_SECOND",
        "RATE_LIMIT_BURST",
        "CIRCUIT_BREAKER_THRESHOLD",
        "CIRCUIT_BREAKER_TIMEOUT_SEC",
        "TOKEN",
        "SECRET",
        "KEY",
    ] {
        let mut variables = VARIABLES.to_vec();
        variables.push((name, CANARY));
        let loaded = Config::loader()
            .text(FILE, SECTIONS)
            .variables(variables)
            .load();
        if let Err(error) = loaded {
            let said = format!("{error}\n{error:?}");
            assert!(!said.contains("Zk3vQ8wT1yLr5nXs9"), "{name}: {said}");
        }
    }
}
