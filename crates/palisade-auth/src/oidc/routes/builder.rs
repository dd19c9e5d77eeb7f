use std::fmt;
use std::sync::Arc;

use http::Uri;
use palisade_core::{Principal, Problems};

use super::super::{Identity, LinkAccounts, Oidc};
use super::accounts::{Accounts, Adapt};
use super::kept::SignIns;
use super::{Inner, SignInRoutes};
use crate::jwt::trusted::name_problem;
use crate::oidc::return_to::is_local;
use crate::{AuthError, SessionStore};

/// Collects the settings of [`SignInRoutes`].
pub struct SignInRoutesBuilder {
    oidc: Oidc,
    sessions: SessionStore,
    accounts: Option<Accounts>,
    adapt: Option<Adapt>,
    signed_out_at: Option<Box<str>>,
    failed_at: Option<Box<str>>,
}

impl SignInRoutes {
    /// Starts with a provider, and the sessions that sign-ins begin.
    #[must_use]
    pub fn builder(oidc: Oidc, sessions: impl Into<SessionStore>) -> SignInRoutesBuilder {
        SignInRoutesBuilder {
            oidc,
            sessions: sessions.into(),
            accounts: None,
            adapt: None,
            signed_out_at: None,
            failed_at: None,
        }
    }
}

impl SignInRoutesBuilder {
    /// Signs in to accounts of the application's own, by [`account_of`](crate::oidc::account_of): the principal is (`issuer`, account). `issuer` is a
    /// name for the application itself, such as `bookings`.
    #[must_use]
    pub fn accounts(mut self, issuer: &str, accounts: impl LinkAccounts) -> Self {
        self.accounts = Some(Accounts::new(issuer, accounts));
        self
    }

    /// Completes the principal from what the provider says, such as roles. It must leave issuer and subject as they are, by
    /// which sessions are ended.
    #[must_use]
    pub fn adapt(
        mut self,
        adapt: impl Fn(Principal, &Identity) -> Principal + Send + Sync + 'static,
    ) -> Self {
        self.adapt = Some(Arc::new(adapt));
        self
    }

    /// Sets the whole address where browsers come back to from the provider's logout, registered there; default none, and
    /// `/` where the provider has no logout.
    #[must_use]
    pub fn signed_out_at(mut self, url: &str) -> Self {
        self.signed_out_at = Some(url.into());
        self
    }

    /// Sets the path of a page of this site for sign-ins that fail, which is told `?error=` `restart`, `declined`, `refused`
    /// or `unavailable`; default an answer in the common format of errors.
    #[must_use]
    pub fn failed_at(mut self, path: &str) -> Self {
        self.failed_at = Some(path.into());
        self
    }

    /// The routes.
    ///
    /// # Errors
    ///
    /// Returns every setting that cannot be used: an address after the logout that is neither `https` nor on this machine, a
    /// path of failures that is none or has a query, a name of accounts that is empty or reserved, sessions in memory with
    /// sign-ins in Redis.
    pub fn build(self) -> Result<SignInRoutes, AuthError> {
        let mut problems = Problems::none();
        let is_url = |url: &str| url.parse::<Uri>().is_ok() && crate::jwt::is_trusted(url);
        if self
            .signed_out_at
            .as_deref()
            .is_some_and(|url| !is_url(url))
        {
            problems.push("signed_out_at", "is not an https URL");
        }
        let is_path = |path: &str| is_local(path) && !path.contains(['?', '#']);
        if self.failed_at.as_deref().is_some_and(|path| !is_path(path)) {
            problems.push("failed_at", "is not a path of this site without a query");
        }
        let name = self.accounts.as_ref().map(|accounts| &*accounts.name);
        if let Some(reason) = name.and_then(name_problem) {
            problems.push("accounts", reason);
        }
        if name == Some(self.oidc.issuer()) {
            problems.push(
                "accounts",
                "have the name of the provider, whose subjects are others",
            );
        }
        let sign_ins = SignIns::of(&self.oidc);
        if sign_ins.are_shared() && !self.sessions.is_shared() {
            problems.push(
                "sessions",
                "are those of one process, while its sign-ins are shared; use `RedisSessions`",
            );
        }
        Ok(problems.into_result(SignInRoutes(Arc::new(Inner {
            oidc: self.oidc,
            sessions: self.sessions,
            sign_ins,
            accounts: self.accounts,
            adapt: self.adapt,
            signed_out_at: self.signed_out_at,
            failed_at: self.failed_at,
        })))?)
    }
}

impl fmt::Debug for SignInRoutesBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInRoutesBuilder")
            .field("oidc", &self.oidc)
            .finish_non_exhaustive()
    }
}
