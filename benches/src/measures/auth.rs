//! `auth/*`, beside jwt-authorizer, jsonwebtoken and bare ring.

use std::error::Error;
use std::hint::black_box;

use http::StatusCode;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use palisade_auth::{AuthLayer, JwtVerifier};
use tower_layer::Layer;

use crate::exchange::{Handler, Template, side};
use crate::goal::Goal;
use crate::harness::{Mode, Outcome, Side, compare};
use crate::measure::Measure;
use crate::ours;
use crate::peers::{AUDIENCE, Claims, ISSUER, jwt_authorizer};
use crate::signers::Signer;
use crate::tokens;
use crate::versions::version;

pub(crate) const MEASURES: &[Measure] = &[
    Measure {
        name: "auth/hs256-hit",
        what: "the layer, with a token that it has seen (the peer verifies each time)",
        goals: &[Goal::RatioAtMost(0.12), Goal::AllocsAtMost(2.0)],
        run: hs256_hit,
    },
    Measure {
        name: "auth/hs256-miss",
        what: "a token that was not seen before: parsed, verified, claims checked",
        goals: &[Goal::RatioAtMost(0.8)],
        run: hs256_miss,
    },
    Measure {
        name: "auth/rs256-miss",
        what: "RSA of 2,048 bits, not seen before (ring alone: the signature)",
        goals: &[Goal::RatioAtMost(1.1)],
        run: |mode| beside_ring(mode, &Signer::rs256()?),
    },
    Measure {
        name: "auth/es256-miss",
        what: "ECDSA over P-256, not seen before (ring alone: the signature)",
        goals: &[Goal::RatioAtMost(1.1)],
        run: |mode| beside_ring(mode, &Signer::es256()?),
    },
    Measure {
        name: "auth/eddsa-miss",
        what: "Ed25519, not seen before (ring alone: the signature)",
        goals: &[Goal::RatioAtMost(1.1)],
        run: |mode| beside_ring(mode, &Signer::eddsa()?),
    },
    Measure {
        name: "auth/rs256-hit",
        what: "the layer, with a token by RSA that it has seen",
        goals: &[Goal::AtMost(500.0)],
        run: rs256_hit,
    },
];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn hs256_hit(mode: Mode) -> Result<Outcome> {
    let secret = tokens::secret()?;
    let template = Template::get().bearer(&tokens::hs256(&secret, 1)?)?;
    let theirs = jwt_authorizer(&secret)?.layer(Handler::<axum07::body::Body>::new());
    let theirs = side::<_, axum07::body::Body, _>(theirs, &template, StatusCode::OK)?;
    let ours = ours::auth(&secret)?.layer(Handler::<axum::body::Body>::new());
    let ours = side::<_, axum::body::Body, _>(ours, &template, StatusCode::OK)?;
    Ok(compare(
        mode,
        Some(ours),
        vec![(version("jwt-authorizer"), theirs)],
    ))
}

fn hs256_miss(mode: Mode) -> Result<Outcome> {
    let secret = tokens::secret()?;
    let token = tokens::hs256(&secret, 1)?;
    let key = DecodingKey::from_secret(secret.as_bytes());
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_audience(&[AUDIENCE]);
    validation.set_issuer(&[ISSUER]);
    validation.validate_nbf = true;
    validation.leeway = 30;
    decode::<Claims>(&token, &key, &validation)?;
    let verifier = ours::jwt(&secret, 0)?;
    let own_token = token.clone();
    verifier
        .verify(&own_token)
        .map_err(|refusal| format!("{refusal:?}"))?;
    let ours = Side::new(move || verifier.verify(black_box(&own_token)).is_ok());
    let theirs = Side::new(move || decode::<Claims>(black_box(&token), &key, &validation).is_ok());
    Ok(compare(
        mode,
        Some(ours),
        vec![(version("jsonwebtoken"), theirs)],
    ))
}

/// A verifier that remembers nothing, beside what ring takes for the signature alone.
fn beside_ring(mode: Mode, signer: &Signer) -> Result<Outcome> {
    let token = signer.token(&tokens::claims(1))?;
    let verifier = signer.verifier(0)?;
    verifier
        .verify(&token)
        .map_err(|refusal| format!("{refusal:?}"))?;
    let (message, signature) = Signer::parts(&token)?;
    let ring = signer.ring();
    if !ring(&message, &signature) {
        return Err("ring did not verify".into());
    }
    let ours = Side::new(move || verifier.verify(black_box(&token)).is_ok());
    let theirs = Side::new(move || ring(black_box(&message), &signature));
    let name = format!("{} alone", version("ring"));
    Ok(compare(mode, Some(ours), vec![(name, theirs)]))
}

fn rs256_hit(mode: Mode) -> Result<Outcome> {
    let signer = Signer::rs256()?;
    let template = Template::get().bearer(&signer.token(&tokens::claims(1))?)?;
    let verifier = signer.verifier(JwtVerifier::DEFAULT_CACHE)?;
    let layer = AuthLayer::new().bearer(verifier).leak();
    let ours = layer.layer(Handler::<axum::body::Body>::new());
    let ours = side::<_, axum::body::Body, _>(ours, &template, StatusCode::OK)?;
    Ok(compare(mode, Some(ours), Vec::new()))
}
