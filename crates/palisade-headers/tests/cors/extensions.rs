//! Origins by code, wildcards for ports, mirrored headers, and the policies to begin with.

use http::Method;
use palisade_headers::{CorsBuilder, CorsLayer, CrossOriginGuardLayer};
use tower::{Layer, ServiceExt, service_fn};

use crate::{all, ask, preflight, request};

async fn status(cors: &CorsLayer, origin: &str) -> u16 {
    ask(cors, preflight(origin), &[]).await.0
}

#[tokio::test]
async fn a_closure_allows_origins_beside_the_listed_ones() {
    let cors = CorsLayer::builder()
        .origins(["https://app.example"])
        .origins_by(|origin| origin.ends_with(".preview.example"))
        .credentials(true)
        .try_build()
        .unwrap();
    let preview = "https://pr-7.preview.example";
    let (code, headers) = ask(&cors, preflight(preview), &[]).await;
    assert_eq!(code, 204);
    assert_eq!(all(&headers, "access-control-allow-origin"), [preview]);
    let (_, headers) = ask(&cors, request("GET", &[("origin", preview)]), &[]).await;
    assert_eq!(all(&headers, "access-control-allow-origin"), [preview]);
    assert_eq!(all(&headers, "vary"), ["Origin"]);

    assert_eq!(status(&cors, "https://app.example").await, 204);
    for denied in [
        "https://evil.example",
        // Over plain HTTP, with credentials on.
        "http://pr-7.preview.example",
        "null",
    ] {
        assert_eq!(status(&cors, denied).await, 403, "{denied}");
    }
}

#[tokio::test]
async fn what_a_closure_or_a_wildcard_for_ports_allows_passes_the_guard() {
    let cors = CorsLayer::builder()
        .origins(["http://localhost:*"])
        .origins_by(|origin| origin == "https://pr-7.preview.example")
        .credentials(true)
        .try_build()
        .unwrap();
    let guard = CrossOriginGuardLayer::new().trust_cors(&cors);
    for (origin, expected) in [
        ("https://pr-7.preview.example", 201),
        ("http://localhost:5173", 201),
        ("https://evil.example", 403),
        ("http://localhost.evil.example:5173", 403),
    ] {
        let request = request(
            "POST",
            &[
                ("origin", origin),
                ("sec-fetch-site", "cross-site"),
                ("cookie", "session=1"),
            ],
        );
        let service = guard.layer(service_fn(async |_: http::Request<()>| {
            let body = http_body_util::Empty::<bytes::Bytes>::new();
            let response = http::Response::builder().status(201).body(body).unwrap();
            Ok::<_, std::convert::Infallible>(response)
        }));
        let response = service.oneshot(request).await.unwrap();
        assert_eq!(response.status(), expected, "{origin}");
    }
}

#[tokio::test]
async fn headers_are_mirrored_where_they_are_names() {
    let cors = CorsLayer::builder()
        .origins(["https://app.example"])
        .methods([Method::POST])
        .mirror_headers()
        .credentials(true)
        .try_build()
        .unwrap();
    let asking = |names: &[&str]| {
        let mut headers = vec![
            ("origin", "https://app.example"),
            ("access-control-request-method", "POST"),
        ];
        headers.extend(
            names
                .iter()
                .map(|names| ("access-control-request-headers", *names)),
        );
        request("OPTIONS", &headers)
    };
    for names in ["authorization,x-own", "x-a, x-b", "content-type"] {
        let (code, headers) = ask(&cors, asking(&[names]), &[]).await;
        assert_eq!(code, 204);
        assert_eq!(all(&headers, "access-control-allow-headers"), [names]);
    }
    for none in [
        &["x own"][..],
        &["<x>"],
        &["x-a,,x-b"],
        &[""],
        &["x-a", "x-b"],
        &[],
    ] {
        let (_, headers) = ask(&cors, asking(none), &[]).await;
        assert!(
            !headers.contains_key("access-control-allow-headers"),
            "{none:?}"
        );
    }
}

#[test]
fn mirrored_headers_beside_listed_ones_are_a_mistake() {
    let error = CorsBuilder::api().mirror_headers().try_build().unwrap_err();
    assert_eq!(
        error.to_string(),
        "CORS: headers: are listed beside mirrored ones, which include them"
    );
}

#[tokio::test]
async fn the_policy_for_development_is_for_pages_of_this_machine() {
    let built = CorsBuilder::development().try_build();
    if !cfg!(debug_assertions) {
        let error = built.unwrap_err().to_string();
        assert_eq!(error, "CORS: development: is on in a release build");
        return;
    }
    let cors = built.unwrap();
    for good in [
        "http://localhost:5173",
        "http://app.localhost:3000",
        "http://127.0.0.1:8080",
        "http://[::1]:3000",
        "https://localhost",
    ] {
        let (code, headers) = ask(&cors, preflight(good), &[]).await;
        assert_eq!(code, 204, "{good}");
        assert_eq!(all(&headers, "access-control-allow-origin"), [good]);
        assert_eq!(all(&headers, "access-control-allow-credentials"), ["true"]);
        assert_eq!(
            all(&headers, "access-control-allow-headers"),
            ["content-type"]
        );
        assert_eq!(
            all(&headers, "access-control-allow-methods"),
            ["GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"]
        );
        assert_eq!(all(&headers, "access-control-max-age"), ["0"]);
    }
    for bad in ["https://evil.example", "http://192.168.0.7:3000", "null"] {
        assert_eq!(status(&cors, bad).await, 403, "{bad}");
    }
}

// PROTOCOL-WEB of gRPC, and the headers that grpc-web's clients send and read.
#[tokio::test]
async fn a_client_of_grpc_web_may_call_and_read_the_status() {
    let cors = CorsLayer::builder()
        .origins(["https://app.example"])
        .grpc_web()
        .try_build()
        .unwrap();
    let (code, headers) = ask(&cors, preflight("https://app.example"), &[]).await;
    assert_eq!(code, 204);
    assert_eq!(all(&headers, "access-control-allow-methods"), ["POST"]);
    assert_eq!(
        all(&headers, "access-control-allow-headers"),
        ["Content-Type, X-Grpc-Web, X-User-Agent, Grpc-Timeout"]
    );
    let (_, headers) = ask(
        &cors,
        request("POST", &[("origin", "https://app.example")]),
        &[],
    )
    .await;
    let exposed = &all(&headers, "access-control-expose-headers")[0];
    assert!(
        exposed.ends_with(", Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin"),
        "{exposed}"
    );
    assert!(exposed.contains("WWW-Authenticate"), "{exposed}");
}
