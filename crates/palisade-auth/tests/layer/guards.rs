//! Guards inside the layer.

use palisade_auth::{
    AccountStatus, AuthLayer, Guard, RequirePermission, RequireRole, RequireScope, RequireService,
    Roles,
};
use palisade_core::EventKind;
use serde_json::json;

use super::stack;
use super::support::{
    HEADER, OTHER_SECRET, SECRET, claims_with, get, good_token, grpc, hs256, layer, through,
    with_token,
};

#[tokio::test]
async fn a_guard_without_the_layer_fails_closed() {
    let roles = Roles::ladder(["user", "admin"]).unwrap();
    for guard in [
        RequireScope::all(["write"]),
        RequireScope::any(["write"]),
        RequireRole::any(["admin"]),
        RequireRole::at_least("user", &roles),
        RequirePermission::all(["delete"]),
        RequirePermission::any(["delete"]),
        RequireService::any(),
        RequireService::named(["crm"]),
        Guard::authenticated(),
        Guard::check(|_| true),
    ] {
        let answered = through(&guard, with_token(&good_token())).await;
        assert_eq!(
            (answered.status, answered.reason()),
            (500, "auth_layer_missing"),
            "{guard:?}"
        );
        assert!(
            answered.body.contains("INTERNAL_ERROR"),
            "{}",
            answered.body
        );
        let answered = through(&guard, grpc(get("/"))).await;
        assert_eq!(answered.header("grpc-status"), Some("13"));
    }
    assert_eq!(through(&Guard::off(), get("/")).await.status, 200);
}

#[tokio::test]
async fn guards_let_pass_whom_they_should() {
    let roles = Roles::ladder(["user", "facilitator", "admin"]).unwrap();
    let fay = hs256(
        HEADER,
        &claims_with(
            json!({"sub": "fay", "scope": ["read"], "roles": ["facilitator"], "permissions": ["move room"]}),
        ),
        SECRET,
    );
    for (guard, status, reason) in [
        (RequireScope::all(["read"]), 200, ""),
        (
            RequireScope::all(["read", "write"]),
            403,
            "insufficient_scope",
        ),
        (RequireScope::any(["read", "write"]), 200, ""),
        (RequireScope::any::<&str>([]), 403, "insufficient_scope"),
        (RequireRole::any(["facilitator"]), 200, ""),
        (
            RequireRole::any(["user", "admin"]),
            403,
            "insufficient_role",
        ),
        (RequireRole::at_least("user", &roles), 200, ""),
        (RequireRole::at_least("facilitator", &roles), 200, ""),
        (
            RequireRole::at_least("admin", &roles),
            403,
            "insufficient_role",
        ),
        (
            RequireRole::at_least("typo", &roles),
            403,
            "insufficient_role",
        ),
        (RequirePermission::all(["move room"]), 200, ""),
        (RequirePermission::any(["move room", "delete"]), 200, ""),
        (
            RequirePermission::all(["move room", "delete"]),
            403,
            "insufficient_permission",
        ),
        (RequireService::any(), 403, "wrong_kind"),
        (RequireService::named(["fay"]), 403, "wrong_kind"),
        (Guard::authenticated(), 200, ""),
        (
            Guard::check(|known| known.subject() == "alice"),
            403,
            "insufficient_permission",
        ),
    ] {
        let name = format!("{guard:?}");
        let guarded = stack(layer(), guard);
        let answered = through(&guarded, with_token(&fay)).await;
        assert_eq!(answered.status, status, "{name}");
        if status == 403 {
            assert_eq!(answered.reason(), reason, "{name}");
            assert_eq!(answered.events[0].kind(), EventKind::AuthorizationFailure);
            assert_eq!(answered.events[0].about(), Some("fay"));
            let answered = through(&guarded, grpc(with_token(&fay))).await;
            assert_eq!(answered.header("grpc-status"), Some("7"), "{name}");
        }
    }
}

