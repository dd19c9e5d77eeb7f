//! The provider for Vault and OpenBao against a server in this process.

#![cfg(feature = "vault")]
#![allow(missing_docs, reason = "tests")]

mod clock;
mod kv;
mod leases;
mod login;
mod rusty_vault;
mod stand_in;
mod start;
mod wire;

impl stand_in::StandIn {
    /// A provider that logs in by AppRole.
    pub(crate) fn vault(&self) -> palisade_secrets::Vault {
        palisade_secrets::Vault::new(&self.url)
            .unwrap()
            .app_role("the-role-id", "the-secret-id")
    }
}
