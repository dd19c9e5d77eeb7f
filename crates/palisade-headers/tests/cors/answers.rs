//! Preflights, responses, and `Vary`.

use palisade_core::{EventKind, RequestScope};
use palisade_headers::CorsLayer;

use crate::{all, ask, listed, preflight, request};

const PREFLIGHT_VARY: &str =
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
const LIMITS: &str = "X-Request-ID, WWW-Authenticate, Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, \
                      X-RateLimit-Used, X-RateLimit-Resource, X-RateLimit-Policy, X-RateLimit-Scope, RateLimit, \
                      RateLimit-Policy, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset";

#[tokio::test]
async fn a_preflight_is_answered_with_the_whole_policy() {
    let cors = listed().credentials(true).try_build().unwrap();
    let (status, headers) = ask(&cors, preflight("https://app.example"), &[]).await;
    assert_eq!(status, 204);
    for (name, value) in [
        ("access-control-allow-origin", "https://app.example"),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "GET, POST"),
        (
            "access-control-allow-headers",
            "authorization, content-type",
        ),
        ("access-control-max-age", "600"),
        ("vary", PREFLIGHT_VARY),
    ] {
        assert_eq!(all(&headers, name), [value], "{name}");
    }
    assert_eq!(headers.len(), 6);
}

#[tokio::test]
async fn a_denied_preflight_is_refused_and_says_nothing_but_vary() {
    let cors = listed().credentials(true).try_build().unwrap();
    for origin in [
        "https://evil.example",
        "null",
        "http://app.example",
        "https://tenant.example",
        "",
    ] {
        let mut request = preflight(origin);
        let scope = RequestScope::enter(request.extensions_mut());
        let (status, headers) = ask(&cors, request, &[]).await;
        assert_eq!(status, 403, "{origin}");
        assert_eq!(all(&headers, "vary"), [PREFLIGHT_VARY]);
        let allow = headers
            .keys()
            .find(|name| name.as_str().starts_with("access-control"));
        assert_eq!(allow, None, "{origin}");
        let events = scope.close();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].kind(), EventKind::MaliciousCors);
    }
}

#[tokio::test]
async fn other_options_requests_reach_the_handler() {
    let cors = listed().try_build().unwrap();
    for headers in [
        vec![],
        vec![("origin", "https://app.example")],
        vec![("origin", "https://evil.example")],
        vec![("access-control-request-method", "POST")],
    ] {
        let (status, _) = ask(&cors, request("OPTIONS", &headers), &[]).await;
        assert_eq!(status, 201, "{headers:?}");
    }
}

#[tokio::test]
async fn an_allowed_response_may_be_read() {
    let cors = listed()
        .credentials(true)
        .expose(["X-Own"])
        .try_build()
        .unwrap();
    let (status, headers) = ask(
        &cors,
        request("POST", &[("origin", "https://a.tenant.example")]),
        &[],
    )
    .await;
    assert_eq!(status, 201);
    assert_eq!(
        all(&headers, "access-control-allow-origin"),
        ["https://a.tenant.example"]
    );
    assert_eq!(all(&headers, "access-control-allow-credentials"), ["true"]);
    assert_eq!(
        all(&headers, "access-control-expose-headers"),
        [format!("{LIMITS}, X-Own")]
    );
    assert_eq!(all(&headers, "vary"), ["Origin"]);
    assert_eq!(headers.len(), 4, "nothing of a preflight");
}

#[tokio::test]
async fn vary_stands_on_every_response_of_a_list() {
    let cors = listed().try_build().unwrap();
    for headers in [
        vec![],
        vec![("origin", "https://evil.example")],
        vec![("origin", "https://app.example")],
    ] {
        let (_, answer) = ask(&cors, request("GET", &headers), &[]).await;
        assert_eq!(all(&answer, "vary"), ["Origin"], "{headers:?}");
    }
}

#[tokio::test]
async fn vary_of_the_handler_is_kept_and_not_repeated() {
    let cors = listed().try_build().unwrap();
    for (theirs, expected) in [
        ("accept-encoding", vec!["Origin", "accept-encoding"]),
        ("accept, ORIGIN", vec!["accept, ORIGIN"]),
        ("*", vec!["*"]),
    ] {
        for origin in ["https://app.example", "https://evil.example"] {
            let (_, headers) = ask(
                &cors,
                request("GET", &[("origin", origin)]),
                &[("vary", theirs)],
            )
            .await;
            let mut sent = all(&headers, "vary");
            sent.sort();
            assert_eq!(sent, expected, "{origin}");
            let allowed = all(&headers, "access-control-allow-origin");
            let expected = (origin == "https://app.example").then_some(origin);
            assert_eq!(allowed, Vec::from_iter(expected), "{theirs}");
        }
    }
}

