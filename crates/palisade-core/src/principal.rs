use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::time::UnixTime;
use crate::{Code, Rejection};

/// Whether a principal is a person or a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PrincipalKind {
    /// A person, or a program that acts for one.
    User,
    /// A program that acts for itself.
    Service,
}

impl PrincipalKind {
    /// `user` or `service`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Service => "service",
        }
    }
}

/// The identity of a caller, once it is proved.
///
/// The identity is the pair of issuer and subject: two issuers may use the same subject for different people.
///
/// # Example
///
/// ```
/// use palisade_core::Principal;
///
/// let ada = Principal::user("https://idp.example/", "ada").roles(["admin"]).scopes(["read", "write"]);
/// assert!(ada.has_scope("write") && !ada.has_role("facilitator"));
/// assert!(ada.require_owner("https://idp.example/", "alice").or_role("admin").check().is_ok());
/// ```
#[derive(Clone)]
pub struct Principal {
    kind: PrincipalKind,
    issuer: Box<str>,
    subject: Box<str>,
    roles: Vec<Box<str>>,
    scopes: Vec<Box<str>>,
    permissions: Vec<Box<str>>,
    tenant: Option<Box<str>>,
    session: Option<Box<str>>,
    expires_at: Option<UnixTime>,
    claims: Option<Arc<dyn Any + Send + Sync>>,
}

impl Principal {
    /// A person known to `issuer` as `subject`.
    #[must_use]
    pub fn user(issuer: &str, subject: &str) -> Self {
        Self::new(PrincipalKind::User, issuer, subject)
    }

    /// A program known to `issuer` as `subject`.
    #[must_use]
    pub fn service(issuer: &str, subject: &str) -> Self {
        Self::new(PrincipalKind::Service, issuer, subject)
    }

    fn new(kind: PrincipalKind, issuer: &str, subject: &str) -> Self {
        Self {
            kind,
            issuer: issuer.into(),
            subject: subject.into(),
            roles: Vec::new(),
            scopes: Vec::new(),
            permissions: Vec::new(),
            tenant: None,
            session: None,
            expires_at: None,
            claims: None,
        }
    }

    /// Sets the roles.
    #[must_use]
    pub fn roles<T: AsRef<str>>(mut self, roles: impl IntoIterator<Item = T>) -> Self {
        self.roles = boxed(roles);
        self
    }

    /// Sets the OAuth 2 scopes (RFC 6749, section 3.3).
    #[must_use]
    pub fn scopes<T: AsRef<str>>(mut self, scopes: impl IntoIterator<Item = T>) -> Self {
        self.scopes = boxed(scopes);
        self
    }

    /// Sets the permissions.
    #[must_use]
    pub fn permissions<T: AsRef<str>>(mut self, permissions: impl IntoIterator<Item = T>) -> Self {
        self.permissions = boxed(permissions);
        self
    }

    /// Sets the tenant to which the principal belongs.
    #[must_use]
    pub fn tenant(mut self, tenant: &str) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Sets the id of the session.
    #[must_use]
    pub fn session(mut self, session: &str) -> Self {
        self.session = Some(session.into());
        self
    }

    /// Sets when the credential runs out.
    #[must_use]
    pub fn expires_at(mut self, time: UnixTime) -> Self {
        self.expires_at = Some(time);
        self
    }

    /// Attaches the application's own claims, which [`claims_as`](Self::claims_as) gives back.
    #[must_use]
    pub fn claims<T: Any + Send + Sync>(mut self, claims: T) -> Self {
        self.claims = Some(Arc::new(claims));
        self
    }

    /// Whether this is a person or a program.
    #[must_use]
    pub const fn kind(&self) -> PrincipalKind {
        self.kind
    }

    /// The issuer, which vouches for the subject.
    #[must_use]
    pub const fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The name of the principal with its issuer.
    #[must_use]
    pub const fn subject(&self) -> &str {
        &self.subject
    }

    /// The roles as they were given; a hierarchy is for the authorization layer to apply.
    pub fn role_names(&self) -> impl Iterator<Item = &str> {
        self.roles.iter().map(AsRef::as_ref)
    }

    /// The scopes as they were given.
    pub fn scope_names(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().map(AsRef::as_ref)
    }

    /// The permissions as they were given.
    pub fn permission_names(&self) -> impl Iterator<Item = &str> {
        self.permissions.iter().map(AsRef::as_ref)
    }

    /// Whether the principal was given exactly this role.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.role_names().any(|own| own == role)
    }

    /// Whether the principal was given this scope.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scope_names().any(|own| own == scope)
    }

    /// Whether the principal was given this permission.
    #[must_use]
    pub fn has_permission(&self, permission: &str) -> bool {
        self.permission_names().any(|own| own == permission)
    }

    /// The tenant, if there is one.
    #[must_use]
    pub fn tenant_name(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// The id of the session, if there is one.
    #[must_use]
    pub fn session_id(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// The end of the credential, if it has one.
    #[must_use]
    pub const fn expiry(&self) -> Option<UnixTime> {
        self.expires_at
    }

    /// Whether the application attached claims of its own, of whatever type.
    #[must_use]
    pub const fn has_claims(&self) -> bool {
        self.claims.is_some()
    }

    /// The application's own claims, if they are of this type.
    #[must_use]
    pub fn claims_as<T: Any>(&self) -> Option<&T> {
        self.claims.as_deref()?.downcast_ref()
    }

    /// Asks whether this principal is the one known to `issuer` as `subject`, who owns a resource.
    ///
    /// Keep both with the resource: another issuer may use the same subject for somebody else.
    pub fn require_owner(&self, issuer: &str, subject: &str) -> Ownership<'_> {
        Ownership {
            principal: self,
            granted: *self.issuer == *issuer && *self.subject == *subject,
        }
    }
}

