//! A configuration that is read again while the service runs.

use palisade::config::{Assembly, Config};

use crate::support::{load, passed, request, send};

fn text(mode: &str, quota: u32) -> String {
    format!(
        r#"
        [limits.clients]
        policies = [
            {{ name = "api", mode = "{mode}", limits = [{{ quota = {quota}, window = "1h" }}] }},
        ]

        [cors]
        origins = ["https://app.example"]
        "#
    )
}

#[tokio::test(start_paused = true)]
async fn counts_go_on_through_shadow_mode_and_other_numbers() {
    let assembly = Assembly::new();
    let (stack, reload) = assembly
        .stack(&load(&text("on", 5)).unwrap())
        .unwrap()
        .reloadable();
    assert_eq!(passed(&stack, 3).await, 3);
    reload.replace(assembly.stack(&load(&text("shadow", 5)).unwrap()).unwrap());
    assert_eq!(
        passed(&stack, 9).await,
        9,
        "it watches, and charges the 2 that are left"
    );
    reload.replace(assembly.stack(&load(&text("on", 5)).unwrap()).unwrap());
    assert_eq!(passed(&stack, 9).await, 0);
    reload.replace(assembly.stack(&load(&text("on", 7)).unwrap()).unwrap());
    assert_eq!(passed(&stack, 9).await, 2);
    reload.replace(assembly.stack(&load(&text("off", 7)).unwrap()).unwrap());
    assert_eq!(passed(&stack, 9).await, 9);
    reload.replace(assembly.stack(&load(&text("on", 8)).unwrap()).unwrap());
    assert_eq!(
        passed(&stack, 9).await,
        1,
        "what passed while it was off is not charged"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_is_refused_changes_nothing() {
    let assembly = Assembly::new();
    let (stack, _reload) = assembly
        .stack(&load(&text("on", 5)).unwrap())
        .unwrap()
        .reloadable();
    assert_eq!(passed(&stack, 3).await, 3);
    // Its limits can be built, and its authentication cannot.
    let refused = load(&format!("[auth]\n{}", text("on", 2))).unwrap();
    assert!(assembly.stack(&refused).is_err());
    assert_eq!(passed(&stack, 9).await, 2);
    let next = assembly.stack(&load(&text("on", 6)).unwrap()).unwrap();
    assert_eq!(passed(&next, 9).await, 1);
}

#[tokio::test(start_paused = true)]
async fn what_code_adds_is_in_every_stack() {
    let assembly = Assembly::new().limit("clients", |builder| {
        builder.exempt_if(|request| request.path() == "/free")
    });
    for mode in ["on", "shadow", "on"] {
        let stack = assembly.stack(&load(&text(mode, 1)).unwrap()).unwrap();
        for _ in 0..5 {
            assert_eq!(send(&stack, request("/free")).await.0, 200);
        }
    }
}

#[test]
fn changes_are_named_by_key_and_tell_no_text() {
    let changes = |old: &Config, new: &Config| -> Vec<String> {
        let changes = old.changes_to(new);
        changes.iter().map(ToString::to_string).collect()
    };
    let old = load(&text("on", 5)).unwrap();
    assert_eq!(changes(&old, &old), Vec::<String>::new());
    assert_eq!(
        changes(&old, &load(&text("shadow", 7)).unwrap()),
        [
            "limits.clients.policies.api.limits.0.quota: 5 -> 7",
            "limits.clients.policies.api.mode: on -> shadow",
        ]
    );
    let whole = text("on", 5).replace("[limits.clients]", "[limits.clients]\nmode = \"shadow\"");
    let whole =
        load(&whole.replace("https://app.example", "https://Zk3vQ8wT1yLr5.example")).unwrap();
    assert_eq!(
        changes(&old, &whole),
        [
            "cors.origins: 1 items -> 1 items",
            "limits.clients.mode: on -> shadow"
        ]
    );
    let without = load(
        &text("on", 5)
            .replace("[cors]", "[request_id]")
            .replace("origins", "trusted_proxies")
            .replace("https://app.example", "loopback"),
    );
    assert_eq!(
        changes(&old, &without.unwrap()),
        [
            "cors: there -> not set",
            "cors.origins: 1 items -> not set",
            "request_id: not set -> there",
            "request_id.trusted_proxies: not set -> 1 items",
        ]
    );
    let breaker = |mode: &str, settings: &str| {
        load(&format!(
            "[security_headers.hsts]\nmax_age_seconds = 31536000\n{mode}\n[breakers.upstream]\n{settings}"
        ))
        .unwrap()
    };
    let (old_breaker, new_breaker) = (
        breaker("include_subdomains = false", "failure_rate = 0.5"),
        breaker(
            "include_subdomains = true",
            "failure_rate = 0.25\nopen_jitter = 0.5",
        ),
    );
    let found = old_breaker.changes_to(&new_breaker);
    let parts: Vec<_> = found
        .iter()
        .map(|change| (change.key(), change.from(), change.to()))
        .collect();
    assert_eq!(
        parts,
        [
            ("breakers.upstream.failure_rate", Some("0.5"), Some("0.25")),
            ("breakers.upstream.open_jitter", None, Some("0.5")),
            (
                "security_headers.hsts.include_subdomains",
                Some("false"),
                Some("true")
            ),
        ]
    );
    // A default that is written out is no change.
    let written = text("on", 5).replace("[cors]", "[cors]\nmode = \"on\"");
    assert_eq!(
        changes(&old, &load(&written).unwrap()),
        Vec::<String>::new()
    );
}
