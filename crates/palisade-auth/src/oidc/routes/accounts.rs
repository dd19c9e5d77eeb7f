//! The accounts of an application, whatever their type.

use std::pin::Pin;
use std::sync::Arc;

use palisade_core::Principal;

use super::super::{Identity, LinkAccounts, OidcError, account_of};

type Later<T> = Pin<Box<dyn Future<Output = Result<T, OidcError>> + Send>>;

/// Completes a principal from what the provider says.
pub(super) type Adapt = Arc<dyn Fn(Principal, &Identity) -> Principal + Send + Sync>;

#[derive(Clone)]
pub(super) struct Accounts {
    pub(super) name: Box<str>,
    /// The account of somebody who signs in.
    pub(super) of: Arc<dyn Fn(Identity) -> Later<String> + Send + Sync>,
    /// The account that an issuer and subject are linked to.
    pub(super) known: Arc<dyn Fn(String, String) -> Later<Option<String>> + Send + Sync>,
}

impl Accounts {
    pub(super) fn new(name: &str, accounts: impl LinkAccounts) -> Self {
        let accounts = Arc::new(accounts);
        let known = Arc::clone(&accounts);
        Self {
            name: name.into(),
            of: Arc::new(move |identity| {
                let accounts = Arc::clone(&accounts);
                Box::pin(async move { account_of(&identity, &*accounts).await })
            }),
            known: Arc::new(move |issuer, subject| {
                let accounts = Arc::clone(&known);
                Box::pin(async move { accounts.of_identity(&issuer, &subject).await })
            }),
        }
    }
}
