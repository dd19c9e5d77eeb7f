//! Stacks that share what outlives them, and differ in everything else.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use palisade::audit::{Audit, AuditBuilder, AuditLayer, Class, Delivery};
use palisade::auth::{AccountStatus, AuthLayer, HmacKeys, Issuer, JwtVerifier, TokenIssuer};
use palisade::crypto::{FieldCipher, FieldCryptoLayer, Fields, Key, Keyring};
use palisade::headers::{CorsLayer, RequestIdLayer, SecurityHeadersLayer};
use palisade::ratelimit::{DAY, KeyChain, Limit, Memory, Policy, RateLimitLayer};
use palisade::{PeerAddr, Principal, ResponseBody, Stack};
use serde_json::Value;

/// Requests of one principal that pass, whichever stacks they meet.
pub(crate) const PER_PRINCIPAL: u32 = 2_500;
/// Requests of one address that pass, whichever stacks they meet.
pub(crate) const PER_CLIENT: u32 = 10_000;

/// The number of layers of a stack that hold a token, by which a test sees that they were freed.
const TOKENS: usize = 3;

/// The state that the stacks of a test share.
pub(crate) struct Shared {
    tokens: TokenIssuer,
    verifier: JwtVerifier,
    audit: Audit,
    counts: Memory,
    cipher: FieldCipher,
    alive: Arc<()>,
}

impl Shared {
    pub(crate) fn new(audit: Audit) -> Self {
        Self::verifying(audit, |issuer| {
            JwtVerifier::builder().issuer(issuer).build().unwrap()
        })
    }

    pub(crate) fn verifying(audit: Audit, verifier: impl FnOnce(Issuer) -> JwtVerifier) -> Self {
        let keys = HmacKeys::current("kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu").unwrap();
        let tokens = TokenIssuer::hmac("reload", keys)
            .audience("api://reload")
            .build()
            .unwrap();
        Self {
            verifier: verifier(tokens.issuer()),
            tokens,
            audit,
            counts: Memory::default(),
            cipher: FieldCipher::new(Keyring::single(Key::generate().unwrap()).unwrap()),
            alive: Arc::new(()),
        }
    }

    /// The stack of this number, which shows in what each of its layers does to a response; see [`Answer::number`].
    pub(crate) fn stack(&self, number: u64) -> Stack {
        let (of_auth, of_crypto) = (self.token(), self.token());
        let cors = CorsLayer::builder()
            .origins([origin(number)])
            .expose([format!("x-stack-{number}")])
            .try_build();
        let auth = AuthLayer::new()
            .bearer(self.verifier.clone())
            .realm(&format!("stack {number}"))
            .unwrap()
            .status(move |_| {
                let _held = &of_auth;
                AccountStatus::Active
            });
        let sealed = Fields::paths([sealed_field(number)]);
        let crypto = FieldCryptoLayer::new(self.cipher.clone())
            .encrypt_response(sealed)
            .only_when(move |_| {
                let _held = &of_crypto;
                true
            });
        Stack::new()
            .request_id(RequestIdLayer::new())
            .security_headers(SecurityHeadersLayer::none().header(STACK, HeaderValue::from(number)))
            .audit(AuditLayer::new(self.audit.clone()))
            .cors(cors.unwrap())
            .limit_clients(self.limit_clients(number))
            .auth(auth)
            .limit_principals(self.limit_principals())
            .field_crypto(crypto)
    }

    /// In stacks of odd numbers it only watches.
    fn limit_clients(&self, number: u64) -> RateLimitLayer {
        let policy = Policy::new("clients").limit(Limit::sliding(PER_CLIENT, DAY));
        RateLimitLayer::builder()
            .policy(match is_even(number) {
                true => policy,
                false => policy.shadow(),
            })
            .key(KeyChain::new().client_ip())
            .store(self.counts.clone())
            .build()
            .unwrap()
    }

    fn limit_principals(&self) -> RateLimitLayer {
        let token = self.token();
        RateLimitLayer::builder()
            .policy(Policy::new("principals").limit(Limit::sliding(PER_PRINCIPAL, DAY)))
            .key(KeyChain::new().principal())
            .store(self.counts.clone())
            .cost(move |_| {
                let _held = &token;
                1
            })
            .build()
            .unwrap()
    }

