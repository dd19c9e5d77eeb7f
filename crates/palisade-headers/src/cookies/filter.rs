use std::convert::Infallible;

use http::header::Entry;
use http::{HeaderMap, Request, Response, header};
use palisade_core::filter::{Exchange, Filter, Filtered, ReplaceBody, Step};
use tower_layer::Layer;

use super::harden::hardened;
use super::layer::{CookieLayer, Rules};

/// The service made by [`CookieLayer`].
pub type Cookies<S> = Filtered<S, CookieLayer>;

impl<S> Layer<S> for CookieLayer {
    type Service = Cookies<S>;

    fn layer(&self, inner: S) -> Cookies<S> {
        Filtered::new(inner, self.clone())
    }
}

impl Filter for CookieLayer {
    type Kept = ();
    type Wait = Infallible;
    type Watch = ();

    #[inline]
    fn on_request<B>(&self, _: &mut Exchange, _: &mut Request<B>) -> Step<Self> {
        Step::Pass(())
    }

    #[inline]
    fn needs_response(&self, (): &()) -> bool {
        self.0.is_some()
    }

    #[inline]
    fn on_response<B: ReplaceBody>(&self, _: &mut Exchange, (): (), response: &mut Response<B>) {
        if let Some(rules) = &self.0
            && response.headers().contains_key(header::SET_COOKIE)
        {
            harden(rules, response.headers_mut());
        }
    }
}

fn harden(rules: &Rules, headers: &mut HeaderMap) {
    if let Ok(Entry::Occupied(mut cookies)) = headers.try_entry(header::SET_COOKIE) {
        for cookie in cookies.iter_mut() {
            if let Some(hardened) = hardened(rules, cookie) {
                *cookie = hardened;
            }
        }
    }
}
