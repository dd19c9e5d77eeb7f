//! Policies that cannot be used, and policies from the environment.

use palisade_headers::cors::CorsConfig;
use palisade_headers::{CorsBuilder, CorsLayer, HeadersError};

use crate::{all, ask, preflight, request};

#[test]
fn every_mistake_is_reported_at_once() {
    let error = CorsLayer::builder()
        .origins([
            "*",
            "null",
            "https://a.example/path",
            "http://app.example",
            "https://*.com",
            "app.example",
        ])
        .methods(["GET", "TRACE", "connect", "B@D"])
        .headers([
            "content-type",
            "Cookie",
            "Sec-Fetch-Site",
            "proxy-x",
            "a b",
            "*",
        ])
        .expose(["Set-Cookie", "x-own", "*"])
        .credentials(true)
        .try_build()
        .unwrap_err();
    let HeadersError::Cors(problems) = &error else {
        panic!("{error}");
    };
    let found: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "credentials: are on with origin '*', so every site could act as its visitor",
            "origins: have '*' beside others, which then mean nothing",
            "origins \"null\": is what sandboxed pages and files send, so everybody can send it",
            "origins \"https://a.example/path\": has a path, but an origin ends with its host or port",
            "origins \"http://app.example\": is not HTTPS, so anybody on the way could change its pages, with credentials on",
            "origins \"https://*.com\": has a wildcard over a public suffix, below which everybody can register a name",
            "origins \"app.example\": is not scheme://host[:port]",
            "methods \"TRACE\": cannot be used by scripts",
            "methods \"connect\": cannot be used by scripts",
            "methods \"B@D\": is not a method",
            "headers \"Cookie\": is out of reach of scripts",
            "headers \"Sec-Fetch-Site\": is out of reach of scripts",
            "headers \"proxy-x\": is out of reach of scripts",
            "headers \"a b\": is not a header's name",
            "headers \"*\": means a header of that name while credentials are on",
            "expose \"Set-Cookie\": is out of reach of scripts",
            "expose \"*\": means a header of that name while credentials are on",
        ]
    );
}

#[test]
fn a_policy_without_origins_is_a_mistake() {
    let error = CorsLayer::builder().try_build().unwrap_err();
    assert_eq!(
        error.to_string(),
        "CORS: origins: are missing; name them, or '*' for everybody"
    );
}

#[test]
fn plain_http_without_credentials_and_this_machine_with_them_are_allowed() {
    assert!(
        CorsLayer::builder()
            .origins(["http://app.example"])
            .try_build()
            .is_ok()
    );
    let local = [
        "http://localhost:3000",
        "http://127.0.0.1:8080",
        "http://[::1]:3000",
    ];
    assert!(
        CorsLayer::builder()
            .origins(local)
            .credentials(true)
            .try_build()
            .is_ok()
    );
}

#[tokio::test]
async fn environment_variables_make_a_policy() {
    let vars = [
        (
            "CORS_ORIGINS",
            " https://app.example ,https://*.tenant.example,",
        ),
        ("CORS_METHODS", "GET,PUT"),
        ("CORS_HEADERS", "X-One, X-Two"),
    ];
    let read = |name: &str| {
        let value = vars.iter().find(|(known, _)| *known == name);
        value.map(|(_, value)| (*value).to_owned())
    };
    let cors = CorsConfig::from_vars(read).try_build().unwrap();
    let (status, headers) = ask(&cors, preflight("https://a.tenant.example"), &[]).await;
    assert_eq!(status, 200);
    assert_eq!(all(&headers, "access-control-allow-methods"), ["GET, PUT"]);
    assert_eq!(
        all(&headers, "access-control-allow-headers"),
        ["X-One, X-Two"]
    );
    assert_eq!(
        ask(&cors, preflight("https://evil.example"), &[]).await.0,
        403
    );
}

#[tokio::test]
async fn without_variables_the_policy_is_that_for_apis() {
    let configured = CorsConfig::from_vars(|_| None).try_build().unwrap();
    for request in [|| preflight("https://x.example"), || request("GET", &[])] {
        let expected = ask(&CorsLayer::api(), request(), &[]).await;
        assert_eq!(ask(&configured, request(), &[]).await, expected);
    }
}

#[test]
fn a_variable_that_is_set_and_names_nothing_is_a_mistake() {
    for empty in ["", " ", ",", " , ,"] {
        let config = CorsConfig::from_vars(|_| Some(empty.to_owned()));
        assert_eq!(
            config.try_build().unwrap_err().to_string(),
            "CORS: origins \"\": is empty; methods \"\": is empty; headers \"\": is empty"
        );
    }
}

#[tokio::test]
async fn the_policy_for_apis_can_be_extended() {
    let cors = CorsBuilder::api()
        .methods(["DELETE"])
        .headers(["X-Tenant"])
        .try_build()
        .unwrap();
    let (status, headers) = ask(&cors, preflight("https://app.example"), &[]).await;
    assert_eq!(status, 200);
    assert_eq!(
        all(&headers, "access-control-allow-methods"),
        ["GET, POST, DELETE"]
    );
    assert_eq!(
        all(&headers, "access-control-allow-headers"),
        ["Authorization, Content-Type, X-Track-ID, Idempotency-Key, X-Tenant"]
    );
}

// Fetch, section 2.2.1.
#[tokio::test]
async fn methods_are_written_as_browsers_send_them() {
    let vars = |name: &str| {
        (name == "CORS_METHODS").then(|| "get,Post,put,PUT,delete,head,options,PATCH,purge".into())
    };
    let cors = CorsConfig::from_vars(vars).try_build().unwrap();
    let (_, headers) = ask(&cors, preflight("https://app.example"), &[]).await;
    assert_eq!(
        all(&headers, "access-control-allow-methods"),
        ["GET, POST, PUT, DELETE, HEAD, OPTIONS, PATCH, purge"]
    );
    let error = CorsLayer::builder()
        .origins(["*"])
        .methods(["patch"])
        .try_build()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "CORS: methods \"patch\": is not PATCH, which browsers do not write in capitals by themselves"
    );
}

#[test]
fn credentials_need_an_origin_that_nobody_on_the_way_can_change() {
    let built = |origin: &str| {
        let builder = CorsLayer::builder().origins([origin]).credentials(true);
        builder.try_build().is_ok()
    };
    for good in [
        "https://app.example",
        "http://a.foo.localhost",
        "http://*.foo.localhost",
        "capacitor://localhost",
        "chrome-extension://abcdef",
    ] {
        assert!(built(good), "{good}");
    }
    for bad in [
        "http://app.example",
        "http://*.app.example",
        "ftp://app.example",
        "ws://app.example",
        "javascript://app.example",
        "gopher://app.example",
    ] {
        assert!(!built(bad), "{bad}");
    }
}

#[cfg(feature = "serde")]
#[test]
fn a_configuration_is_read_from_any_format() {
    let config: CorsConfig = serde_json::from_str(
        r#"{"origins":["https://app.example"],"credentials":true,"max_age_seconds":60}"#,
    )
    .unwrap();
    assert_eq!(config.methods, ["GET", "POST"]);
    assert!(config.try_build().is_ok());
    assert!(
        serde_json::from_str::<CorsConfig>(r#"{"origin":["https://app.example"]}"#).is_err(),
        "a typing error"
    );
}