    fn token(&self) -> Arc<()> {
        Arc::clone(&self.alive)
    }

    /// The number of stacks that have layers that were not freed.
    pub(crate) fn stacks_alive(&self) -> usize {
        (Arc::strong_count(&self.alive) - 1).div_ceil(TOKENS)
    }

    /// The credential of a principal, as `Authorization` carries it.
    pub(crate) fn credential(&self, subject: &str) -> HeaderValue {
        let token = self.tokens.issue(&Principal::user("reload", subject));
        let bearer = format!("Bearer {}", token.unwrap().as_str());
        bearer.parse().unwrap()
    }

    pub(crate) fn signed_in(&self) -> Request<()> {
        request(1, Some(&self.credential("alice")))
    }
}

/// A trail that loses no record of a request for want of room.
pub(crate) fn patient_audit() -> AuditBuilder {
    let delivery = Delivery::Block(Duration::from_secs(60));
    Audit::builder("reload")
        .deliver(Class::Access, delivery)
        .deliver(Class::Authentication, delivery)
        .deliver(Class::Authorization, delivery)
}

/// A request from the address of this number, made by a page of the origin that even stacks allow.
pub(crate) fn request(client: u8, credential: Option<&HeaderValue>) -> Request<()> {
    let mut request = Request::new(());
    let peer = SocketAddr::from(([203, 0, 113, client], 4433));
    request.extensions_mut().insert(PeerAddr(peer));
    let headers = request.headers_mut();
    headers.insert(header::ORIGIN, origin(0).parse().unwrap());
    if let Some(credential) = credential {
        headers.insert(header::AUTHORIZATION, credential.clone());
    }
    request
}

/// The body that handlers answer with.
pub(crate) const JSON: &str = r#"{"email":"a@b.c","phone":"555"}"#;

pub(crate) fn json<B>(body: B) -> Result<Response<B>, Infallible> {
    let mut response = Response::new(body);
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(response)
}

pub(crate) fn whole_json() -> Result<Response<Full<Bytes>>, Infallible> {
    json(Full::from(JSON))
}

const STACK: HeaderName = HeaderName::from_static("x-stack");

fn origin(number: u64) -> &'static str {
    ["https://even.example", "https://odd.example"][number as usize % 2]
}

fn sealed_field(number: u64) -> &'static str {
    ["/email", "/phone"][number as usize % 2]
}

/// An answer that was read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) async fn read<B, W>(response: Response<ResponseBody<B, W>>) -> Self
    where
        ResponseBody<B, W>: Body<Data = Bytes, Error = Infallible>,
    {
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Self {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        }
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The number of the stack that made this answer. Every layer that left a trace in it must be of that stack.
    pub(crate) fn number(&self) -> u64 {
        let number = number_of(&self.headers);
        match is_even(number) {
            true => {
                assert_eq!(
                    self.text("access-control-allow-origin"),
                    origin(0),
                    "{self:?}"
                );
                let exposed = self.text("access-control-expose-headers");
                let own = format!("x-stack-{number}");
                assert!(exposed.split(", ").any(|name| name == own), "{self:?}");
            }
            false => assert_eq!(self.text("access-control-allow-origin"), "", "{self:?}"),
        }
        match self.status {
            200 => self.assert_sealed_by(number),
            401 => {
                let realm = format!("realm=\"stack {number}\"");
                assert!(self.text("www-authenticate").contains(&realm), "{self:?}");
            }
            status => assert_eq!(status, 429, "{self:?}"),
        }
        number
    }

    fn assert_sealed_by(&self, number: u64) {
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        for (field, clear) in [("/email", "a@b.c"), ("/phone", "555")] {
            let value = body.pointer(field).unwrap().as_str().unwrap();
            match field == sealed_field(number) {
                true => assert!(value.starts_with("pl1."), "{number}: {self:?}"),
                false => assert_eq!(value, clear, "{number}: {self:?}"),
            }
        }
    }
}

pub(crate) const fn is_even(number: u64) -> bool {
    number.is_multiple_of(2)
}

/// The number that the security headers of a response tell.
pub(crate) fn number_of(headers: &HeaderMap) -> u64 {
    headers[STACK].to_str().unwrap().parse().unwrap()
}
