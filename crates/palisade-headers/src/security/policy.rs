//! The settings of a layer, and the headers that it prepares from them.

use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use palisade_core::RequestScope;
use palisade_core::filter::Exchange;

use super::prepared::Prepared;
use super::{CspNonce, HeaderOverrides, HstsWhen, NoStore};
use crate::template::{Merge, Template, leaked};

/// The settings of a layer.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) policies: Vec<Prepared>,
    pub(super) merges: Vec<(HeaderName, Merge)>,
    pub(super) strip: Vec<HeaderName>,
    pub(super) hsts_when: HstsWhen,
    pub(super) no_store: NoStore,
}

impl Settings {
    pub(super) fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.remove(&name);
        self.headers.push((name, value));
    }

    pub(super) fn set_policy(&mut self, policy: Prepared) {
        self.remove(&policy.name);
        self.set(policy.name.clone(), policy.fixed.clone());
        self.policies.push(policy);
    }

    pub(super) fn remove(&mut self, name: &HeaderName) {
        self.headers.retain(|(known, _)| known != name);
        self.policies.retain(|policy| policy.name != *name);
    }
}

/// The prepared headers of a layer.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    pub(super) settings: Settings,
    template: Template,
    /// Those of the policies that have a nonce.
    nonces: Vec<Prepared>,
    /// The value of `Strict-Transport-Security`, where it is not for every response.
    hsts: Option<HeaderValue>,
    /// Whether no response is changed, but by overrides.
    idle: bool,
}

/// State of a request until its response is there.
#[derive(Debug, Default)]
pub struct RequestFacts {
    nonce: Option<CspNonce>,
    hsts: bool,
    credentials: bool,
}

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

impl Policy {
    pub(super) fn new(settings: Settings) -> Self {
        let mut always = settings.headers.clone();
        if settings.no_store == NoStore::Always {
            always.retain(|(name, _)| *name != header::CACHE_CONTROL);
            always.push((header::CACHE_CONTROL, NO_STORE));
        }
        let mut hsts = None;
        if let HstsWhen::OverTls(_) = settings.hsts_when {
            let at = always
                .iter()
                .position(|(name, _)| *name == header::STRICT_TRANSPORT_SECURITY);
            hsts = at.map(|at| always.remove(at).1);
        }
        let template = Template::new(&always, &settings.merges, &settings.strip);
        let nonces = settings.policies.iter().filter(|policy| policy.has_nonce());
        Self {
            idle: template.is_empty() && hsts.is_none() && settings.no_store == NoStore::Never,
            template,
            nonces: nonces.cloned().collect(),
            hsts,
            settings,
        }
    }

    /// The number of header fields that it may add.
    pub(super) fn fields(&self) -> usize {
        self.template.len() + usize::from(self.hsts.is_some()) + 1
    }

    pub(super) fn leak(mut self) -> Self {
        self.template = self.template.leak();
        self.hsts = self.hsts.as_ref().map(leaked);
        self
    }

    #[inline]
    pub(super) fn inspect<B>(
        &self,
        exchange: &mut Exchange,
        request: &mut Request<B>,
    ) -> RequestFacts {
        let mut facts = RequestFacts::default();
        if !self.nonces.is_empty() {
            facts.nonce = Some(nonce(request.extensions_mut()));
        }
        if self.hsts.is_some() {
            let when = &self.settings.hsts_when;
            facts.hsts = when.holds(request.uri(), request.headers(), request.extensions());
        }
        if self.settings.no_store == NoStore::Authenticated {
            let headers = request.headers();
            facts.credentials =
                headers.contains_key(header::AUTHORIZATION) || headers.contains_key(header::COOKIE);
            if !facts.credentials {
                // The principal is found by a layer further in, if at all: look when the response is there. Entered
                // here, because a scope that is made further in would be out of sight.
                exchange.enter(request.extensions_mut());
            }
        }
        facts
    }

    /// Takes the policies with a nonce out of the answer to a validation: its fields replace those of the stored response
    /// (RFC 9111, section 4.3.4), whose page has the nonce that it was stored with.
    #[cold]
    fn leave_stored_policies(&self, ours: &mut HeaderMap) {
        for policy in &self.nonces {
            ours.remove(&policy.name);
        }
    }

    #[inline]
    pub(super) fn apply(
        &self,
        exchange: &Exchange,
        facts: &RequestFacts,
        status: StatusCode,
        headers: &mut HeaderMap,
        overrides: Option<&HeaderOverrides>,
    ) {
        if self.idle && overrides.is_none() {
            return;
        }
        let nonce = facts.nonce.as_ref().and_then(CspNonce::if_read);
        let is_stored = status == StatusCode::NOT_MODIFIED && !self.nonces.is_empty();
        let no_store =
            self.settings.no_store == NoStore::Authenticated && facts.is_authenticated(exchange);
        let is_plain = nonce.is_none() && !is_stored && !facts.hsts && !no_store;
        if is_plain && overrides.is_none() {
            return self.template.apply(headers);
        }
        self.template.apply_edited(headers, |ours| {
            if status == StatusCode::NOT_MODIFIED {
                self.leave_stored_policies(ours);
            } else if let Some(nonce) = nonce {
                for policy in &self.nonces {
                    if let Some(value) = policy.with_nonce(nonce) {
                        let _ = ours.try_insert(&policy.name, value);
                    }
                }
            }
            if let (true, Some(value)) = (facts.hsts, &self.hsts) {
                let _ = ours.try_insert(header::STRICT_TRANSPORT_SECURITY, value.clone());
            }
            if no_store {
                let _ = ours.try_insert(header::CACHE_CONTROL, NO_STORE);
            }
            if let Some(overrides) = overrides {
                overrides.apply(ours, status, nonce);
            }
        });
    }
}

impl RequestFacts {
    fn is_authenticated(&self, exchange: &Exchange) -> bool {
        let principal = || exchange.scope().and_then(RequestScope::principal);
        self.credentials || principal().is_some()
    }
}

/// The request's nonce; two layers with a nonce share it.
fn nonce(extensions: &mut Extensions) -> CspNonce {
    if let Some(nonce) = CspNonce::of(extensions) {
        return nonce;
    }
    let nonce = CspNonce::unread();
    extensions.insert(nonce.clone());
    nonce
}
