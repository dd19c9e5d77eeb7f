//! The layer around a proof: nonces, challenges, other layers, and tokens that are issued.

use std::time::Duration;

use http::{Method, Request};
use palisade_auth::{Algorithm, AuthLayer, Dpop, HmacKeys, JwtVerifier, TokenIssuer};
use palisade_core::Principal;
use serde_json::json;

use super::{Client, about, dpop, layer, presented, with_proof};
use crate::support::{
    Answered, Clock, HEADER, NOW, OTHER_SECRET, SECRET, claims, claims_with, clock, hs256, issuer,
    through, with_token,
};

#[tokio::test]
async fn a_server_may_ask_for_a_nonce_of_its_own() {
    let (client, clock) = (Client::new(), Clock::default());
    let token = client.token();
    let checks = Dpop::builder()
        .base("https://api.example")
        .max_age(Duration::from_secs(300))
        .nonces(OTHER_SECRET)
        .unwrap()
        .clock(clock.wall());
    let jwt = JwtVerifier::builder().issuer(issuer()).clock(clock.wall());
    let layer = AuthLayer::new()
        .bearer(jwt.build().unwrap())
        .dpop(checks.build().unwrap());
    let proof = |nonce: Option<&str>, jti: &str| {
        let mut payload = about(&token, jti);
        if let Some(nonce) = nonce {
            payload["nonce"] = nonce.into();
        }
        client.sign(&client.header().to_string(), &payload.to_string())
    };
    let asked = |proof: String| {
        let (layer, request) = (layer.clone(), with_proof(&token, &proof));
        async move { through(&layer, request).await }
    };
    let nonce_of = |answered: &Answered| answered.header("dpop-nonce").map(str::to_owned);

    let answered = asked(proof(None, "1")).await;
    assert_eq!(
        (answered.status, answered.reason()),
        (401, "dpop_nonce_required")
    );
    let challenge = answered.header("www-authenticate").unwrap();
    assert!(
        challenge.contains(r#"DPoP realm="api", error="use_dpop_nonce""#),
        "{challenge}"
    );
    let nonce = nonce_of(&answered).unwrap();
    let answered = asked(proof(Some("made-up"), "2")).await;
    assert_eq!(answered.reason(), "dpop_nonce_required");
    assert_eq!(asked(proof(Some(&nonce), "3")).await.status, 200);
    clock.pass(300);
    assert_eq!(asked(proof(Some(&nonce), "4")).await.status, 200);
    clock.pass(1);
    let answered = asked(proof(Some(&nonce), "5")).await;
    assert_eq!(
        answered.reason(),
        "dpop_proof_invalid",
        "the proof is too old by itself"
    );
    assert_eq!(nonce_of(&answered), None);
}

#[tokio::test]
async fn challenges_name_both_schemes_and_the_error_of_the_one_that_was_used() {
    let client = Client::new();
    let checks = dpop().algorithms([Algorithm::ES256, Algorithm::PS256]);
    let layer = crate::layer()
        .dpop(checks.build().unwrap())
        .realm("rooms")
        .unwrap();
    let (bearer, dpop) = (r#"Bearer realm="rooms""#, r#"DPoP realm="rooms""#);
    let algs = r#"algs="ES256 PS256""#;
    let of = |bearer_error: &str, dpop_error: &str| {
        format!("{bearer}{bearer_error}, {dpop}{dpop_error}, {algs}")
    };
    let invalid_token = r#", error="invalid_token""#;
    let token = client.token();
    let expired = hs256(HEADER, &claims_with(json!({"iat": 1, "exp": 2})), SECRET);
    let two = presented(&token).header("authorization", "Bearer a");
    for (request, status, challenge) in [
        (crate::get("/"), 401, of("", "")),
        (with_token(&expired), 401, of(invalid_token, "")),
        (with_token(&token), 401, of(invalid_token, "")),
        (
            with_proof(&expired, &client.proof(&expired, "1")),
            401,
            of("", invalid_token),
        ),
        (
            with_proof(&token, "nonsense"),
            401,
            of("", r#", error="invalid_dpop_proof""#),
        ),
        (
            two.body(()).unwrap(),
            400,
            of(
                r#", error="invalid_request""#,
                r#", error="invalid_request""#,
            ),
        ),
    ] {
        let answered = through(&layer, request).await;
        assert_eq!(answered.status, status, "{challenge}");
        assert_eq!(answered.header("www-authenticate"), Some(&*challenge));
    }
}

#[tokio::test]
async fn a_websocket_opens_with_a_proof_too() {
    let client = Client::new();
    let token = client.token();
    let opening = |proof: &str| {
        let request = presented(&token).header("connection", "upgrade");
        let request = request.header("upgrade", "websocket").header("dpop", proof);
        request.body(()).unwrap()
    };
    let layer = layer();
    let proof = client.proof(&token, "1");
    assert_eq!(through(&layer, opening(&proof)).await.status, 200);
    assert_eq!(
        through(&layer, opening(&proof)).await.reason(),
        "dpop_proof_replayed"
    );
}

#[tokio::test]
async fn a_proof_goes_no_further_where_credentials_are_stripped() {
    let client = Client::new();
    let token = client.token();
    let inner = AuthLayer::new().dpop(dpop().build().unwrap()).optional();
    let both = crate::stack(layer().strip_credentials(), inner);
    let request = with_proof(&token, &client.proof(&token, "1"));
    assert_eq!(
        through(&both, request).await.status,
        200,
        "the inner layer finds nothing"
    );
}

#[tokio::test]
async fn a_token_is_issued_for_the_key_of_a_proof() {
    let client = Client::new();
    let keys = HmacKeys::current(SECRET).unwrap();
    let tokens = TokenIssuer::hmac("bookings", keys)
        .audience("api://bookings")
        .clock(clock())
        .build()
        .unwrap();
    let dpop = dpop().build().unwrap();
    let payload = json!({
        "jti": "1", "htm": "POST", "htu": "https://api.example/token", "iat": NOW,
    });
    let proof = client.sign(&client.header().to_string(), &payload.to_string());
    let request = Request::builder()
        .method(Method::POST)
        .uri("/token")
        .header("dpop", proof);
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let confirmation = dpop.confirm(&parts).await.unwrap();
    let again = dpop.confirm(&parts).await.unwrap_err();
    assert_eq!(again.as_str(), "dpop_proof_replayed");

    let alice = Principal::user("bookings", "alice");
    let issued = tokens
        .issue_bound(&alice, &json!({"own": 1}), &confirmation)
        .unwrap();
    let token = issued.as_str();
    let jwt = JwtVerifier::builder()
        .issuer(tokens.issuer().sender_constrained())
        .clock(clock())
        .build()
        .unwrap();
    assert_eq!(
        jwt.verify(token).unwrap_err().as_str(),
        "sender_constrained"
    );
    let layer = AuthLayer::new().bearer(jwt.clone()).dpop(dpop);
    let answered = through(&layer, with_proof(token, &client.proof(token, "2"))).await;
    assert_eq!(
        (answered.status, &*answered.body),
        (200, "user alice of bookings")
    );
    let bearer = tokens.issue(&alice).unwrap();
    let refused = jwt.verify(bearer.as_str()).unwrap_err();
    assert_eq!(
        refused.as_str(),
        "sender_constrained",
        "it is bound to nothing"
    );
    let cnf = json!({"cnf": claims()});
    assert!(tokens.issue_bound(&alice, &cnf, &confirmation).is_err());
}

#[test]
fn every_problem_of_the_check_is_named_at_once() {
    let error = Dpop::builder()
        .base("api.example")
        .algorithms([Algorithm::HS256])
        .max_age(Duration::from_secs(301))
        .build()
        .unwrap_err()
        .to_string();
    for field in ["base[0]: ", "algorithms: ", "max_age: "] {
        assert!(error.contains(field), "{error}");
    }
    let error = Dpop::builder()
        .algorithms([])
        .build()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("base: ") && error.contains("algorithms: "),
        "{error}"
    );
    assert!(Dpop::builder().nonces("changeme").is_err());
}
