//! Every mistake at once, with its place.

use std::fs;

use palisade::config::{Assembly, Config};
use palisade::{Problems, Stack};

use crate::support::{lines, load, mistakes};

#[test]
fn every_mistake_is_named_at_once_by_file_line_and_key() {
    let text = r#"
        [scope]
        trusted_proxies = ["10.0.0.0/8", "10.0.0.0/33"]
        v6_prefix = 129

        [cors]
        origins = ["https://app.example", "app.example"]
        max_age_seconds = "long"

        [limits.clients]
        mode = "shaddow"
        policies = [
            { name = "api", limits = [{ rate = 0, per = "1 s" }] },
            { preset = "loging" },
        ]

        [breakers.upstream]
        failure_rate = 1.5
    "#;
    assert_eq!(
        mistakes(text),
        [
            "palisade.toml:3: scope.trusted_proxies[1]: is neither an address nor a network, nor loopback, private or \
             link-local",
            "palisade.toml:4: scope.v6_prefix: must be 1 to 128",
            "palisade.toml:7: cors.origins[1]: is not scheme://host[:port]",
            "palisade.toml:8: cors.max_age_seconds: is a text, must be a whole number from 0",
            "palisade.toml:11: limits.clients.mode: must be on, shadow, off; did you mean shadow?",
            "palisade.toml:13: limits.clients.policies[0].limits[0].per: the value is not a time such as 500ms, 10s, 1m, 1h or \
             1d",
            "palisade.toml:14: limits.clients.policies[1].preset: there is none named the value",
            "palisade.toml:18: breakers.upstream.failure_rate: must be a share above 0 and up to 1",
        ]
    );
}

#[test]
fn an_unknown_key_is_a_mistake_with_the_one_that_was_meant() {
    let text = r#"
        [cros]
        [limits.client]
        [limits.principals]
        polices = []
        [request_id]
        fromat = "random"
        [audit.deliver]
        acess = "block"
        [auth]
        colour = "red"
    "#;
    assert_eq!(
        mistakes(text),
        [
            "palisade.toml:2: cros: is no setting; did you mean cors?",
            "palisade.toml:3: limits.client: nothing has this name; did you mean clients?",
            "palisade.toml:5: limits.principals.polices: is no setting; did you mean policies?",
            "palisade.toml:7: request_id.fromat: is no setting; did you mean format?",
            "palisade.toml:9: audit.deliver.acess: must be access, authentication, authorization, admin, configuration, \
             data, operations; did you mean access?",
            "palisade.toml:11: auth.colour: is no setting",
        ]
    );
}

#[test]
fn what_the_layers_refuse_stands_at_its_line() {
    let text = r#"
[security_headers]
without = ["ä"]
[security_headers.headers]
x-own = "a\nb"

[cross_origin_guard]
trusted_origins = [
    "https://a.example",
    "null",
]

[limits.clients]
key = ["principle"]
policies = [
    { preset = "clients" },
    { name = "api", limits = [{ quota = 5 }] },
]
[limits.clients.routes]
"GET /a" = "apis"

[breakers.upstream]
slow_call = "1s"

[retries.upstream]
attempts = 0
"#;
    let found = mistakes(text);
    let expected = [
        "palisade.toml:3: security_headers.without[0]: is not a header's name",
        "palisade.toml:5: security_headers.headers.x-own: has a value with characters that no header holds",
        "palisade.toml:10: cross_origin_guard.trusted_origins[1]: ",
        "palisade.toml:14: limits.clients.key[0]: ",
        "palisade.toml:17: limits.clients.policies[1].limits[0]: window: is missing",
        "palisade.toml:22: breakers.upstream: slow_call_rate: needs slow_call, and slow_call needs it",
        "palisade.toml:26: retries.upstream.attempts: is 0, must be at least 1",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\n{expected}");
    }
}

