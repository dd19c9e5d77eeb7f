//! Cookies, cross-origin requests and the redirect to HTTPS, and every layer with bytes of any kind.

mod any_bytes;
mod cookies;
mod cross_origin;
mod https_redirect;
