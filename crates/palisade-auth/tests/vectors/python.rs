//! Tokens of PyJWT and joserfc are verified here, and ours there; and the hashes of passwords of other packages.

use std::io::Write;
use std::process::{Command, Stdio};

use palisade_auth::{
    Algorithm, HmacKeys, Issuer, JwtVerifier, KeySet, SigningKey, SigningKeys, TokenIssuer,
    TokenType, VerifyingKey,
};
use palisade_core::Principal;
use serde_json::{Value, json};

const INSTALL: &str = "PyJWT and joserfc are needed; install them with `cargo xtask test`, or with \
    `python3 -m venv target/jose && target/jose/bin/pip install 'pyjwt[crypto]==2.15.1' joserfc==1.8.0`";
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/jose/bin/python");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/jose.py");
/// Long enough for all three hashes.
const SECRET: &str = "kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEuZt9QwL3nVb6YxK1rMd8FpS5gHc2JeU7o";

/// A key as Python reads it.
struct Pair {
    algorithm: Algorithm,
    private: &'static str,
    public: &'static str,
}

fn pairs() -> Vec<Pair> {
    use Algorithm::{
        ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512,
    };

    let of = |algorithms: &[Algorithm], private, public| {
        let pair = |&algorithm| Pair {
            algorithm,
            private,
            public,
        };
        algorithms.iter().map(pair).collect::<Vec<_>>()
    };
    [
        of(&[HS256, HS384, HS512], SECRET, SECRET),
        of(
            &[RS256, RS384, RS512, PS256, PS384, PS512],
            include_str!("../data/rsa2048.pem"),
            include_str!("../data/rsa2048-public.pem"),
        ),
        of(
            &[ES256],
            include_str!("../data/p256.pem"),
            include_str!("../data/p256-public.pem"),
        ),
        of(
            &[ES384],
            include_str!("../data/p384.pem"),
            include_str!("../data/p384-public.pem"),
        ),
        of(
            &[EdDSA],
            include_str!("../data/ed25519.pem"),
            include_str!("../data/ed25519-public.pem"),
        ),
    ]
    .concat()
}

impl Clone for Pair {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

impl Pair {
    fn is_secret(&self) -> bool {
        self.private == self.public
    }

    /// A token of ours.
    fn token(&self) -> String {
        let issuer = match self.is_secret() {
            true => {
                let keys = HmacKeys::current_for(self.algorithm, self.private).unwrap();
                TokenIssuer::hmac("palisade", keys)
            }
            false => {
                let key = SigningKey::from_pem(self.algorithm, self.private).unwrap();
                TokenIssuer::signed("palisade", SigningKeys::new(key))
            }
        };
        let issuer = issuer.audience("api").build().unwrap();
        let alice = Principal::user("palisade", "alice").scopes(["read"]);
        issuer.issue(&alice).unwrap().into_string()
    }

    /// Accepts what Python signs.
    fn verifier(&self) -> JwtVerifier {
        let issuer = match self.is_secret() {
            true => {
                let keys = HmacKeys::current_for(self.algorithm, self.public).unwrap();
                Issuer::hmac("python", keys)
            }
            false => {
                let key = VerifyingKey::from_pem(self.algorithm, self.public).unwrap();
                Issuer::keys("python", KeySet::new([key]).unwrap())
            }
        };
        let issuer = issuer.audience("api").token_type(TokenType::AccessToken);
        JwtVerifier::builder().issuer(issuer).build().unwrap()
    }
}

/// The answer of a script to this input.
fn run(python: &str, script: &str, input: &str, install: &str) -> Vec<Value> {
    let mut python = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect(install);
    let mut stdin = python.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let said = python.wait_with_output().unwrap();
    assert!(said.status.success(), "{install}");
    serde_json::from_slice(&said.stdout).unwrap()
}

#[test]
fn tokens_of_pyjwt_and_joserfc_are_verified_here_and_ours_there_on_every_algorithm() {
    let pairs = pairs();
    let cases = pairs.iter().map(|pair| {
        json!({
            "alg": format!("{:?}", pair.algorithm),
            "private": pair.private,
            "public": pair.public,
            "token": pair.token(),
        })
    });
    let cases: Value = cases.collect();
    let answers = run(PYTHON, SCRIPT, &cases.to_string(), INSTALL);
    assert_eq!(answers.len(), 12);
    for (pair, answer) in pairs.iter().zip(&answers) {
        let algorithm = &answer["alg"];
        for library in ["pyjwt", "joserfc"] {
            let token = answer[library].as_str().unwrap();
            let principal = pair.verifier().verify(token);
            let principal =
                principal.unwrap_or_else(|why| panic!("{library} {algorithm}: {why:?}"));
            assert_eq!(principal.subject(), "alice");
            assert!(principal.has_scope("read") && principal.has_scope("write"));
            let last = &token[token.len() - 20..];
            let other = token.replace(last, &last.chars().rev().collect::<String>());
            assert!(
                pair.verifier().verify(&other).is_err(),
                "{library} {algorithm}"
            );
        }
        for read in answer["read"].as_array().unwrap() {
            let said = (&read["sub"], &read["iss"], &read["aud"], &read["scope"]);
            let ours = (
                &json!("alice"),
                &json!("palisade"),
                &json!("api"),
                &json!("read"),
            );
            assert_eq!(said, ours, "{algorithm}");
        }
    }
}

#[cfg(feature = "password-legacy")]
#[tokio::test]
#[ignore = "needs Werkzeug, Django, passlib, bcrypt and argon2-cffi, which `cargo xtask test --full` installs"]
async fn hashes_of_werkzeug_django_passlib_bcrypt_and_argon2_cffi_are_verified() {
    use palisade_auth::{Held, Passwords, Refusal};

    const PYTHON: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../target/hashes/bin/python"
    );
    const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/hashes.py");
    const PASSWORD: &str = "Zo\u{eb}, correct horse battery staple";

    let hashes = run(PYTHON, SCRIPT, PASSWORD, "run `cargo xtask test --full`");
    assert_eq!(hashes.len(), 19);
    let passwords = Passwords::builder().build().unwrap();
    for made in &hashes {
        let (by, hash) = (&made["by"], made["hash"].as_str().unwrap());
        let is_current = by.as_str().unwrap().contains("rgon2");
        let held = match is_current {
            true => Held::Current,
            false => Held::Rehash,
        };
        assert_eq!(
            passwords.verify(PASSWORD, Some(hash)).await,
            Ok(held),
            "{by} {hash}"
        );
        let other = passwords
            .verify("Zoe, correct horse battery staple", Some(hash))
            .await;
        assert_eq!(other, Err(Refusal::WrongPassword), "{by} {hash}");
    }
}
