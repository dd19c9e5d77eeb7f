//! Refuses requests with effects that a page of another origin made, without tokens or state.
//!
//! The scheme is that of `CrossOriginProtection` in the `net/http` package of Go 1.25. A request passes if any of these
//! holds:
//!
//! 1. Its method is `GET`, `HEAD` or `OPTIONS`. So a handler of one of these must not change anything.
//! 2. `Sec-Fetch-Site` is `same-origin` or `none` (the visitor typed the address).
//! 3. Neither `Sec-Fetch-Site` nor `Origin` is there: it comes from no browser, or from the same origin.
//! 4. `Sec-Fetch-Site` is missing, and the host of `Origin` is the host that was asked for.
//! 5. `Origin` is one of the trusted origins, or the request matches a bypass.
//!
//! Everything else is refused with 403.
//!
//! # Security
//!
//! Rule 4 is for browsers from before 2023 and compares hosts without their scheme; HSTS closes that gap. A proxy that
//! rewrites `Host`, or drops `Origin` or `Sec-Fetch-Site`, weakens the guard: let it forward them as they are.

mod check;
mod config;
mod future;
mod layer;
mod pattern;
mod service;

pub use self::config::CrossOriginGuardConfig;
pub use self::future::ResponseFuture;
pub use self::layer::CrossOriginGuardLayer;
pub use self::service::CrossOriginGuard;
