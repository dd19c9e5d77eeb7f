//! Tokens that are bound to a key, with proofs that the tests sign themselves (RFC 9449).

use std::time::Duration;

use http::request::Builder;
use http::{Method, Request};
use palisade_auth::{Algorithm, AuthLayer, Dpop, DpopBuilder, HmacKeys, JwtVerifier, TokenIssuer};
use palisade_core::{Principal, SentUri};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use sha2_of::sha256;

use super::support::{
    Answered, Clock, HEADER, NOW, OTHER_SECRET, SECRET, b64, claims, claims_with, clock,
    good_token, hs256, issuer, through, with_token,
};

/// SHA-256 without the crate under test.
mod sha2_of {
    pub(super) fn sha256(bytes: &[u8]) -> Vec<u8> {
        ring::digest::digest(&ring::digest::SHA256, bytes)
            .as_ref()
            .to_vec()
    }
}

/// A client with a key of its own on P-256.
pub(super) struct Client(EcdsaKeyPair);

impl Client {
    pub(super) fn new() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap())
    }

    /// The coordinates.
    fn xy(&self) -> (String, String) {
        let point = self.0.public_key().as_ref();
        (b64(&point[1..33]), b64(&point[33..]))
    }

    fn jwk(&self) -> Value {
        let (x, y) = self.xy();
        json!({"kty": "EC", "crv": "P-256", "x": x, "y": y})
    }

    /// As RFC 7638, section 3 says.
    pub(super) fn thumbprint(&self) -> String {
        let (x, y) = self.xy();
        b64(sha256(
            format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#).as_bytes(),
        ))
    }

    pub(super) fn token(&self) -> String {
        let cnf = json!({"cnf": {"jkt": self.thumbprint()}});
        hs256(HEADER, &claims_with(cnf), SECRET)
    }

    fn header(&self) -> Value {
        json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk()})
    }

    fn sign(&self, header: &str, payload: &str) -> String {
        let input = format!("{}.{}", b64(header), b64(payload));
        let signature = self.0.sign(&SystemRandom::new(), input.as_bytes());
        format!("{input}.{}", b64(signature.unwrap()))
    }

    /// A proof for `GET /` with this token.
    pub(super) fn proof(&self, token: &str, jti: &str) -> String {
        self.sign(&self.header().to_string(), &about(token, jti).to_string())
    }
}

fn about(token: &str, jti: &str) -> Value {
    json!({
        "jti": jti, "htm": "GET", "htu": "https://api.example/", "iat": NOW,
        "ath": b64(sha256(token.as_bytes())),
    })
}

pub(super) fn dpop() -> DpopBuilder {
    Dpop::builder().base("https://api.example").clock(clock())
}

fn layer() -> AuthLayer {
    super::layer().dpop(dpop().build().unwrap())
}

fn presented(token: &str) -> Builder {
    Request::get("/").header("authorization", format!("DPoP {token}"))
}

pub(super) fn with_proof(token: &str, proof: &str) -> Request<()> {
    presented(token).header("dpop", proof).body(()).unwrap()
}

async fn refused(request: Request<()>) -> &'static str {
    let answered = through(&layer(), request).await;
    assert_eq!(answered.status, 401);
    answered.reason()
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_key_passes_with_a_proof_of_that_key() {
    let client = Client::new();
    let token = client.token();
    let answered = through(&layer(), with_proof(&token, &client.proof(&token, "1"))).await;
    assert_eq!(
        (answered.status, &*answered.body),
        (200, "user alice of bookings")
    );
}

#[tokio::test]
async fn without_the_option_a_bound_token_is_refused_with_any_proof() {
    let client = Client::new();
    let token = client.token();
    let request = with_proof(&token, &client.proof(&token, "1"));
    assert_eq!(
        through(&super::layer(), request).await.reason(),
        "no_credential"
    );
    let answered = through(&super::layer(), with_token(&token)).await;
    assert_eq!(answered.reason(), "sender_constrained");
}

#[tokio::test]
async fn a_bound_token_is_no_bearer_token_whatever_comes_with_it() {
    let client = Client::new();
    let token = client.token();
    assert_eq!(refused(with_token(&token)).await, "sender_constrained");
    let mut request = with_token(&token);
    let proof = client.proof(&token, "1").parse().unwrap();
    request.headers_mut().insert("dpop", proof);
    assert_eq!(refused(request).await, "sender_constrained");
}