fn boxed<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Vec<Box<str>> {
    texts.into_iter().map(|text| text.as_ref().into()).collect()
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal")
            .field("kind", &self.kind)
            .field("issuer", &self.issuer)
            .field("subject", &self.subject)
            .field("roles", &self.roles)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// Whether a principal may touch a resource, as its owner or for another reason; ask [`check`](Self::check).
#[derive(Debug, Clone, Copy)]
#[must_use = "nothing is refused until `check` is asked"]
pub struct Ownership<'a> {
    principal: &'a Principal,
    granted: bool,
}

impl Ownership<'_> {
    /// Grants to anyone with exactly this role too.
    pub fn or_role(self, role: &str) -> Self {
        let granted = self.granted || self.principal.has_role(role);
        Self { granted, ..self }
    }

    /// Grants for a reason of the caller's too, such as a role reached through a hierarchy.
    pub fn or(self, reason: bool) -> Self {
        Self {
            granted: self.granted || reason,
            ..self
        }
    }

    /// Passes if any reason granted.
    ///
    /// # Errors
    ///
    /// A rejection with [`Code::Authorization`], 403, that does not say whose the resource is.
    pub fn check(self) -> Result<(), Rejection> {
        if self.granted {
            Ok(())
        } else {
            Err(Rejection::new(Code::Authorization))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_or_a_granted_role_passes() {
        let alice = Principal::user("iss", "alice").roles(["user"]);
        assert!(alice.require_owner("iss", "alice").check().is_ok());
        assert!(
            alice
                .require_owner("iss", "bob")
                .or_role("user")
                .check()
                .is_ok()
        );
        assert!(alice.require_owner("iss", "bob").or(true).check().is_ok());
        let refusal = alice
            .require_owner("iss", "bob")
            .or_role("admin")
            .or(false)
            .check()
            .unwrap_err();
        assert_eq!(refusal.code(), Code::Authorization);
    }

    #[test]
    fn the_same_subject_of_another_issuer_is_somebody_else() {
        let alice = Principal::user("iss", "alice");
        assert!(alice.require_owner("other", "alice").check().is_err());
    }

    #[test]
    fn claims_come_back_as_their_own_type() {
        let principal = Principal::user("iss", "alice").claims(7_u32);
        assert_eq!(principal.claims_as::<u32>(), Some(&7));
        assert_eq!(principal.claims_as::<u64>(), None);
        assert!(principal.has_claims());
        assert!(!Principal::user("iss", "alice").has_claims());
    }

    #[test]
    fn a_principal_has_what_it_was_given_and_nothing_else() {
        let alice = Principal::user("iss", "alice")
            .roles(["user", "editor"])
            .scopes(["read"])
            .permissions(["orders:write"])
            .tenant("acme")
            .session("s1")
            .expires_at(UnixTime::from_secs(5));
        assert_eq!(alice.kind(), PrincipalKind::User);
        assert_eq!((alice.issuer(), alice.subject()), ("iss", "alice"));
        let list = |names: &mut dyn Iterator<Item = &str>| names.collect::<Vec<_>>().join(" ");
        assert_eq!(list(&mut alice.role_names()), "user editor");
        assert_eq!(list(&mut alice.scope_names()), "read");
        assert_eq!(list(&mut alice.permission_names()), "orders:write");
        assert!(alice.has_role("editor") && !alice.has_role("admin"));
        assert!(alice.has_scope("read") && !alice.has_scope("write"));
        assert!(alice.has_permission("orders:write") && !alice.has_permission("orders:read"));
        assert_eq!(alice.tenant_name(), Some("acme"));
        assert_eq!(alice.session_id(), Some("s1"));
        assert_eq!(alice.expiry(), Some(UnixTime::from_secs(5)));

        let job = Principal::service("iss", "job");
        assert_eq!(
            (job.kind(), job.kind().as_str()),
            (PrincipalKind::Service, "service")
        );
        assert_eq!(alice.kind().as_str(), "user");
        assert!(!job.has_role("user") && !job.has_scope("read"));
        assert!(!job.has_permission("orders:write"));
        assert_eq!((job.tenant_name(), job.session_id()), (None, None));
        assert_eq!(job.expiry(), None);
    }

    #[test]
    fn debug_output_has_no_session_and_no_claims() {
        let alice = Principal::user("iss", "alice").session("s1").claims("c1");
        let text = format!("{alice:?}");
        assert!(text.contains("alice"), "{text}");
        assert!(!text.contains("s1") && !text.contains("c1"), "{text}");
    }
}
