//! Refuses requests with effects that a page of another origin made, without tokens or state.
//!
//! The scheme is that of `CrossOriginProtection` in the `net/http` package of Go 1.25, and beyond it WebSockets are checked. A
//! request passes if any of these holds:
//!
//! 1. Its method is `GET`, `HEAD` or `OPTIONS`, and it asks for no `Upgrade`. So a handler of one of these must not change
//!    anything.
//! 2. `Sec-Fetch-Site` is `same-origin` or `none` (the visitor typed the address).
//! 3. Neither `Sec-Fetch-Site` nor `Origin` is there: it comes from no browser, or from the same origin.
//! 4. `Sec-Fetch-Site` is missing, and the host of `Origin` is the host that was asked for.
//! 5. It carries a credential that only the page's own code can add, and none that browsers add by themselves: an
//!    `Authorization` of another scheme than `Basic`, `Digest`, `Negotiate` and `NTLM`, or an `X-API-Key`, and no cookie.
//!    Code of another origin can send either only once CORS has allowed it to.
//! 6. CORS lets [everybody](CrossOriginGuardLayer::trust_cors) read, the request carries no credential at all, and
//!    `Sec-Fetch-Mode` is `cors` or `websocket`: it is neither a form nor a link.
//! 7. `Origin` is one of the trusted origins, or the request matches a bypass.
//!
//! Everything else is refused with 403. A form of another origin without a cookie is refused too: signing a visitor in
//! to somebody else's account needs none (OWASP: login CSRF).
//!
//! | the API knows its callers by | CORS | the guard lets pass, of other origins |
//! |---|---|---|
//! | bearer tokens | for everybody | calls with a token, and calls without any credential |
//! | cookies | lists origins, with credentials | what comes from those origins |
//! | both | lists origins, with credentials | what comes from those origins, and calls with a token and no cookie |
//!
//! # WebSockets
//!
//! Every page can open a WebSocket to every host, with the cookies of its visitor, and CORS has no say (RFC 6455,
//! section 10.2). So the handshake is held to the same rules, whether it is a `GET` with `Upgrade` (HTTP/1.1) or an extended
//! `CONNECT` (RFC 8441 for HTTP/2, RFC 9220 for HTTP/3): pages of the service itself and of the trusted origins open one, and so does
//! what is no browser and sends no `Origin`.
//!
//! # Security
//!
//! A client certificate, or the address of a client, is ambient too and shows in no header: rule 6 is not for services
//! that know their callers by it.
//!
//! Rule 4 is for browsers from before 2023 and compares hosts without their scheme; HSTS closes that gap. A proxy that
//! rewrites `Host`, or drops `Origin` or `Sec-Fetch-Site`, weakens the guard: let it forward them as they are.

mod check;
mod config;
mod filter;
mod layer;
mod pattern;

pub use self::config::CrossOriginGuardConfig;
pub use self::filter::CrossOriginGuard;
pub use self::layer::CrossOriginGuardLayer;
