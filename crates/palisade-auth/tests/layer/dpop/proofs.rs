//! The proofs that are accepted, and the requests that each is good for.

use palisade_core::SentUri;
use serde_json::{Value, json};

use super::{Client, about, layer, presented, refused, sha256, with_proof};
use crate::support::{NOW, OTHER_SECRET, SECRET, b64, good_token, hs256, through, with_token};

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
        through(&crate::layer(), request).await.reason(),
        "no_credential"
    );
    let answered = through(&crate::layer(), with_token(&token)).await;
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
