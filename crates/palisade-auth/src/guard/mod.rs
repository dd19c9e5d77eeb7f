mod error;
mod filter;
mod sign_in;
mod step_up;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request};
use palisade_core::time::WallClock;
use palisade_core::{Code, Handle, Principal, PrincipalKind, Rejection, RequestScope, sent_path};

use self::error::GuardError;
pub use self::filter::Guarded;
pub use self::step_up::RequireAuthentication;
use crate::challenge::{Anonymous, Offered, without_challenge};
use crate::counters::Counters;
use crate::scope::is_scope;
use crate::{Refusal, Roles};

/// Lets only some principals pass: made by [`RequireScope`], [`RequireRole`], [`RequirePermission`],
/// [`RequireService`] or [`authenticated`](Self::authenticated).
///
/// It stands inside an [`AuthLayer`](crate::AuthLayer). Where none ran before it, it refuses with 500 and says so in
/// the log, because a route that somebody wanted guarded must not be open by mistake.
#[derive(Clone)]
pub struct Guard(Option<Handle<Config>>);

struct Config {
    rule: Rule,
    refusal: Refusal,
    error: Option<GuardError>,
    counters: Counters,
}

type Names = Box<[Box<str>]>;
type Check = Arc<dyn Fn(&Principal) -> bool + Send + Sync>;
type Policy = Arc<dyn Fn(&Principal, &Method, &str) -> bool + Send + Sync>;

enum Rule {
    Authenticated,
    AllScopes(Names),
    AnyScope(Names),
    AnyRole(Names),
    AllPermissions(Names),
    AnyPermission(Names),
    AnyService,
    Services(Box<str>, Names),
    Check(Check),
    Policy(Policy),
    AnyAcr(Names),
    SignedInWithin(Duration, WallClock),
}

impl Rule {
    fn allows<B>(&self, principal: &Principal, request: &Request<B>) -> bool {
        match self {
            Self::Authenticated => true,
            Self::AllScopes(names) => {
                !names.is_empty() && names.iter().all(|name| principal.has_scope(name))
            }
            Self::AnyScope(names) => names.iter().any(|name| principal.has_scope(name)),
            Self::AnyRole(names) => names.iter().any(|name| principal.has_role(name)),
            Self::AllPermissions(names) => {
                !names.is_empty() && names.iter().all(|name| principal.has_permission(name))
            }
            Self::AnyPermission(names) => names.iter().any(|name| principal.has_permission(name)),
            Self::AnyService => principal.kind() == PrincipalKind::Service,
            Self::Services(issuer, names) => {
                principal.kind() == PrincipalKind::Service
                    && **issuer == *principal.issuer()
                    && names.iter().any(|name| **name == *principal.subject())
            }
            Self::Check(check) => check(principal),
            Self::Policy(policy) => {
                let method = match request.method() {
                    &Method::HEAD => &Method::GET,
                    method => method,
                };
                policy(
                    principal,
                    method,
                    sent_path(request.extensions(), request.uri()),
                )
            }
            Self::AnyAcr(values) => sign_in::has_acr(principal, values),
            Self::SignedInWithin(age, clock) => sign_in::signed_in_within(principal, *age, clock),
        }
    }
}

/// The names that a guard asks for. One that asks for none is a mistake, and lets nobody pass.
fn names<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Names {
    let names: Names = texts.into_iter().map(|text| text.as_ref().into()).collect();
    if names.is_empty() {
        tracing::error!(target: "palisade_auth", "a guard asks for nothing, and lets nobody pass");
    }
    names
}

impl Guard {
    fn of(rule: Rule, refusal: Refusal) -> Self {
        Self(Some(Handle::new(Config {
            rule,
            refusal,
            error: None,
            counters: Counters::default(),
        })))
    }

    /// Lets every principal pass, and nobody without one: for routes inside a layer that is optional.
    #[must_use]
    pub fn authenticated() -> Self {
        Self::of(Rule::Authenticated, Refusal::WrongKind)
    }

