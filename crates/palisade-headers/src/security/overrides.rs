use http::{HeaderName, HeaderValue, StatusCode, header};

use super::nonce::CHARS;
use super::prepared::Prepared;
use super::{ClearSiteData, Csp};

/// Changes of one route to the policy, put into the extensions of its response.
///
/// It replaces what the *layer* would send; a header that the handler sets itself still goes by the merge mode of its
/// name. With feature `axum` a handler returns it as a part of its answer.
///
/// # Example
///
/// ```
/// use palisade_headers::HeaderOverrides;
/// use palisade_headers::security::{Csp, Source};
///
/// # let mut response = http::Response::new(());
/// // This page may be shown in the partner's frame.
/// let partner = Csp::new().frame_ancestors([Source::host("https://partner.example")?]);
/// response.extensions_mut().insert(
///     HeaderOverrides::new().csp(&partner).omit(http::header::X_FRAME_OPTIONS),
/// );
/// # Ok::<(), palisade_headers::HeadersError>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "it changes nothing until it is in the extensions of a response"]
pub struct HeaderOverrides(Vec<Change>);

#[derive(Debug, Clone)]
enum Change {
    Set(HeaderName, HeaderValue),
    Omit(HeaderName),
    Csp(Box<Prepared>),
}

impl HeaderOverrides {
    /// Nothing changed yet.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Sends this value instead of the layer's.
    pub fn set(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.0.push(Change::Set(name, value.into()));
        self
    }

    /// Does not send the layer's value.
    pub fn omit(mut self, name: HeaderName) -> Self {
        self.0.push(Change::Omit(name));
        self
    }

    /// Enforces this policy instead of the layer's. Its nonce is the request's; where the layer's own policy has none,
    /// there is none to read, and the nonce sources of this one allow nothing.
    pub fn csp(mut self, policy: &Csp) -> Self {
        let prepared = Box::new(Prepared::enforced(policy));
        self.0.push(Change::Csp(prepared));
        self
    }

    /// Tells the browser what to forget, as after a sign-out.
    pub fn clear_site_data(self, what: ClearSiteData) -> Self {
        self.set(HeaderName::from_static("clear-site-data"), what.value())
    }

    /// Keeps the response out of every cache.
    pub fn no_store(self) -> Self {
        self.set(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
    }

    /// On the answer to a validation, a policy with a nonce leaves the field to the stored response (RFC 9111,
    /// section 4.3.4).
    pub(super) fn apply(
        &self,
        ours: &mut http::HeaderMap,
        status: StatusCode,
        nonce: Option<&[u8; CHARS]>,
    ) {
        for change in &self.0 {
            match change {
                Change::Set(name, value) => drop(ours.try_insert(name, value.clone())),
                Change::Omit(name) => drop(ours.remove(name)),
                Change::Csp(policy) if policy.has_nonce() && status == StatusCode::NOT_MODIFIED => {
                    ours.remove(&policy.name);
                }
                Change::Csp(policy) => {
                    let value = nonce.and_then(|nonce| policy.with_nonce(nonce));
                    let value = value.unwrap_or_else(|| policy.fixed.clone());
                    let _ = ours.try_insert(&policy.name, value);
                }
            }
        }
    }
}

#[cfg(feature = "axum")]
impl axum_core::response::IntoResponseParts for HeaderOverrides {
    type Error = std::convert::Infallible;

    fn into_response_parts(
        self,
        mut parts: axum_core::response::ResponseParts,
    ) -> Result<axum_core::response::ResponseParts, Self::Error> {
        parts.extensions_mut().insert(self);
        Ok(parts)
    }
}