#[tokio::test]
async fn a_token_that_is_bound_to_nothing_is_no_dpop_token() {
    let client = Client::new();
    let token = good_token();
    let request = with_proof(&token, &client.proof(&token, "1"));
    assert_eq!(refused(request).await, "sender_constrained");
    let mut request = with_token(&token);
    request
        .headers_mut()
        .insert("dpop", "nonsense".parse().unwrap());
    let answered = through(&layer(), request).await;
    assert_eq!(answered.status, 200, "a bearer token needs no proof");
    let service = layer().service_token("crm", OTHER_SECRET).unwrap();
    let request = with_proof(OTHER_SECRET, &client.proof(OTHER_SECRET, "2"));
    assert_eq!(through(&service, request).await.status, 401);
}

#[tokio::test]
async fn a_proof_of_another_key_is_none() {
    let (client, thief) = (Client::new(), Client::new());
    let token = client.token();
    let request = with_proof(&token, &thief.proof(&token, "1"));
    assert_eq!(refused(request).await, "sender_constrained");
    let mut header = client.header();
    header["jwk"] = client.jwk();
    let forged = thief.sign(&header.to_string(), &about(&token, "2").to_string());
    assert_eq!(
        refused(with_proof(&token, &forged)).await,
        "dpop_proof_invalid"
    );
}

#[tokio::test]
async fn a_proof_is_for_one_request_one_token_and_a_short_time() {
    let client = Client::new();
    let token = client.token();
    for (number, (changes, passes)) in [
        (json!({}), true),
        (json!({"htu": "https://API.example:443/?x=1#y"}), true),
        (json!({"iat": NOW - 60}), true),
        (json!({"iat": NOW + 30}), true),
        (json!({"extra": {"a": [1]}, "exp": 1}), true),
        (json!({"iat": NOW - 61}), false),
        (json!({"iat": NOW + 31}), false),
        (json!({"iat": NOW.to_string()}), false),
        (json!({"iat": null}), false),
        (json!({"htm": "POST"}), false),
        (json!({"htm": "get"}), false),
        (json!({"htm": ["GET"]}), false),
        (json!({"htu": "https://api.example/other"}), false),
        (json!({"htu": "http://api.example/"}), false),
        (json!({"htu": "https://other.example/"}), false),
        (json!({"htu": "/"}), false),
        (json!({"htu": null}), false),
        (json!({"jti": ""}), false),
        (json!({"jti": "a".repeat(257)}), false),
        (json!({"jti": 7}), false),
        (json!({"ath": null}), false),
        (json!({"ath": b64(sha256(b"another"))}), false),
        (json!({"ath": b64(sha256(token.as_bytes())) + "="}), false),
    ]
    .into_iter()
    .enumerate()
    {
        let mut payload = about(&token, &format!("id {number}"));
        for (name, value) in changes.as_object().unwrap() {
            payload[name] = value.clone();
        }
        let proof = client.sign(&client.header().to_string(), &payload.to_string());
        let answered = through(&layer(), with_proof(&token, &proof)).await;
        assert_eq!(answered.status == 200, passes, "{changes}");
        if !passes {
            assert_eq!(answered.reason(), "dpop_proof_invalid", "{changes}");
        }
    }
}

