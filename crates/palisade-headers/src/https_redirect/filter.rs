use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use palisade_core::filter::{Exchange, Filter, Filtered, Step};
use palisade_core::{Code, Rejection};
use tower_layer::Layer;

use super::layer::{Decision, HttpsRedirectLayer};

/// The service made by [`HttpsRedirectLayer`].
pub type HttpsRedirect<S> = Filtered<S, HttpsRedirectLayer>;

impl<S> Layer<S> for HttpsRedirectLayer {
    type Service = HttpsRedirect<S>;

    fn layer(&self, inner: S) -> HttpsRedirect<S> {
        Filtered::new(inner, self.clone())
    }
}

impl Filter for HttpsRedirectLayer {
    type Kept = ();
    type Wait = Infallible;
    type Watch = ();

    #[inline]
    fn on_request<B>(&self, exchange: &mut Exchange, request: &mut Request<B>) -> Step<Self> {
        let Some(rules) = &self.0 else {
            return Step::Pass(());
        };
        match rules.decide(request) {
            Decision::Pass => Step::Pass(()),
            Decision::Redirect(status, location) => match HeaderValue::try_from(location) {
                Ok(location) => Step::answer(redirect(status, location)),
                Err(_) => refuse(exchange, request),
            },
            Decision::NoHost => refuse(exchange, request),
        }
    }

    #[inline]
    fn needs_response(&self, (): &()) -> bool {
        false
    }
}

fn redirect(status: StatusCode, location: HeaderValue) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    let _ = response
        .headers_mut()
        .try_insert(header::LOCATION, location);
    response
}

#[cold]
fn refuse<B>(exchange: &mut Exchange, request: &Request<B>) -> Step<HttpsRedirectLayer> {
    let rejection = Rejection::new(Code::Validation).message("This service is reached over HTTPS");
    exchange.reject(request, rejection)
}
