//! The method and the path by which every rule of every layer is matched.

use http::{Extensions, Method, Uri};

/// The URI that the client sent, for routers that strip a prefix from the one that inner services see.
///
/// With feature `axum` the `OriginalUri` that axum keeps is found without it. Another router that rewrites URIs can
/// insert this into the request's extensions before it does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SentUri(pub Uri);

/// The path that the client sent, neither decoded nor normalised.
///
/// It is the path of [`SentUri`], else of axum's `OriginalUri` (feature `axum`), else of `uri`. Layers decide by it, so
/// that a rule means the same inside `Router::nest` and outside of it.
///
/// # Security
///
/// Without feature `axum`, a layer inside `Router::nest` sees the path with its prefix stripped.
///
/// # Example
///
/// ```
/// use palisade_core::{SentUri, sent_path};
///
/// let mut request = http::Request::get("/token").body(())?;
/// assert_eq!(sent_path(request.extensions(), request.uri()), "/token");
///
/// request.extensions_mut().insert(SentUri("/auth/token?x=1".parse()?));
/// assert_eq!(sent_path(request.extensions(), request.uri()), "/auth/token");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[inline]
#[must_use]
pub fn sent_path<'a>(extensions: &'a Extensions, uri: &'a Uri) -> &'a str {
    if let Some(SentUri(sent)) = extensions.get() {
        return sent.path();
    }
    #[cfg(feature = "axum")]
    if let Some(axum::extract::OriginalUri(sent)) = extensions.get() {
        return sent.path();
    }
    uri.path()
}

/// Whether a rule for `rule` covers a request by `method`: the same method, or a `HEAD` under a rule for `GET`.
///
/// A `HEAD` is answered by the handler of `GET` (RFC 9110, section 9.3.2), so a rule that left it out could be walked
/// around.
#[inline]
#[must_use]
pub fn covers_method(rule: &Method, method: &Method) -> bool {
    rule == method || (rule == Method::GET && method == Method::HEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_for_get_covers_head_and_no_other_method() {
        assert!(covers_method(&Method::GET, &Method::GET));
        assert!(covers_method(&Method::GET, &Method::HEAD));
        assert!(!covers_method(&Method::HEAD, &Method::GET));
        assert!(!covers_method(&Method::GET, &Method::POST));
        assert!(!covers_method(&Method::POST, &Method::HEAD));
    }

    #[cfg(feature = "axum")]
    #[test]
    fn the_uri_kept_by_axum_is_the_one_that_was_sent() {
        let mut extensions = Extensions::new();
        let stripped = Uri::from_static("/metrics");
        let sent = Uri::from_static("/customers/metrics");
        extensions.insert(axum::extract::OriginalUri(sent));
        assert_eq!(sent_path(&extensions, &stripped), "/customers/metrics");
    }
}
