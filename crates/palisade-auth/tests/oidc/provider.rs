//! An OpenID Connect provider on loopback that the tests make misbehave.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use palisade_auth::oidc::{Oidc, OidcBuilder};
use palisade_auth::{SigningKeys, VerifyingKey};
use palisade_client::HttpClient;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair, PublicKeyComponents};
use ring::signature::{self, KeyPair as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Clock, NOW, b64, unb64};

pub(super) const CLIENT: &str = "bookings";
pub(super) const CLIENT_SECRET: &str = "client:secret+of é the test";
pub(super) const COOKIE_SECRET: &str = "Zt9QwL3nVb6YxK1rMd8FpS5gHc2JeU7o";
pub(super) const REDIRECT: &str = "https://bookings.example/callback";

#[derive(Clone)]
pub(super) struct Provider(Arc<Inner>);

struct Inner {
    url: String,
    key: KeyPair,
    said: Mutex<Said>,
    /// One for all, because each reads the certificates of the system.
    http: HttpClient,
}

/// The answers of the provider, for a test to change.
pub(super) struct Said {
    pub(super) metadata: Value,
    pub(super) header: Value,
    /// Members that replace those of a good ID token; `null` takes one away.
    pub(super) claims: Value,
    /// Instead of a good answer of the token endpoint.
    pub(super) answer: Option<(u16, Value)>,
    /// Instead of a good signature.
    pub(super) forge: Option<fn(&str, &KeyPair) -> String>,
    pub(super) userinfo: (u16, Value),
    /// Instead of that, as `application/jwt`.
    pub(super) userinfo_token: Option<String>,
    /// The public keys of a client that has no secret.
    pub(super) client_keys: Option<SigningKeys>,
    /// Whether it gives a refresh token only with `access_type=offline` and `prompt=consent`.
    pub(super) refresh_only_offline: bool,
    assertions: HashSet<String>,
    /// Method, path, head and body of each request.
    pub(super) asked: Vec<(String, String)>,
    codes: HashMap<String, Request>,
    issued: usize,
}

/// The parameters that a browser was sent with, and the PKCE challenge that its code is bound to.
#[derive(Clone, Default)]
pub(super) struct Request {
    pub(super) parameters: HashMap<String, String>,
}

impl Request {
    pub(super) fn of(location: &str) -> Self {
        let (_, query) = location.split_once('?').unwrap();
        Self {
            parameters: form(query),
        }
    }

    pub(super) fn get(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", |value| value)
    }
}

