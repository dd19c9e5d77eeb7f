//! Tokens that are bound to a certificate (RFC 8705).

use http::Request;
use palisade_auth::{AuthLayer, Confirmation, HmacKeys, JwtVerifier, TokenIssuer};
use palisade_core::{ClientCertificate, Principal};
use serde_json::json;

use super::support::{
    HEADER, SECRET, b64, claims_with, clock, good_token, hs256, issuer, layer, through, with_token,
};

/// The thumbprint in the example of RFC 8705, section 3.1.
const OF_RFC: &str = "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2";

fn certificate() -> ClientCertificate {
    ClientCertificate::from_der(b"a certificate")
}

fn token() -> String {
    let cnf = json!({"cnf": {"x5t#S256": b64(certificate().thumbprint())}});
    hs256(HEADER, &claims_with(cnf), SECRET)
}

fn from(certificate: ClientCertificate, mut request: Request<()>) -> Request<()> {
    request.extensions_mut().insert(certificate);
    request
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_certificate_passes_on_its_connections_alone() {
    let layer = layer().mutual_tls();
    for _ in 0..2 {
        // The second time out of the cache.
        let answered = through(&layer, from(certificate(), with_token(&token()))).await;
        assert_eq!(
            (answered.status, &*answered.body),
            (200, "user alice of bookings")
        );
        let other = ClientCertificate::from_der(b"another certificate");
        for request in [with_token(&token()), from(other, with_token(&token()))] {
            let answered = through(&layer, request).await;
            assert_eq!(
                (answered.status, answered.reason()),
                (401, "sender_constrained")
            );
            let challenge = answered.header("www-authenticate");
            assert_eq!(
                challenge,
                Some(r#"Bearer realm="api", error="invalid_token""#)
            );
        }
    }
    let answered = through(&layer, from(certificate(), with_token(&good_token()))).await;
    assert_eq!(answered.status, 200, "a bearer token is for whoever has it");
}

#[tokio::test]
async fn certificates_count_for_nothing_unless_they_were_asked_for() {
    let answered = through(&layer(), from(certificate(), with_token(&token()))).await;
    assert_eq!(
        (answered.status, answered.reason()),
        (401, "sender_constrained")
    );
}

#[tokio::test]
async fn an_issuer_of_bound_tokens_alone_has_no_bearer_tokens() {
    let jwt = JwtVerifier::builder()
        .issuer(issuer().sender_constrained())
        .clock(clock());
    let layer = AuthLayer::new().bearer(jwt.build().unwrap()).mutual_tls();
    let answered = through(&layer, from(certificate(), with_token(&good_token()))).await;
    assert_eq!(answered.reason(), "sender_constrained");
    let answered = through(&layer, from(certificate(), with_token(&token()))).await;
    assert_eq!(answered.status, 200);
}

#[tokio::test]
async fn a_token_in_a_cookie_or_another_header_is_bound_as_well() {
    let layer = layer()
        .mutual_tls()
        .bearer_header(http::HeaderName::from_static("x-token"))
        .unwrap()
        .bearer_cookie("token")
        .unwrap();
    for (name, value) in [
        ("x-token", token()),
        ("cookie", format!("token={}", token())),
    ] {
        let request = || Request::get("/").header(name, &value).body(()).unwrap();
        assert_eq!(
            through(&layer, request()).await.reason(),
            "sender_constrained",
            "{name}"
        );
        let answered = through(&layer, from(certificate(), request())).await;
        assert_eq!(answered.status, 200, "{name}");
    }
}

#[tokio::test]
async fn a_token_is_issued_for_a_certificate() {
    let tokens = TokenIssuer::hmac("bookings", HmacKeys::current(SECRET).unwrap())
        .audience("api://bookings")
        .clock(clock())
        .build()
        .unwrap();
    let alice = Principal::user("bookings", "alice");
    let bound = Confirmation::certificate(&certificate());
    let issued = tokens.issue_bound(&alice, &json!({}), &bound).unwrap();
    let layer = layer().mutual_tls();
    let request = from(certificate(), with_token(issued.as_str()));
    assert_eq!(through(&layer, request).await.status, 200);
    let answered = through(&layer, with_token(issued.as_str())).await;
    assert_eq!(answered.reason(), "sender_constrained");
}

#[tokio::test]
async fn the_thumbprint_of_another_certificate_is_refused_in_the_form_of_the_rfc() {
    let cnf = json!({"cnf": {"x5t#S256": OF_RFC}});
    let token = hs256(HEADER, &claims_with(cnf), SECRET);
    let answered = through(
        &layer().mutual_tls(),
        from(certificate(), with_token(&token)),
    )
    .await;
    assert_eq!(answered.reason(), "sender_constrained");
}
