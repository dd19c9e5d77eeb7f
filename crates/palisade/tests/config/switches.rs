//! Each layer on, off, and in shadow mode where it has one.

use http::HeaderValue;
use palisade::breaker::{BreakerLayer, State};
use palisade::config::{Assembly, Config};
use palisade::{Principal, Stack};

use crate::support::{FILE, load, passed, request, send};

#[track_caller]
fn stack(text: &str) -> Stack {
    Stack::from_config(&load(text).unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_section_switches_its_layer_on_and_mode_off_switches_it_off() {
    let from_elsewhere = || {
        let mut request = request("/");
        *request.method_mut() = http::Method::POST;
        let headers = request.headers_mut();
        headers.insert("host", HeaderValue::from_static("api.example"));
        headers.insert("origin", HeaderValue::from_static("https://evil.example"));
        headers.insert("sec-fetch-site", HeaderValue::from_static("cross-site"));
        request
    };
    for (section, header) in [
        ("request_id", "x-request-id"),
        ("security_headers", "x-content-type-options"),
        ("cors", "access-control-allow-origin"),
    ] {
        let on = stack(&format!("[{section}]"));
        let (_, headers) = send(&on, from_elsewhere()).await;
        assert!(headers.contains_key(header), "{section}: {headers:?}");
        for off in [String::new(), format!("[{section}]\nmode = \"off\"")] {
            let (_, headers) = send(&stack(&off), from_elsewhere()).await;
            assert!(!headers.contains_key(header), "{section}: {headers:?}");
        }
    }
    let cookie = |headers: &http::HeaderMap| headers["set-cookie"].to_str().unwrap().to_owned();
    let (_, headers) = send(&stack("[cookies]"), request("/")).await;
    assert!(cookie(&headers).contains("HttpOnly"), "{headers:?}");
    let (_, headers) = send(&stack("[cookies]\nmode = \"off\""), request("/")).await;
    assert_eq!(cookie(&headers), "a=b");

    let guard = |mode| format!("[cross_origin_guard]\nmode = \"{mode}\"");
    assert_eq!(send(&stack(&guard("on")), from_elsewhere()).await.0, 403);
    assert_eq!(send(&stack(&guard("off")), from_elsewhere()).await.0, 200);

    let mut plain = request("/");
    let host = HeaderValue::from_static("api.example");
    plain.headers_mut().insert("host", host);
    let redirect = |mode| format!("[https_redirect]\nmode = \"{mode}\"");
    let (status, _) = send(&stack(&redirect("on")), plain.clone()).await;
    assert!((300..400).contains(&status), "{status}");
    assert_eq!(send(&stack(&redirect("off")), plain).await.0, 200);
}

fn limits(mode: &str, of_policy: &str) -> String {
    format!(
        r#"
        [limits.clients]
        mode = "{mode}"
        policies = [{{ name = "api", mode = "{of_policy}", limits = [{{ quota = 2, window = "1h" }}] }}]
        "#
    )
}

#[tokio::test(start_paused = true)]
async fn a_limit_and_a_policy_of_it_are_on_off_or_watch() {
    let on = stack(&limits("on", "on"));
    let (_, headers) = send(&on, request("/")).await;
    assert!(headers.contains_key("x-ratelimit-limit"), "{headers:?}");
    assert_eq!(passed(&on, 5).await, 1);
    for (mode, of_policy) in [
        ("shadow", "on"),
        ("on", "shadow"),
        ("off", "on"),
        ("on", "off"),
    ] {
        let stack = stack(&limits(mode, of_policy));
        let (_, headers) = send(&stack, request("/")).await;
        let counts = headers.contains_key("x-ratelimit-limit");
        let watches = mode == "shadow" || of_policy == "shadow";
        assert_eq!(counts, watches, "{mode} {of_policy}: {headers:?}");
        assert_eq!(passed(&stack, 5).await, 5, "{mode} {of_policy}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_limiter_of_limits_that_are_off_lets_every_use_pass() {
    let text = limits("off", "on").replace("clients", "jobs");
    let config = Config::loader()
        .text(FILE, text)
        .add_limit("jobs")
        .load()
        .unwrap();
    let assembly = Assembly::new();
    let _ = assembly.stack(&config).unwrap();
    let limiter = assembly.rate_limit("jobs").limiter();
    for _ in 0..5 {
        let key = palisade::ratelimit::Key::text("a");
        assert!(limiter.check("api", key, 1).await.is_allowed());
    }
}

#[tokio::test(start_paused = true)]
async fn authentication_is_on_or_off_and_skips_what_it_is_told() {
    let token = "Zk3vQ8wT1yLr5nXs9bGd7hJf2mPc4aEu";
    let text = |mode: &str| {
        format!(
            r#"
            [auth]
            mode = "{mode}"
            realm = "bookings"
            skip_paths = ["/open"]
            services = [{{ name = "crm", token = {{ env = "CRM_BEARER_TOKEN" }}, scopes = ["notify"] }}]
            "#
        )
    };
    let load = |mode: &str| {
        let loader = Config::loader().text(FILE, text(mode));
        loader
            .variables([("CRM_BEARER_TOKEN", token)])
            .load()
            .unwrap()
    };
    let on = Stack::from_config(&load("on")).unwrap();
    let (status, headers) = send(&on, request("/")).await;
    assert_eq!(status, 401);
    let challenge = headers["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains("bookings"), "{challenge}");
    assert_eq!(send(&on, request("/open")).await.0, 200);
    let mut by_crm = request("/");
    let bearer = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    by_crm.headers_mut().insert("authorization", bearer);
    assert_eq!(send(&on, by_crm).await.0, 200);
    let off = Stack::from_config(&load("off")).unwrap();
    assert_eq!(send(&off, request("/")).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_is_believed_by_the_secret_that_is_named() {
    use palisade::auth::{HmacKeys, TokenIssuer};
    let secret = "kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu";
    let text = r#"
        [[auth.issuers]]
        name = "bookings"
        audiences = ["api://bookings"]
        secret = { env = "JWT_SECRET_KEY" }
    "#;
    let loader = Config::loader().text(FILE, text);
    let config = loader
        .variables([("JWT_SECRET_KEY", secret)])
        .load()
        .unwrap();
    let stack = Stack::from_config(&config).unwrap();
    let issued = |audience: &str| {
        let keys = HmacKeys::current(secret).unwrap();
        let issuer = TokenIssuer::hmac("bookings", keys)
            .audience(audience)
            .build()
            .unwrap();
        let token = issuer.issue(&Principal::user("bookings", "alice")).unwrap();
        let mut request = request("/");
        let bearer = HeaderValue::from_str(&format!("Bearer {}", token.as_str())).unwrap();
        request.headers_mut().insert("authorization", bearer);
        request
    };
    assert_eq!(send(&stack, issued("api://bookings")).await.0, 200);
    assert_eq!(send(&stack, issued("api://other")).await.0, 401);
}

#[tokio::test(start_paused = true)]
async fn fields_are_sealed_or_not() {
    let key = "LcsBmEZe8culEvQHJeFEUmcXuk+1igeyk/fgHmpQIaQ=";
    for (mode, sealed) in [("on", true), ("off", false)] {
        let text = format!(
            "[field_encryption]\nmode = \"{mode}\"\nfields = [\"**/email\"]\nrecord_type = \"partner\"\n"
        );
        let loader = Config::loader()
            .text(FILE, text)
            .variables([("ENCRYPTION_KEY", key)]);
        let stack = Stack::from_config(&loader.load().unwrap()).unwrap();
        let (_, headers) = send(&stack, request("/")).await;
        assert_eq!(
            headers.get("content-length").is_some(),
            sealed,
            "{mode}: {headers:?}"
        );
    }
    let without = load("[field_encryption]\n").unwrap();
    let error = Stack::from_config(&without).unwrap_err().to_string();
    assert_eq!(
        error,
        "palisade.toml:1: field_encryption: key: the variable ENCRYPTION_KEY is not set"
    );
}

#[test]
fn requests_are_recorded_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let text = |mode: &str| {
        format!(
            "[audit]\nmode = \"{mode}\"\nservice = \"bookings\"\ndirectory = {:?}\n[[audit.rules]]\nlevel = \"metadata\"\n",
            folder.path()
        )
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let config = load(&text("on")).unwrap();
    let (audit, guard) = config.open_trail().unwrap().unwrap();
    let assembly = Assembly::new().audit(audit.clone());
    let on = assembly.stack(&config).unwrap();
    let off = assembly.stack(&load(&text("off")).unwrap()).unwrap();
    runtime.block_on(async {
        send(&on, request("/seen")).await;
        send(&off, request("/unseen")).await;
    });
    assert!(guard.shutdown(std::time::Duration::from_secs(5)).complete);
    let lines = audit.recent(100).join("\n");
    assert!(
        lines.contains("/seen") && !lines.contains("/unseen"),
        "{lines}"
    );
}

#[test]
fn a_breaker_is_on_off_or_watches() {
    for (mode, state) in [
        ("on", State::Closed),
        ("shadow", State::MetricsOnly),
        ("off", State::Disabled),
    ] {
        let text = format!("[breakers.upstream]\nmode = \"{mode}\"\nfailure_threshold = 3\n");
        let config = load(&text).unwrap();
        let layer = BreakerLayer::http("upstream").configured(&config.breakers["upstream"]);
        assert_eq!(layer.unwrap().handle().state(), state, "{mode}");
    }
}