#[test]
fn a_route_to_no_policy_is_found_once_the_rest_can_be_read() {
    let text = "[limits.clients]\npolicies = [{ preset = \"clients\" }]\n[limits.clients.routes]\n\"GET /a\" = \"apis\"\n";
    let found = mistakes(text);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("palisade.toml:4: limits.clients.routes.\"GET /a\": "),
        "{found:?}"
    );
}

#[test]
fn what_is_no_toml_is_named_by_its_lines() {
    let found = mistakes("[cors]\norigins = [\"https://a.example\"\n\n[audit\nmode = on\n");
    assert!(found.len() >= 2, "{found:?}");
    assert!(
        found
            .iter()
            .all(|line| line.starts_with("palisade.toml:") && line.contains("is not TOML: ")),
        "{found:?}"
    );
}

#[test]
fn a_secret_is_named_and_never_written() {
    let text = r#"
        [[auth.services]]
        name = "crm"
        token = "Zk3vQ8wT1yLr5nXs9bGd7hJf2mPc4aEu"
        [[auth.services]]
        name = "backend"
        token = { env = "BACKEND_TOKEN", file = "/run/secrets/backend" }
        [[auth.issuers]]
        name = "bookings"
        audiences = ["api://bookings"]
        secret = { env = "JWT_SECRET_KEY" }
    "#;
    assert_eq!(
        mistakes(text),
        [
            "palisade.toml:4: auth.services[0].token: is a text, must be the place of a secret, as { env = \"NAME\" } or { \
             file = \"/path\" }, and never the secret itself",
            "palisade.toml:7: auth.services[1].token: has two places, must have one",
            "palisade.toml:11: auth.issuers[0].secret: the variable JWT_SECRET_KEY is not set",
        ]
    );
    let text = text.replace(
        "\"Zk3vQ8wT1yLr5nXs9bGd7hJf2mPc4aEu\"",
        "{ file = \"/nowhere/at/all\" }",
    );
    let text = text.replace(", file = \"/run/secrets/backend\"", "");
    assert_eq!(
        mistakes(&text),
        [
            "palisade.toml:4: auth.services[0].token: the file of the secret cannot be read: entity not found",
            "palisade.toml:7: auth.services[1].token: the variable BACKEND_TOKEN is not set",
            "palisade.toml:11: auth.issuers[0].secret: the variable JWT_SECRET_KEY is not set",
        ]
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = Config::load("/nowhere/palisade.toml").unwrap_err();
    assert_eq!(
        error.to_string(),
        "/nowhere/palisade.toml: cannot be read: entity not found"
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.toml");
    fs::write(&path, "#".repeat((1 << 20) + 1)).unwrap();
    let error = Config::load(&path).unwrap_err().to_string();
    assert!(
        error.ends_with("large.toml: is larger than 1 MiB"),
        "{error}"
    );
}

#[test]
fn an_error_shows_its_display_and_tells_its_parts() {
    let error = load("[cors]\n\nmax_age_seconds = -1\n").unwrap_err();
    assert_eq!(format!("{error:?}"), error.to_string());
    let mistake = error.mistakes().next().unwrap();
    assert_eq!(format!("{mistake:?}"), mistake.to_string());
    assert_eq!(
        (
            mistake.file(),
            mistake.line(),
            mistake.key(),
            mistake.variable()
        ),
        (Some("palisade.toml"), Some(3), "cors.max_age_seconds", None)
    );
    assert_eq!(mistake.reason(), "must be a whole number from 0");
    assert_eq!(error.problems().to_string(), error.to_string());
}

#[test]
fn what_only_a_stack_needs_is_said_when_it_is_made() {
    let config = load("\n[auth]\n\n[audit]\nstdout = true\n").unwrap();
    let error = Stack::from_config(&config).unwrap_err();
    let found = lines(&error);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("palisade.toml:4: audit: mode: is on, but no trail was opened"));
    assert!(found[1].starts_with("palisade.toml:2: auth: mode: is on, but knows no credential"));
    let (audit, _guard) = config.open_trail().unwrap().unwrap();
    let auth = palisade::auth::AuthLayer::new();
    let assembly = Assembly::new().audit(audit).auth(auth);
    assert!(assembly.stack(&config).is_ok());
}

#[test]
fn what_the_trail_refuses_stands_at_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "[audit]\nservice = \"no name\"\ndirectory = {:?}\nmax_bytes = 1\ncapacity = 1\n[[audit.rules]]\nlevel = \"all\"\n",
        folder.path()
    );
    assert_eq!(
        mistakes(&text),
        [
            "palisade.toml:7: audit.rules[0].level: must be none, metadata, request, request-response"
        ]
    );
    let config = load(&text.replace("\"all\"", "\"metadata\"")).unwrap();
    let found = lines(&config.open_trail().unwrap_err());
    let keys: Vec<_> = found
        .iter()
        .filter_map(|line| line.split(": ").nth(1))
        .collect();
    assert_eq!(
        keys,
        ["audit.service", "audit.max_bytes", "audit.capacity"],
        "{found:?}"
    );
}