    /// Lets pass whom `check` lets pass; the others get 403.
    #[must_use]
    pub fn check(check: impl Fn(&Principal) -> bool + Send + Sync + 'static) -> Self {
        Self::of(
            Rule::Check(Arc::new(check)),
            Refusal::InsufficientPermission,
        )
    }

    /// Lets pass whom a policy lets pass, by who asks, for what and about what: the principal, the method (`GET` for a
    /// `HEAD`) and the path as the client sent it; the others get 403.
    ///
    /// The place for an engine such as Casbin or Cedar, which is asked on every request and so must answer from memory. One
    /// that fails must say `false`. The repository has an example with Cedar, `examples/cedar-policy`.
    ///
    /// # Example
    ///
    /// ```
    /// use palisade_auth::Guard;
    ///
    /// // Everybody may see his own page, and admins may do everything.
    /// let guard = Guard::policy(|principal, method, path| {
    ///     principal.has_role("admin")
    ///         || (method == http::Method::GET && path.strip_prefix("/users/") == Some(principal.subject()))
    /// });
    /// ```
    #[must_use]
    pub fn policy(
        policy: impl Fn(&Principal, &Method, &str) -> bool + Send + Sync + 'static,
    ) -> Self {
        let rule = Rule::Policy(Arc::new(policy));
        Self::of(rule, Refusal::InsufficientPermission)
    }

    /// A guard of the same type that lets everybody pass.
    #[must_use]
    pub const fn off() -> Self {
        Self(None)
    }

    /// Keeps the configuration for the rest of the process; see [`Handle::leak`].
    #[must_use]
    pub fn leak(self) -> Self {
        Self(self.0.map(Handle::leak))
    }
}

/// Guards by OAuth 2 scopes (RFC 6749, section 3.3): 403 `insufficient_scope` otherwise.
///
/// # Example
///
/// ```
/// use palisade_auth::RequireScope;
///
/// let writers = RequireScope::all(["write"]);
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RequireScope;

impl RequireScope {
    /// Asks for all of these. An empty list lets nobody pass.
    ///
    /// A text with a space in it is no scope, so nobody has it.
    #[must_use]
    pub fn all<T: AsRef<str>>(scopes: impl IntoIterator<Item = T>) -> Guard {
        Self::guard(names(scopes), Rule::AllScopes)
    }

    /// Asks for one of these.
    #[must_use]
    pub fn any<T: AsRef<str>>(scopes: impl IntoIterator<Item = T>) -> Guard {
        Self::guard(names(scopes), Rule::AnyScope)
    }

    fn guard(names: Names, rule: fn(Names) -> Rule) -> Guard {
        // What could break out of the quotes is no scope, and is not named.
        let wanted = match names.iter().all(|name| is_scope(name)) {
            true => format!(", scope=\"{}\"", names.join(" ")),
            false => String::new(),
        };
        let error = GuardError::new(format!("error=\"insufficient_scope\"{wanted}"));
        Guard(Some(Handle::new(Config {
            rule: rule(names),
            refusal: Refusal::InsufficientScope,
            error: Some(error),
            counters: Counters::default(),
        })))
    }
}

/// Guards by roles: 403 otherwise.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RequireRole;

impl RequireRole {
    /// Asks for this role, or one that includes it.
    ///
    /// A role that is not in the hierarchy is asked for exactly, and a warning is logged.
    #[must_use]
    pub fn at_least(role: &str, roles: &Roles) -> Guard {
        Self::any(roles.holders(role))
    }

    /// Asks for exactly one of these.
    #[must_use]
    pub fn any<T: AsRef<str>>(roles: impl IntoIterator<Item = T>) -> Guard {
        Guard::of(Rule::AnyRole(names(roles)), Refusal::InsufficientRole)
    }
}

/// Guards by permissions: 403 otherwise.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RequirePermission;

