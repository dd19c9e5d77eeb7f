//! The link between an identity at a provider and an account of the application.

use super::{Identity, OidcError};

/// The accounts of an application, by what identities they are linked to.
///
/// Rules that hold whatever the implementation: an identity is (issuer, subject); an e-mail address links only where the
/// provider has verified it for the identity and the application has verified it for the account. Otherwise whoever signs
/// up anywhere with another's address would get the other's account (NIST SP 800-63C-4, section 3.8).
///
/// # Example
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
/// use palisade_auth::oidc::{EmailAccount, Identity, LinkAccounts, OidcError};
///
/// /// Accounts by identity; everybody gets one.
/// #[derive(Default)]
/// struct Accounts(Mutex<HashMap<(String, String), String>>);
///
/// impl LinkAccounts for Accounts {
///     async fn of_identity(&self, issuer: &str, subject: &str) -> Result<Option<String>, OidcError> {
///         let known = self.0.lock().map_err(|_| OidcError::Unavailable)?;
///         Ok(known.get(&(issuer.to_owned(), subject.to_owned())).cloned())
///     }
///     async fn of_email(&self, _email: &str) -> Result<Option<EmailAccount>, OidcError> {
///         Ok(None)
///     }
///     async fn link(&self, account: &str, identity: &Identity) -> Result<(), OidcError> {
///         let name = (identity.issuer().to_owned(), identity.subject().to_owned());
///         let mut known = self.0.lock().map_err(|_| OidcError::Unavailable)?;
///         known.insert(name, account.to_owned());
///         Ok(())
///     }
///     async fn create(&self, _identity: &Identity) -> Result<Option<String>, OidcError> {
///         let known = self.0.lock().map_err(|_| OidcError::Unavailable)?;
///         Ok(Some(format!("account-{}", known.len() + 1)))
///     }
/// }
/// ```
pub trait LinkAccounts: Send + Sync + 'static {
    /// The account that this identity is linked to.
    fn of_identity(
        &self,
        issuer: &str,
        subject: &str,
    ) -> impl Future<Output = Result<Option<String>, OidcError>> + Send;

    /// The account with this e-mail address, which the provider has verified. Compare as the accounts do that can be signed
    /// in to by it.
    fn of_email(
        &self,
        email: &str,
    ) -> impl Future<Output = Result<Option<EmailAccount>, OidcError>> + Send;

    /// Links an identity to an account, for ever. Must fail where the identity has been linked to another account since.
    fn link(
        &self,
        account: &str,
        identity: &Identity,
    ) -> impl Future<Output = Result<(), OidcError>> + Send;

    /// Makes an account for an identity that has none, or says that there shall be none. The identity is linked to it
    /// afterwards. Give the account its [verified](Identity::verified_email) address alone.
    fn create(
        &self,
        identity: &Identity,
    ) -> impl Future<Output = Result<Option<String>, OidcError>> + Send;
}

/// The account with an e-mail address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmailAccount {
    /// The application knows that the address is the account owner's.
    Verified(String),
    /// Somebody wrote the address when the account was made.
    Unverified,
}

/// The account of an identity: the one that it is linked to, else the one with its e-mail address where both sides have
/// verified that, else a new one.
///
/// # Errors
///
/// [`OidcError::NoAccount`] where none is to be made, and whatever the accounts fail with.
///
/// # Cancel safety
///
/// Dropped, an account may have been made that is linked to nothing.
pub async fn account_of(
    identity: &Identity,
    accounts: &impl LinkAccounts,
) -> Result<String, OidcError> {
    let (issuer, subject) = (identity.issuer(), identity.subject());
    if let Some(account) = accounts.of_identity(issuer, subject).await? {
        return Ok(account);
    }
    let by_email = match identity.verified_email() {
        Some(email) => accounts.of_email(email).await?,
        None => None,
    };
    let account = match by_email {
        Some(EmailAccount::Verified(account)) => account,
        Some(EmailAccount::Unverified) | None => {
            let created = accounts.create(identity).await?;
            created.ok_or(OidcError::NoAccount)?
        }
    };
    accounts.link(&account, identity).await?;
    Ok(account)
}
