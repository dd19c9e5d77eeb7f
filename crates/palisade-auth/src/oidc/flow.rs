//! One sign-in under way: state, nonce and code verifier, sealed into a cookie of the browser that began it.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use palisade_core::random;
use palisade_core::time::UnixTime;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::error::OidcError;
use super::seal::{Purpose, SealKeys};
use crate::digest::{Digest, same_digest, sha256};
use crate::form::only;
use crate::jwt::parse::encode;
use crate::session::cookie::{self, Transport};

/// The sign-ins that a browser may have under way, in as many tabs. A page of somebody else can begin some; its headers
/// stay small all the same.
const AT_ONCE: usize = 4;

/// The start of the names of the cookies.
const PREFIX: &str = "sign-in-";

/// 10 minutes.
pub(super) const LIFETIME: Duration = Duration::from_secs(10 * 60);

/// The way in which a provider answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum ResponseMode {
    /// In the query of the callback.
    #[default]
    Query,
    /// In a form that the browser posts to it.
    FormPost,
}

/// The seal of the sign-ins of one client at one provider.
pub(super) struct Flows {
    keys: Arc<SealKeys>,
    transport: Transport,
    mode: ResponseMode,
    /// Cookies of another provider or client do not open.
    registration: Arc<str>,
}

impl Flows {
    /// The redirect URI says whether cookies may travel over plain http, which it does for this machine alone.
    pub(super) fn new(
        keys: Arc<SealKeys>,
        registration: Arc<str>,
        redirect_uri: &str,
        mode: ResponseMode,
    ) -> Self {
        let transport = match redirect_uri.starts_with("https:") {
            true => Transport::Secure,
            false => Transport::Plain,
        };
        Self {
            keys,
            transport,
            mode,
            registration,
        }
    }

    /// The sign-in of this browser that has this state.
    pub(super) fn open(
        &self,
        state: &str,
        request: &HeaderMap,
        now: UnixTime,
    ) -> Result<Flow, OidcError> {
        let unknown = OidcError::StateUnknown;
        let name = self.cookie_name(state);
        let sealed = cookie::find(request, &name).map_err(|_| unknown)?;
        let label = self.label(&name);
        let text = self
            .keys
            .open(Purpose::Cookie, &label, sealed.ok_or(unknown)?);
        let flow: Flow = serde_json::from_str(&text.ok_or(unknown)?).map_err(|_| unknown)?;
        if !same_digest(&sha256(state.as_bytes()), &flow.id()) || now >= flow.ends_at() {
            return Err(unknown);
        }
        Ok(flow)
    }

    /// The cookie of a sign-in, and the removal of all others where there are many.
    pub(super) fn cookies(
        &self,
        flow: &Flow,
        request: &HeaderMap,
    ) -> Result<Vec<HeaderValue>, OidcError> {
        let name = self.cookie_name(&flow.state);
        let text = serde_json::to_string(flow).map(Zeroizing::new);
        let text = text.map_err(|_| OidcError::Unavailable)?;
        let sealed = self.keys.seal(Purpose::Cookie, &self.label(&name), &text);
        let set = |sealed: String| self.set(&name, &sealed, LIFETIME.as_secs());
        let mut cookies = vec![sealed.and_then(set).ok_or(OidcError::Unavailable)?];
        let others = self.names(request);
        if others.len() >= AT_ONCE {
            cookies.extend(others.iter().filter_map(|name| self.without(name)));
        }
        Ok(cookies)
    }

    /// `Set-Cookie` that takes the cookie of a sign-in away.
    pub(super) fn removal(&self, state: &str) -> Option<HeaderValue> {
        self.without(&self.cookie_name(state))
    }

    fn without(&self, name: &str) -> Option<HeaderValue> {
        self.set(name, "", 0)
    }

    fn set(&self, name: &str, value: &str, seconds: u64) -> Option<HeaderValue> {
        match self.mode {
            ResponseMode::Query => cookie::set(name, value, seconds, self.transport),
            // The form is posted by a page of the provider.
            ResponseMode::FormPost => cookie::set_for_all_sites(name, value, seconds),
        }
    }

    pub(super) const fn mode(&self) -> ResponseMode {
        self.mode
    }

    /// By the state, so that several sign-ins can be under way.
    fn cookie_name(&self, state: &str) -> String {
        let digest = encode(sha256(state.as_bytes()));
        let short = digest.get(..12).unwrap_or_default();
        self.transport.cookie_name(&format!("{PREFIX}{short}"))
    }

