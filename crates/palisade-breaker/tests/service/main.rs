//! The guarded service, by itself and for HTTP and gRPC.

#[path = "../common/mod.rs"]
mod common;
mod fallback;
mod grpc;
mod http;
mod panics;
mod readiness;
mod streams;
#[cfg(feature = "tower-http")]
mod tower_http;
