use super::*;

fn allows(rule: &Rule, principal: &Principal) -> bool {
    rule.allows(principal, &Request::new(()))
}

#[test]
fn a_service_is_known_by_its_kind_its_issuer_and_its_name() {
    let rule = Rule::Services("iss".into(), names(["billing", "mail"]));
    assert!(allows(&rule, &Principal::service("iss", "billing")));
    assert!(allows(&rule, &Principal::service("iss", "mail")));
    for other in [
        Principal::user("iss", "billing"),
        Principal::service("other", "billing"),
        Principal::service("iss", "orders"),
        Principal::user("other", "orders"),
    ] {
        assert!(!allows(&rule, &other), "{other:?}");
    }
    assert!(allows(&Rule::AnyService, &Principal::service("x", "y")));
    assert!(!allows(&Rule::AnyService, &Principal::user("x", "y")));
}

#[test]
fn all_and_any_mean_what_they_say_and_nothing_lets_nobody_pass() {
    let both = Principal::user("iss", "a")
        .scopes(["read", "write"])
        .permissions(["p", "q"])
        .roles(["editor"]);
    let one = Principal::user("iss", "b")
        .scopes(["read"])
        .permissions(["p"]);
    let none = Principal::user("iss", "c");
    let texts = |texts: &[&str]| names(texts.iter().copied());
    for (rule, allowed) in [
        (
            Rule::AllScopes(texts(&["read", "write"])),
            [true, false, false],
        ),
        (
            Rule::AnyScope(texts(&["write", "read"])),
            [true, true, false],
        ),
        (
            Rule::AllPermissions(texts(&["p", "q"])),
            [true, false, false],
        ),
        (Rule::AnyPermission(texts(&["q", "p"])), [true, true, false]),
        (Rule::AnyRole(texts(&["editor"])), [true, false, false]),
        (Rule::AllScopes(texts(&[])), [false; 3]),
        (Rule::AllPermissions(texts(&[])), [false; 3]),
        (Rule::AnyScope(texts(&[])), [false; 3]),
        (Rule::Authenticated, [true; 3]),
    ] {
        let passes = [&both, &one, &none].map(|principal| allows(&rule, principal));
        assert_eq!(passes, allowed);
    }
}

#[test]
fn debug_output_says_what_a_guard_asks_for() {
    for (guard, text) in [
        (Guard::off(), "Guard(off)"),
        (Guard::authenticated(), r#"Guard { authenticated: [] }"#),
        (
            RequireScope::all(["read", "write"]),
            r#"Guard { all scopes: ["read", "write"] }"#,
        ),
        (
            RequireRole::any(["admin"]),
            r#"Guard { any role: ["admin"] }"#,
        ),
        (
            RequireService::named(["crm"]),
            r#"Guard { services: ["crm"] }"#,
        ),
    ] {
        assert_eq!(format!("{guard:?}"), text);
    }
}