    fn label(&self, name: &str) -> String {
        format!("{name}:{}", self.registration)
    }

    /// The names of the cookies of sign-ins that a request came with.
    fn names(&self, request: &HeaderMap) -> Vec<String> {
        let start = self.transport.cookie_name(PREFIX);
        let lines = request.get_all(header::COOKIE).iter();
        let lines = lines.filter_map(|line| line.to_str().ok());
        let names = lines
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| Some(pair.trim().split_once('=')?.0))
            .filter(|name| name.starts_with(&start));
        names.map(str::to_owned).collect()
    }
}

/// The state that a browser keeps, and cannot read.
#[derive(Serialize, Deserialize)]
pub(super) struct Flow {
    state: String,
    nonce: String,
    verifier: String,
    return_to: String,
    began_at: u64,
    /// The session that the browser had, whose cookie does not come with a form of another site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<String>,
}

impl Flow {
    pub(super) fn new(return_to: &str, now: UnixTime) -> Result<Self, OidcError> {
        let random = || match random::bytes::<32>() {
            Ok(bytes) => Ok(encode(bytes)),
            Err(_) => Err(OidcError::Unavailable),
        };
        Ok(Self {
            state: random()?,
            nonce: random()?,
            verifier: random()?,
            return_to: return_to.to_owned(),
            began_at: now.as_secs(),
            before: None,
        })
    }

    #[cfg(feature = "axum")]
    pub(super) fn with_before(self, before: Option<String>) -> Self {
        let mut flow = self;
        flow.before = before;
        flow
    }

    #[cfg(feature = "axum")]
    pub(super) fn before(&self) -> Option<&str> {
        self.before.as_deref()
    }

    pub(super) fn state(&self) -> &str {
        &self.state
    }

    /// The name of the state among those that were used.
    pub(super) fn id(&self) -> Digest {
        sha256(self.state.as_bytes())
    }

    pub(super) fn nonce(&self) -> &str {
        &self.nonce
    }

    pub(super) fn verifier(&self) -> &str {
        &self.verifier
    }

    /// `S256` (RFC 7636, section 4.2).
    pub(super) fn challenge(&self) -> String {
        encode(sha256(self.verifier.as_bytes()))
    }

    pub(super) fn return_to(&self) -> &str {
        &self.return_to
    }

    pub(super) const fn began_at(&self) -> UnixTime {
        UnixTime::from_secs(self.began_at)
    }

    pub(super) const fn ends_at(&self) -> UnixTime {
        self.began_at().saturating_add(LIFETIME)
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.verifier.zeroize();
    }
}

/// The parameters that the provider sent the browser back with.
pub(super) struct Callback {
    state: String,
    code: Option<String>,
    error: Option<String>,
    issuer: Option<String>,
}

impl Callback {
    pub(super) fn parse(query: &str) -> Result<Self, OidcError> {
        let member = |name| only(query, name).map_err(|_| OidcError::Malformed);
        let state = member("state")?.filter(|state| !state.is_empty());
        Ok(Self {
            state: state.ok_or(OidcError::Malformed)?,
            code: member("code")?,
            error: member("error")?,
            issuer: member("iss")?,
        })
    }

    pub(super) fn state(&self) -> &str {
        &self.state
    }

    /// The code, from this issuer and no other (RFC 9207, section 2.4).
    pub(super) fn code(&self, issuer: &str, names_itself: NamesItself) -> Result<&str, OidcError> {
        match (&self.issuer, names_itself) {
            (Some(named), _) if named != issuer => return Err(OidcError::WrongIssuer),
            (None, NamesItself::Always) => return Err(OidcError::WrongIssuer),
            _ => {}
        }
        match (self.error.as_deref(), &self.code) {
            (Some("access_denied"), _) => Err(OidcError::Declined),
            (Some("server_error" | "temporarily_unavailable"), _) => Err(OidcError::Unavailable),
            (Some("unauthorized_client" | "invalid_scope"), _) => Err(OidcError::ClientRefused),
            (Some(_), _) => Err(OidcError::ProviderRefused),
            (None, Some(code)) if !code.is_empty() => Ok(code),
            (None, _) => Err(OidcError::Malformed),
        }
    }
}

/// Whether a provider says that its responses name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NamesItself {
    Always,
    Perhaps,
}
