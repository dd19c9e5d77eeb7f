use std::collections::HashMap;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use palisade_core::{ClientIp, PeerAddr};
use palisade_ratelimit::{
    HOUR, KeyChain, Limit, MINUTE, Memory, Policy, RateLimitLayer, burst, per_hour,
};

use super::super::answers::through;
use super::fields::{refused, uncounted};

/// The number of requests that the policies admit at once.
const KEY: u32 = 4;
const BACKSTOP: u32 = 8;
const LOGIN: u32 = 5;
/// The number of requests to each place.
const TURNS: usize = 40;

/// Requests as strangers may write them: whatever these claim, their address pays, and every answer can be read.
///
/// Each of three places (in front of everybody, behind a proxy, and where nobody says who the peer is) decides about
/// every request exactly as a naive count of its own does.
pub(crate) fn check(data: &[u8]) {
    let requests = requests(data);
    for place in [Place::Outside, Place::BehindAProxy, Place::Peerless] {
        let Some(layer) = layer(place) else { return };
        let mut model = Model::default();
        for turn in 0..TURNS {
            let head = &requests[turn % requests.len()];
            let response = through(&layer, place.send(head));
            match model.passes(head) {
                None => assert!(uncounted(&response), "{head:?} was counted"),
                Some(passes) => {
                    assert_eq!(!refused(&response), passes, "{head:?}, turn {turn}");
                }
            }
        }
        assert!(model.backstop <= BACKSTOP && model.login <= LOGIN);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Outside,
    BehindAProxy,
    Peerless,
}

impl Place {
    /// The request as it comes to this place.
    fn send(self, head: &Head) -> Request<()> {
        let mut request = Request::new(());
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = head.uri.clone();
        *request.headers_mut() = head.headers.clone();
        let peer = match self {
            Self::Outside => [198, 51, 100, 9],
            Self::BehindAProxy => {
                let client = HeaderValue::from_static("203.0.113.7");
                request.headers_mut().append("x-forwarded-for", client);
                [10, 0, 0, 1]
            }
            Self::Peerless => return request,
        };
        request
            .extensions_mut()
            .insert(PeerAddr((peer, 4433).into()));
        request
    }
}

fn layer(place: Place) -> Option<RateLimitLayer> {
    let client_ip = match place {
        Place::BehindAProxy => ClientIp::trusting(["10.0.0.0/8"]).ok()?,
        _ => ClientIp::peer(),
    };
    let key = KeyChain::new()
        .principal()
        .claimed_header("x-track-id")
        .authorization()
        .client_ip();
    RateLimitLayer::builder()
        .client_ip(client_ip)
        .key(key)
        .ip_backstop(Limit::fixed(BACKSTOP, HOUR))
        .policy(Policy::new("fuzz").limit(Limit::token_bucket(per_hour(1), burst(KEY))))
        .policy(Policy::login().limit(Limit::sliding(LOGIN, MINUTE)))
        .route("POST /auth/token", "login")
        .store(Memory::with_capacity(64))
        .build()
        .ok()
}

/// The count by the definition: all requests of one place come from one address, within one moment.
#[derive(Default)]
struct Model {
    keys: HashMap<(&'static str, Vec<u8>), u32>,
    backstop: u32,
    login: u32,
}

impl Model {
    /// Whether a request passes; `None` if it is not counted.
    fn passes(&mut self, head: &Head) -> Option<bool> {
        let path = head.uri.path();
        let asks = |name| head.headers.contains_key(name);
        let preflight = head.method == Method::OPTIONS
            && asks("origin")
            && asks("access-control-request-method");
        if preflight || ["/healthz", "/readyz", "/metrics"].contains(&path) {
            return None;
        }
        let segments: Vec<Vec<u8>> = path.split('/').map(decoded).collect();
        if head.method == Method::POST && segments == [&b""[..], b"auth", b"token"] {
            let passes = self.login < LOGIN;
            self.login += u32::from(passes);
            return Some(passes);
        }
        let claim = ["x-track-id", "authorization"]
            .into_iter()
            .find_map(|name| {
                let value = head.headers.get(name)?.as_bytes();
                (!value.is_empty()).then(|| (name, value.to_vec()))
            });
        let claimed = claim.is_some();
        let key = claim.unwrap_or(("address", Vec::new()));
        let count = self.keys.entry(key).or_default();
        let passes = *count < KEY && (!claimed || self.backstop < BACKSTOP);
        *count += u32::from(passes);
        self.backstop += u32::from(passes && claimed);
        Some(passes)
    }
}

/// A segment of a path without its percent-encoding (RFC 3986, section 2.1); what is none stays.
fn decoded(segment: &str) -> Vec<u8> {
    let mut rest = segment.as_bytes();
    let mut out = Vec::new();
    while let Some((&first, others)) = rest.split_first() {
        let digits = others.get(..2).filter(|_| first == b'%');
        let value = digits.and_then(|digits| {
            let digit = |at: usize| char::from(digits[at]).to_digit(16);
            u8::try_from(digit(0)? * 16 + digit(1)?).ok()
        });
        match value {
            Some(value) => {
                out.push(value);
                rest = &others[2..];
            }
            None => {
                out.push(first);
                rest = others;
            }
        }
    }
    out
}

/// The head of a request.
#[derive(Debug, Clone, Default)]
struct Head {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

/// Heads as HTTP/1.1 writes them, an empty line between two. What is no method, target or field is left out.
fn requests(data: &[u8]) -> Vec<Head> {
    let mut heads = vec![Head::default()];
    let mut first_line = true;
    for line in data.split(|byte| *byte == b'\n').take(256) {
        if line.is_empty() {
            heads.push(Head::default());
            first_line = true;
            continue;
        }
        let Some(head) = heads.last_mut() else { break };
        if first_line {
            let (method, target) = cut(line, b' ');
            head.method = Method::from_bytes(method).unwrap_or_default();
            head.uri = Uri::try_from(target).unwrap_or_default();
        } else {
            let (name, value) = cut(line, b':');
            let value = value.strip_prefix(b" ").unwrap_or(value);
            let field = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value));
            if let (Ok(name), Ok(value)) = field {
                head.headers.append(name, value);
            }
        }
        first_line = false;
    }
    heads
}

/// The parts before and after the first such byte.
fn cut(line: &[u8], at: u8) -> (&[u8], &[u8]) {
    match line.iter().position(|byte| *byte == at) {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, b""),
    }
}