#[tokio::test]
async fn a_missing_scope_is_named_in_the_challenge() {
    let guarded = stack(layer(), RequireScope::all(["write", "bookings:delete"]));
    let answered = through(&guarded, with_token(&good_token())).await;
    assert_eq!(
        answered.header("www-authenticate"),
        Some(r#"Bearer error="insufficient_scope", scope="write bookings:delete""#)
    );
    let guarded = stack(layer(), RequireScope::all(["evil\", realm=\"x"]));
    let answered = through(&guarded, with_token(&good_token())).await;
    assert_eq!(
        answered.header("www-authenticate"),
        Some(r#"Bearer error="insufficient_scope""#)
    );
}

#[tokio::test]
async fn services_pass_where_services_must() {
    let layer = layer().service_token("crm", OTHER_SECRET).unwrap();
    for (guard, status) in [
        (RequireService::any(), 200),
        (RequireService::named(["crm"]), 200),
        (RequireService::named(["erp"]), 403),
        (RequireScope::all(["read"]), 403),
    ] {
        let guarded = stack(layer.clone(), guard);
        assert_eq!(
            through(&guarded, with_token(OTHER_SECRET)).await.status,
            status
        );
    }
}

#[tokio::test]
async fn a_disabled_account_is_refused_on_the_next_request() {
    let disabled = std::sync::Arc::new(std::sync::atomic::AtomicU8::new(0));
    let seen = disabled.clone();
    let layer = layer().status(
        move |_| match seen.load(std::sync::atomic::Ordering::Relaxed) {
            0 => AccountStatus::Active,
            1 => AccountStatus::Disabled,
            _ => AccountStatus::Unknown,
        },
    );
    let token = good_token();
    assert_eq!(through(&layer, with_token(&token)).await.status, 200);
    disabled.store(1, std::sync::atomic::Ordering::Relaxed);
    let answered = through(&layer, with_token(&token)).await;
    assert_eq!(
        (answered.status, answered.reason()),
        (401, "account_disabled")
    );
    disabled.store(2, std::sync::atomic::Ordering::Relaxed);
    let answered = through(&layer, with_token(&token)).await;
    assert_eq!(
        (answered.status, answered.reason()),
        (503, "store_unavailable")
    );
    assert_eq!(answered.header("retry-after"), Some("1"));
    assert_eq!(
        answered.header("www-authenticate"),
        None,
        "503 is never a 401"
    );
}

#[tokio::test]
async fn a_step_up_replaces_the_principal() {
    let outer = AuthLayer::new().service_token("crm", OTHER_SECRET).unwrap();
    let inner = AuthLayer::new()
        .service_token("crm-admin", OTHER_SECRET)
        .unwrap();
    let answered = through(&stack(outer, inner), with_token(OTHER_SECRET)).await;
    assert_eq!(answered.body, "service crm-admin of service-token");
}

#[tokio::test]
async fn who_signs_in_inside_an_optional_layer_is_no_longer_a_stranger_to_a_guard() {
    let name = http::HeaderName::from_static("x-assertion");
    let inner = layer().bearer_header(name).unwrap().optional();
    let layers = stack(layer().optional(), inner);
    let guarded = stack(layers, RequireRole::any(["admin"]));
    let request = |token: Option<String>| {
        let mut request = get("/");
        if let Some(token) = token {
            let headers = request.headers_mut();
            headers.insert("x-assertion", token.parse().unwrap());
        }
        request
    };
    let stranger = through(&guarded, request(None)).await;
    assert_eq!(stranger.status, 401);
    assert_eq!(
        stranger.header("www-authenticate"),
        Some(r#"Bearer realm="api""#)
    );
    let user = through(&guarded, request(Some(good_token()))).await;
    assert_eq!((user.status, user.reason()), (403, "insufficient_role"));
    assert_eq!(user.header("www-authenticate"), None);
    let admin = hs256(HEADER, &claims_with(json!({"roles": ["admin"]})), SECRET);
    let admin = through(&guarded, request(Some(admin))).await;
    assert_eq!(admin.status, 200);
}