#[tokio::test]
async fn the_origin_is_named_beside_any_number_of_fields() {
    let cors = listed().try_build().unwrap();
    const OWN: [(&str, &str); 8] = [
        ("x-own-1", "1"),
        ("x-own-2", "1"),
        ("x-own-3", "1"),
        ("x-own-4", "1"),
        ("x-own-5", "1"),
        ("x-own-6", "1"),
        ("x-own-7", "1"),
        ("x-own-8", "1"),
    ];
    for count in 0..=OWN.len() {
        let own = &OWN[..count];
        let asked = request("GET", &[("origin", "https://app.example")]);
        let (_, headers) = ask(&cors, asked, own).await;
        let allowed = all(&headers, "access-control-allow-origin");
        assert_eq!(allowed, ["https://app.example"], "{count} fields");
        assert!(own.iter().all(|(name, _)| all(&headers, name) == ["1"]));
    }
}

#[tokio::test]
async fn the_handlers_own_decision_stays_whole() {
    let cors = listed().credentials(true).try_build().unwrap();
    let own = [
        ("access-control-allow-origin", "*"),
        ("access-control-expose-headers", "X-Own"),
        ("x-own", "1"),
    ];
    let (_, headers) = ask(
        &cors,
        request("GET", &[("origin", "https://app.example")]),
        &own,
    )
    .await;
    assert_eq!(all(&headers, "access-control-allow-origin"), ["*"]);
    assert_eq!(all(&headers, "access-control-allow-credentials"), [""; 0]);
    assert_eq!(all(&headers, "access-control-expose-headers"), ["X-Own"]);
    assert_eq!(all(&headers, "x-own"), ["1"]);
}

#[tokio::test]
async fn headers_that_the_handler_set_are_kept() {
    let cors = listed().try_build().unwrap();
    let own = [
        ("access-control-expose-headers", "X-Own"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("content-type", "text/plain"),
    ];
    let (_, headers) = ask(
        &cors,
        request("GET", &[("origin", "https://app.example")]),
        &own,
    )
    .await;
    assert_eq!(
        all(&headers, "access-control-expose-headers"),
        [LIMITS, "X-Own"]
    );
    assert_eq!(all(&headers, "set-cookie"), ["a=1", "b=2"]);
    assert_eq!(all(&headers, "content-type"), ["text/plain"]);
}

#[tokio::test]
async fn the_api_preset_is_the_written_list() {
    let cors = CorsLayer::api();
    let (status, headers) = ask(&cors, preflight("https://anybody.example"), &[]).await;
    assert_eq!(status, 200);
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", "GET, POST"),
        (
            "access-control-allow-headers",
            "Authorization, Content-Type, X-Track-ID, Idempotency-Key",
        ),
        ("access-control-max-age", "600"),
        ("vary", PREFLIGHT_VARY),
    ] {
        assert_eq!(all(&headers, name), [value], "{name}");
    }
    assert_eq!(headers.len(), 5);

    let (_, headers) = ask(&cors, request("GET", &[]), &[]).await;
    assert_eq!(all(&headers, "access-control-allow-origin"), ["*"]);
    assert_eq!(all(&headers, "access-control-expose-headers"), [LIMITS]);
    assert_eq!(headers.len(), 2, "no Vary: every origin gets the same");
}

#[tokio::test]
async fn off_passes_everything_as_it_is() {
    let cors = CorsLayer::off().leak();
    let (status, headers) = ask(&cors, preflight("https://evil.example"), &[]).await;
    assert_eq!((status, headers.len()), (201, 0));
}

#[tokio::test]
async fn leaking_changes_nothing_but_where_the_headers_lie() {
    let cors = listed().credentials(true).try_build().unwrap();
    for origin in [
        "https://app.example",
        "https://a.b.tenant.example",
        "https://evil.example",
    ] {
        for request in [
            |origin| preflight(origin),
            |origin| request("GET", &[("origin", origin)]),
        ] {
            let counted = ask(&cors, request(origin), &[]).await;
            let leaked = ask(&cors.clone().leak(), request(origin), &[]).await;
            assert_eq!(counted, leaked);
        }
    }
}

#[tokio::test]
async fn two_origins_are_as_good_as_a_stranger() {
    let cors = listed().try_build().unwrap();
    for origins in [
        ["https://app.example", "https://evil.example"],
        ["https://evil.example", "https://app.example"],
        ["https://app.example", "https://app.example"],
    ] {
        let sent = [("origin", origins[0]), ("origin", origins[1])];
        let (_, headers) = ask(&cors, request("GET", &sent), &[]).await;
        assert!(
            !headers.contains_key("access-control-allow-origin"),
            "{origins:?}"
        );
        let sent = [sent[0], sent[1], ("access-control-request-method", "POST")];
        assert_eq!(
            ask(&cors, request("OPTIONS", &sent), &[]).await.0,
            403,
            "{origins:?}"
        );
    }
}
