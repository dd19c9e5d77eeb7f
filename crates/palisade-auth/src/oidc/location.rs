//! The address at the provider that a browser is sent to.

use super::Oidc;
use super::flow::{Flow, ResponseMode};

impl Oidc {
    pub(super) fn location(&self, endpoint: &str, flow: &Flow) -> String {
        let this = &*self.0;
        let challenge = flow.challenge();
        let max_age = this.max_age.map(|age| age.as_secs().to_string());
        let mut pairs = vec![
            ("response_type", "code"),
            ("client_id", this.provider.client_id()),
            ("redirect_uri", this.provider.redirect_uri()),
            ("scope", &*this.scopes),
            ("state", flow.state()),
            ("nonce", flow.nonce()),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        if this.flows.mode() == ResponseMode::FormPost {
            pairs.push(("response_mode", "form_post"));
        }
        pairs.extend(max_age.as_deref().map(|age| ("max_age", age)));
        let own = this.parameters.iter();
        pairs.extend(own.map(|(name, value)| (&**name, &**value)));
        with_query(endpoint, pairs)
    }
}

/// An endpoint, which may have a query of its own, with more of it (RFC 6749, section 3.1).
pub(super) fn with_query<'a>(
    endpoint: &str,
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> String {
    let joint = if endpoint.contains('?') { '&' } else { '?' };
    let query = crate::form::form(pairs);
    format!("{endpoint}{joint}{}", String::from_utf8_lossy(&query))
}
