use std::convert::Infallible;
use std::pin::pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use http_body_util::Empty;
use palisade_auth::{AuthLayer, HmacKeys, Issuer, JwtVerifier, Sessions};
use palisade_core::{Principal, RequestScope};
use tower::{Layer, ServiceExt, service_fn};

use super::answers::lines;

const SECRET: &[u8] = b"kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu";
/// The cookies that the layer knows.
const KNOWN: [&[u8]; 2] = [b"__Host-session", b"token"];

struct House {
    layer: AuthLayer,
    /// The cookie of a session that lives.
    alice: String,
}

fn house() -> Option<&'static House> {
    static HOUSE: OnceLock<Option<House>> = OnceLock::new();
    let made = HOUSE.get_or_init(|| {
        let sessions = Sessions::memory().build().ok()?;
        let cookie = sessions.begin(Principal::user("bookings", "alice"), &HeaderMap::new());
        let cookie = cookie.ok()?;
        let alice = cookie.to_str().ok()?.split(';').next()?.to_owned();
        let issuer = Issuer::hmac("bookings", HmacKeys::current(SECRET).ok()?);
        let jwt = JwtVerifier::builder().issuer(issuer.audience("api://bookings"));
        let layer = AuthLayer::new()
            .sessions(sessions)
            .bearer(jwt.build().ok()?)
            .bearer_cookie("token")
            .ok()?;
        let layer = layer.strip_credentials().optional();
        Some(House { layer, alice })
    });
    made.as_ref()
}

/// Lines of cookies; a `~` stands for the cookie of a session that lives.
pub(crate) fn check(data: &[u8]) {
    let Some(house) = house() else { return };
    let mut written = Vec::with_capacity(data.len());
    for byte in data {
        match byte {
            b'~' => written.extend_from_slice(house.alice.as_bytes()),
            byte => written.push(*byte),
        }
    }
    let sent = lines("cookie", &written);
    let before = pairs(&sent);
    let known = before.iter().filter(|pair| is_known(pair));
    let (known, sessions): (usize, usize) = known.fold((0, 0), |(all, sessions), pair| {
        let session = usize::from(pair.starts_with(KNOWN[0]));
        (all + 1, sessions + session)
    });
    let lives = before.iter().any(|pair| *pair == house.alice.as_bytes());

    let mut request = Request::new(());
    *request.headers_mut() = sent;
    let Some((who, headers)) = handled(&house.layer, request) else {
        assert!(known > 0, "refused without a cookie that it knows");
        return;
    };
    match who {
        Some(subject) => {
            assert_eq!(subject, "alice");
            assert!(lives && sessions == 1, "let in without one live session");
            let after = pairs(&headers);
            let others: Vec<Vec<u8>> = before.into_iter().filter(|pair| !is_known(pair)).collect();
            assert_eq!(after, others, "other cookies than those left");
        }
        None => assert!(!(lives && known == 1), "a live session was not let in"),
    }
}

/// The subject and the headers that the handler saw, unless the layer refused.
fn handled(layer: &AuthLayer, request: Request<()>) -> Option<(Option<String>, HeaderMap)> {
    let seen = std::sync::Mutex::new(None);
    let handler = service_fn(|request: Request<()>| {
        let scope = RequestScope::current(request.extensions());
        let known = scope.and_then(RequestScope::principal);
        let subject = known.map(|known| known.subject().to_owned());
        if let Ok(mut seen) = seen.lock() {
            *seen = Some((subject, request.headers().clone()));
        }
        std::future::ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
    });
    {
        let mut call = pin!(layer.layer(handler).oneshot(request));
        let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(Ok(_))), "the layer waits");
    }
    seen.into_inner().ok().flatten()
}

/// The pairs of all lines, without the space around them.
fn pairs(headers: &HeaderMap) -> Vec<Vec<u8>> {
    let lines = headers.get_all(header::COOKIE).iter();
    lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .map(|pair| pair.trim_ascii().to_vec())
        .filter(|pair| !pair.is_empty())
        .collect()
}

fn is_known(pair: &[u8]) -> bool {
    KNOWN.iter().any(|name| {
        let value = pair.strip_prefix(*name);
        value.is_some_and(|value| value.starts_with(b"="))
    })
}
