//! Answers that no cache keeps, and that say to no other site where they were.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CACHE_CONTROL, LOCATION, REFERRER_POLICY, SET_COOKIE};
use http::{HeaderValue, StatusCode};
use palisade_core::{Code, Rejection};

/// 303 to an address.
pub(super) fn redirect(location: &str) -> Response {
    match HeaderValue::from_str(location) {
        Ok(location) => {
            let mut response = empty(StatusCode::SEE_OTHER);
            response.headers_mut().insert(LOCATION, location);
            response
        }
        Err(_) => answer(Rejection::new(Code::Internal)),
    }
}

pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    private(response)
}

pub(super) fn answer(rejection: Rejection) -> Response {
    private(IntoResponse::into_response(rejection))
}

pub(super) fn method_not_allowed() -> Response {
    let rejection = Rejection::new(Code::MethodNotAllowed);
    answer(rejection.header(ALLOW, HeaderValue::from_static("GET")))
}

pub(super) fn with_cookies(
    mut response: Response,
    cookies: impl IntoIterator<Item = HeaderValue>,
) -> Response {
    for cookie in cookies {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// The code and the state stand in the address of what was asked for.
fn private(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