#[tokio::test]
async fn a_proof_must_be_one_and_of_its_own_form() {
    let client = Client::new();
    let token = client.token();
    let payload = about(&token, "1").to_string();
    let header = |changes: Value| {
        let mut header = client.header();
        for (name, value) in changes.as_object().unwrap() {
            header[name] = value.clone();
        }
        header.to_string()
    };
    let (x, y) = client.xy();
    let private = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y, "d": x});
    let prime = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y, "p": x});
    let secret = json!({"kty": "oct", "k": b64(SECRET)});
    let encrypting = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y, "use": "enc"});
    let named = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y, "alg": "ES384"});
    let good = client.header().to_string();
    let without_jwk = json!({"typ": "dpop+jwt", "alg": "ES256"}).to_string();
    let mut bad = vec![
        client.sign(&header(json!({"typ": "JWT"})), &payload),
        client.sign(&header(json!({"typ": "at+jwt"})), &payload),
        client.sign(&header(json!({"alg": "none"})), &payload),
        client.sign(&header(json!({"alg": "HS256"})), &payload),
        client.sign(&header(json!({"alg": "ES384"})), &payload),
        client.sign(&header(json!({"alg": "RS256"})), &payload),
        client.sign(&header(json!({"crit": ["b64"], "b64": false})), &payload),
        client.sign(&header(json!({"jwk": private})), &payload),
        client.sign(&header(json!({"jwk": prime})), &payload),
        client.sign(&header(json!({"jwk": encrypting})), &payload),
        client.sign(&header(json!({"jwk": named})), &payload),
        client.sign(&header(json!({"jwk": "a"})), &payload),
        client.sign(&without_jwk, &payload),
        hs256(
            &header(json!({"alg": "HS256", "jwk": secret})),
            &payload,
            SECRET,
        ),
        client.sign(
            &good,
            &format!(r#"["1","GET","https://api.example/",{NOW}]"#),
        ),
        client.sign(&good, &payload.replacen('{', r#"{"jti":"0","#, 1)),
        client.sign(&good, &payload.replacen('{', r#"{"z":1,"z":2,"#, 1)),
        client.sign(&good, "{}"),
        client.sign(&good, ""),
        "nonsense".to_owned(),
        String::new(),
    ];
    let proof = client.proof(&token, "1");
    let (input, _) = proof.rsplit_once('.').unwrap();
    bad.extend([
        format!("{input}."),
        format!("{input}.{}", b64([0; 64])),
        format!("{proof}.{proof}"),
        proof.replace('.', "="),
    ]);
    for bad in bad {
        let reason = refused(with_proof(&token, &bad)).await;
        assert_eq!(reason, "dpop_proof_invalid", "{bad}");
    }
    let missing = presented(&token).body(()).unwrap();
    assert_eq!(refused(missing).await, "dpop_proof_missing");
    let two = presented(&token)
        .header("dpop", &proof)
        .header("dpop", &proof);
    assert_eq!(refused(two.body(()).unwrap()).await, "dpop_proof_invalid");
    let answered = through(&layer(), with_proof(&token, &proof)).await;
    assert_eq!(answered.status, 200, "and the good one passes");
}

#[tokio::test]
async fn a_proof_is_used_once_and_counts_as_used_with_a_good_token_alone() {
    let client = Client::new();
    let (token, layer) = (client.token(), layer());
    let proof = client.proof(&token, "1");
    let forged = format!("{}x", &token[..token.len() - 1]);
    let of_forged = client.proof(&forged, "2");
    let answered = through(&layer, with_proof(&forged, &of_forged)).await;
    assert_eq!(answered.status, 401);
    let renewed = client.proof(&token, "2");
    assert_eq!(
        through(&layer, with_proof(&token, &renewed)).await.status,
        200
    );
    assert_eq!(
        through(&layer, with_proof(&token, &proof)).await.status,
        200
    );
    for _ in 0..2 {
        let answered = through(&layer, with_proof(&token, &proof)).await;
        assert_eq!(
            (answered.status, answered.reason()),
            (401, "dpop_proof_replayed")
        );
    }
    let same_name = client.proof(&token, "1");
    assert_ne!(same_name, proof, "another signature");
    let answered = through(&layer, with_proof(&token, &same_name)).await;
    assert_eq!(answered.reason(), "dpop_proof_replayed");
    let other = Client::new();
    let (token, proof) = (other.token(), other.proof(&other.token(), "1"));
    let answered = through(&layer, with_proof(&token, &proof)).await;
    assert_eq!(answered.status, 200, "another key may use the same name");
}

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
    let layer = super::layer()
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
        (super::get("/"), 401, of("", "")),
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
async fn a_proof_is_for_the_path_that_the_client_sent() {
    let client = Client::new();
    let token = client.token();
    let mut payload = about(&token, "1");
    payload["htu"] = "https://api.example/rooms/7".into();
    let proof = client.sign(&client.header().to_string(), &payload.to_string());
    let mut request = with_proof(&token, &proof);
    *request.uri_mut() = "/7".parse().unwrap();
    request
        .extensions_mut()
        .insert(SentUri("/rooms/7?x=1".parse().unwrap()));
    assert_eq!(through(&layer(), request).await.status, 200);
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
    let both = super::stack(layer().strip_credentials(), inner);
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