/// The lines of what crates say of a section.
fn explained(text: &str, section: &str, problems: &[(&str, &str)]) -> Vec<String> {
    let mut named = Problems::none();
    for (field, reason) in problems {
        named.push(*field, *reason);
    }
    let mistakes = load(text).unwrap().explain(section, &named);
    mistakes.iter().map(ToString::to_string).collect()
}

#[test]
fn a_field_that_names_a_policy_leads_to_its_line() {
    let text = r#"
        [limits.clients]
        policies = [
            { name = "api", limits = [{ rate = 5, per = "1s" }] },
            { preset = "login" },
        ]
    "#;
    let fields = [
        ("policies[0].limits[0].rate", "a"),
        ("api.limits[0].rate", "b"),
        ("login", "c"),
        ("policy \"api\"", "d"),
        ("policy \"nobody\"", "e"),
    ];
    assert_eq!(
        explained(text, "limits.clients", &fields),
        [
            "palisade.toml:4: limits.clients.policies[0].limits[0].rate: a",
            "palisade.toml:4: limits.clients.policies[0].limits[0].rate: b",
            "palisade.toml:5: limits.clients.policies[1]: c",
            "palisade.toml:4: limits.clients.policies[0]: d",
            "palisade.toml:2: limits.clients: policy: e",
        ]
    );
}

#[test]
fn a_reason_is_shown_without_the_texts_of_its_section() {
    let text = r#"
        [limits.clients]
        policies = [
            { name = "LOUD_NAME", limits = [{ rate = 5, per = "1s" }] },
            { name = "sixsix", limits = [{ rate = 5, per = "1s" }] },
            { name = "five5", limits = [{ rate = 5, per = "1s" }] },
        ]
    "#;
    for (reason, shown) in [
        ("has LOUD_NAME in it", "has the value in it"),
        ("has sixsix in it", "has the value in it"),
        ("has five5 in it", "has five5 in it"),
        ("has \"five5\" in it", "has the value in it"),
        ("has 'five5' in it", "has the value in it"),
        ("has `five5` in it", "has the value in it"),
    ] {
        let found = explained(text, "limits.clients", &[("policies", reason)]);
        assert_eq!(
            found,
            [format!("palisade.toml:3: limits.clients.policies: {shown}")]
        );
    }
    let text = "[security_headers.headers]\nx-note = \"a, list66, list5\"";
    for (reason, shown) in [
        ("has list66 in it", "has the value in it"),
        ("has list5 in it", "has list5 in it"),
    ] {
        let found = explained(text, "security_headers", &[("headers", reason)]);
        assert_eq!(
            found,
            [format!(
                "palisade.toml:1: security_headers.headers: {shown}"
            )]
        );
    }
}