impl RequirePermission {
    /// Asks for all of these. An empty list lets nobody pass.
    #[must_use]
    pub fn all<T: AsRef<str>>(permissions: impl IntoIterator<Item = T>) -> Guard {
        let rule = Rule::AllPermissions(names(permissions));
        Guard::of(rule, Refusal::InsufficientPermission)
    }

    /// Asks for one of these.
    #[must_use]
    pub fn any<T: AsRef<str>>(permissions: impl IntoIterator<Item = T>) -> Guard {
        let rule = Rule::AnyPermission(names(permissions));
        Guard::of(rule, Refusal::InsufficientPermission)
    }
}

/// Lets services pass, and no users: 403 otherwise.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RequireService;

impl RequireService {
    /// Asks for any service: one with a static token or an API key, or one that an issuer
    /// [may name](crate::Issuer::may_name_services).
    #[must_use]
    pub fn any() -> Guard {
        Guard::of(Rule::AnyService, Refusal::WrongKind)
    }

    /// Asks for one of these services that have [static tokens](crate::ServiceToken), by name.
    #[must_use]
    pub fn named<T: AsRef<str>>(services: impl IntoIterator<Item = T>) -> Guard {
        Self::of(crate::service_token::ISSUER, services)
    }

    /// Asks for one of these services of this issuer, by subject. Who the issuer is matters: another one may use the
    /// same subject for something else. API keys have the issuer `api-key`.
    #[must_use]
    pub fn of<T: AsRef<str>>(issuer: &str, services: impl IntoIterator<Item = T>) -> Guard {
        let rule = Rule::Services(issuer.into(), names(services));
        Guard::of(rule, Refusal::WrongKind)
    }
}

impl Config {
    /// The refusal, and about whom it is, unless the request may pass.
    fn decide<B>(
        &self,
        scope: Option<&RequestScope>,
        request: &Request<B>,
    ) -> Result<(), (Refusal, Option<Arc<Principal>>)> {
        match scope.and_then(RequestScope::principal) {
            Some(principal) if self.rule.allows(&principal, request) => Ok(()),
            Some(principal) => Err((self.refusal, Some(principal))),
            None if request.extensions().get::<Anonymous>().is_some() => {
                Err((Refusal::NoCredential, None))
            }
            None => Err((Refusal::LayerMissing, None)),
        }
    }

    fn rejection<Rq>(&self, request: &Request<Rq>, refusal: Refusal) -> Rejection {
        let code = match refusal {
            Refusal::InsufficientScope => Code::Authorization,
            Refusal::InsufficientAuthentication => Code::Authentication,
            _ => {
                return match request.extensions().get::<Anonymous>() {
                    Some(anonymous) if refusal == Refusal::NoCredential => anonymous.rejection(),
                    _ => without_challenge(refusal),
                };
            }
        };
        match &self.error {
            Some(error) => error.rejection(code, request.extensions().get::<Offered>()),
            None => without_challenge(refusal),
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(config) => config.fmt(f),
            None => f.write_str("Guard(off)"),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, names): (&str, &[Box<str>]) = match &self.rule {
            Rule::Authenticated => ("authenticated", &[]),
            Rule::AllScopes(names) => ("all scopes", names),
            Rule::AnyScope(names) => ("any scope", names),
            Rule::AnyRole(names) => ("any role", names),
            Rule::AllPermissions(names) => ("all permissions", names),
            Rule::AnyPermission(names) => ("any permission", names),
            Rule::AnyService => ("any service", &[]),
            Rule::Services(_, names) => ("services", names),
            Rule::Check(_) => ("check", &[]),
            Rule::Policy(_) => ("policy", &[]),
            Rule::AnyAcr(values) => ("any acr", values),
            Rule::SignedInWithin(..) => ("signed in within", &[]),
        };
        f.debug_struct("Guard").field(what, &names).finish()
    }
}

#[cfg(test)]
mod tests;