pub(super) fn form(text: &str) -> HashMap<String, String> {
    let decode = |text: &str| {
        let mut bytes = text.bytes();
        let mut out = Vec::new();
        while let Some(byte) = bytes.next() {
            out.push(match byte {
                b'+' => b' ',
                b'%' => {
                    let hex = [bytes.next().unwrap(), bytes.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap()
                }
                other => other,
            });
        }
        String::from_utf8(out).unwrap()
    };
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

impl Provider {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let pem: String = include_str!("../data/rsa2048.pem")
            .lines()
            .filter(|line| !line.starts_with('-'))
            .collect();
        let key = KeyPair::from_pkcs8(&STANDARD.decode(pem).unwrap()).unwrap();
        let provider = Self(Arc::new(Inner {
            said: Mutex::new(Said {
                metadata: json!({
                    "issuer": url,
                    "authorization_endpoint": format!("{url}/authorize?tenant=1"),
                    "token_endpoint": format!("{url}/token"),
                    "userinfo_endpoint": format!("{url}/userinfo"),
                    "end_session_endpoint": format!("{url}/end"),
                    "jwks_uri": format!("{url}/jwks"),
                }),
                header: json!({"alg": "RS256", "kid": "k1"}),
                claims: json!({}),
                answer: None,
                forge: None,
                userinfo: (200, json!({"sub": "alice", "email": "a@info.example"})),
                userinfo_token: None,
                client_keys: None,
                refresh_only_offline: false,
                assertions: HashSet::new(),
                asked: Vec::new(),
                codes: HashMap::new(),
                issued: 0,
            }),
            url,
            key,
            http: HttpClient::builder().build().unwrap(),
        }));
        let this = provider.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(this.clone().serve(socket));
            }
        });
        provider
    }

    pub(super) fn url(&self) -> &str {
        &self.0.url
    }

    pub(super) fn said(&self) -> MutexGuard<'_, Said> {
        self.0.said.lock().unwrap()
    }

    pub(super) fn builder(&self, clock: &Clock) -> OidcBuilder {
        Oidc::builder(self.url())
            .client(CLIENT, CLIENT_SECRET)
            .redirect_uri(REDIRECT)
            .cookie_secret(COOKIE_SECRET)
            .http_client(self.0.http.clone())
            .clock(clock.wall())
    }

    /// The user signs in; gives back the query that the browser comes back with.
    pub(super) fn authorize(&self, location: &str) -> String {
        let request = Request::of(location);
        let mut said = self.said();
        said.issued += 1;
        let code = format!("code-{}", said.issued);
        let state = request.get("state").to_owned();
        said.codes.insert(code.clone(), request);
        format!("code={code}&state={state}")
    }

    pub(super) fn sign(&self, header: &Value, claims: &Value) -> String {
        let input = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let forge = self.said().forge;
        match forge {
            Some(forge) => forge(&input, &self.0.key),
            None => format!("{input}.{}", b64(rs256(&input, &self.0.key))),
        }
    }

    /// A logout token, with these members in place of its own.
    pub(super) fn logout_token(&self, header: &Value, changes: &Value) -> String {
        let mut claims = json!({
            "iss": self.url(), "aud": CLIENT, "iat": NOW, "exp": NOW + 120, "jti": "out-1",
            "sub": "alice", "sid": "at-provider-1",
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        });
        change(&mut claims, changes);
        self.sign(header, &claims)
    }

    fn jwks(&self) -> Value {
        let public = PublicKeyComponents::<Vec<u8>>::from(self.0.key.public_key());
        json!({"keys": [{
            "kty": "RSA", "kid": "k1", "use": "sig", "alg": "RS256",
            "n": b64(public.n), "e": b64(public.e),
        }]})
    }

    /// Whether a request is the client's: by its secret, or by a token that its key has signed and that comes once (RFC 7523,
    /// section 3).
    fn is_client(&self, head: &str, given: &HashMap<String, String>) -> bool {
        let mut said = self.said();
        let Some(keys) = said.client_keys.clone() else {
            // Colon, plus, space and the letter are escaped before they are put into base64.
            let pair = "bookings:client%3Asecret%2Bof%20%C3%A9%20the%20test";
            let basic = format!("authorization: Basic {}", STANDARD.encode(pair));
            return head.contains(&basic);
        };
        let assertion = &given["client_assertion"];
        let (input, signature) = assertion.rsplit_once('.').unwrap();
        let header: Value =
            serde_json::from_slice(&unb64(input.split('.').next().unwrap())).unwrap();
        let known = keys.verifying().unwrap();
        // A token that names a certificate has no `kid`; the provider of the test knows no certificates.
        let mut named = known.iter().filter(|key| {
            header
                .get("kid")
                .is_none_or(|kid| kid == key.key_id().unwrap())
        });
        let is_signed = named.any(|key| is_es256(key, input, &unb64(signature)));
        is_signed && said.assertions.insert(assertion.clone())
    }

    fn token(&self, head: &str, body: &str) -> (u16, Value) {
        if let Some(answer) = &self.said().answer {
            return answer.clone();
        }
        let given = form(body);
        let refused = |error: &str| {
            (
                400,
                json!({"error": error, "error_description": "<b>text</b>"}),
            )
        };
        if !self.is_client(head, &given) {
            return (401, json!({"error": "invalid_client"}));
        }
        let mut refreshable = true;
        let nonce = if given["grant_type"] == "refresh_token" {
            match &*given["refresh_token"] {
                "refresh-1" => None,
                _ => return refused("invalid_grant"),
            }
        } else {
            let Some(request) = self.said().codes.remove(&given["code"]) else {
                return refused("invalid_grant");
            };
            let challenge = b64(digest(&SHA256, given["code_verifier"].as_bytes()));
            if challenge != request.get("code_challenge") || given["redirect_uri"] != REDIRECT {
                return refused("invalid_grant");
            }
            let offline = request.get("access_type") == "offline";
            let consented = request.get("prompt") == "consent";
            refreshable = !self.said().refresh_only_offline || (offline && consented);
            Some(request.get("nonce").to_owned())
        };
        let mut claims = json!({
            "iss": self.url(), "sub": "alice", "aud": CLIENT, "iat": NOW, "exp": NOW + 3600,
            "nonce": nonce, "sid": "at-provider-1", "email": "alice@example.com", "email_verified": true,
        });
        let (header, changes) = {
            let said = self.said();
            (said.header.clone(), said.claims.clone())
        };
        change(&mut claims, &json!({"nonce": nonce}));
        change(&mut claims, &changes);
        let mut tokens = json!({
            "access_token": "access-1", "token_type": "bearer", "expires_in": 300,
            "id_token": self.sign(&header, &claims),
        });
        if nonce.is_some() {
            if refreshable {
                tokens["refresh_token"] = "refresh-1".into();
            }
        } else {
            tokens["access_token"] = "access-2".into();
        }
        (200, tokens)
    }

    async fn serve(self, mut socket: TcpStream) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match socket.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let head = String::from_utf8(head).unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        socket.read_exact(&mut body).await.unwrap();
        let body = String::from_utf8(body).unwrap();
        self.said().asked.push((head.clone(), body.clone()));
        let path = head.split(' ').nth(1).unwrap();
        let signed = self.said().userinfo_token.clone();
        if let Some(signed) = signed.filter(|_| path == "/userinfo") {
            return answer_with(&mut socket, 200, "application/jwt; charset=utf-8", &signed).await;
        }
        let (status, answer) = match path {
            "/.well-known/openid-configuration" => (200, self.said().metadata.clone()),
            "/jwks" => (200, self.jwks()),
            "/token" => self.token(&head, &body),
            "/userinfo" => self.said().userinfo.clone(),
            _ => (404, json!({})),
        };
        answer_with(&mut socket, status, "application/json", &answer.to_string()).await;
    }

    /// The paths that were asked for.
    pub(super) fn paths(&self) -> Vec<String> {
        let said = self.said();
        let paths = said.asked.iter();
        paths
            .map(|(head, _)| head.split(' ').nth(1).unwrap().to_owned())
            .collect()
    }
}

async fn answer_with(socket: &mut TcpStream, status: u16, kind: &str, text: &str) {
    let answer = format!(
        "HTTP/1.1 {status} Said\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{text}",
        text.len()
    );
    let _ = socket.write_all(answer.as_bytes()).await;
}

/// Without the crate under test.
fn is_es256(key: &VerifyingKey, input: &str, signature: &[u8]) -> bool {
    let jwk = key.to_jwk().unwrap();
    let half = |name: &str| unb64(jwk[name].as_str().unwrap());
    let point = [&[4][..], &half("x"), &half("y")].concat();
    let key = signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point);
    key.verify(input.as_bytes(), signature).is_ok()
}

pub(super) fn change(claims: &mut Value, changes: &Value) {
    let claims = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.remove(name);
        } else {
            claims.insert(name.clone(), value.clone());
        }
    }
}

pub(super) fn rs256(input: &str, key: &KeyPair) -> Vec<u8> {
    let mut out = vec![0; key.public().modulus_len()];
    let random = SystemRandom::new();
    key.sign(
        &signature::RSA_PKCS1_SHA256,
        &random,
        input.as_bytes(),
        &mut out,
    )
    .unwrap();
    out
}
