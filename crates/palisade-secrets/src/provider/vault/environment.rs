use palisade_core::Problems;

use super::wire::Server;
use super::{Vault, default_client};
use crate::Error;

impl Vault {
    /// Follows the environment, by the variables of Vault's own tools: `VAULT_ADDR`, `VAULT_TOKEN`, `VAULT_NAMESPACE`
    /// and `VAULT_CACERT`, a file with root certificates in PEM. Without `VAULT_TOKEN` it logs in by AppRole if
    /// `VAULT_ROLE_ID` and `VAULT_SECRET_ID` are set, or as a service account of Kubernetes if `VAULT_KUBERNETES_ROLE`
    /// is.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with every variable that is missing, not UTF-8 or no good.
    pub fn from_env() -> Result<Self, Error> {
        // What is not UTF-8 must not pass for a variable that is not set.
        Self::from_vars(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into()))
    }

    /// The same with variables of yours: `read` gives the value of a name.
    ///
    /// # Errors
    ///
    /// As [`from_env`](Self::from_env).
    pub fn from_vars(read: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let mut problems = Problems::none();
        let read = |name: &str| read(name).filter(|value| !value.is_empty());
        let mut client = default_client();
        if let Some(file) = read("VAULT_CACERT") {
            match std::fs::read(&file) {
                Ok(pem) => client = client.add_root_certificates(pem),
                Err(error) => {
                    problems.push("VAULT_CACERT", format!("cannot be read: {}", error.kind()));
                }
            }
        }
        if read("VAULT_ROLE_ID").is_some() != read("VAULT_SECRET_ID").is_some() {
            problems.push(
                "VAULT_ROLE_ID",
                "needs VAULT_SECRET_ID, and VAULT_SECRET_ID needs it",
            );
        }
        let server = match read("VAULT_ADDR") {
            None => Err(Error::Refused(Problems::one("VAULT_ADDR", "is missing"))),
            Some(address) => Server::new(&address, client.build()),
        };
        let server = match server {
            Ok(server) if problems.is_empty() => server,
            Ok(_) => return Err(Error::Refused(problems)),
            Err(Error::Refused(others)) => {
                problems.append("", others);
                return Err(Error::Refused(problems));
            }
            Err(other) => return Err(other),
        };
        let mut vault = Self::at(server);
        if let Some(namespace) = read("VAULT_NAMESPACE") {
            vault = vault.namespace(&namespace);
        }
        let app_role = read("VAULT_ROLE_ID").zip(read("VAULT_SECRET_ID"));
        Ok(
            match (read("VAULT_TOKEN"), app_role, read("VAULT_KUBERNETES_ROLE")) {
                (Some(token), ..) => vault.token(token),
                (None, Some((role_id, secret_id)), _) => vault.app_role(role_id, secret_id),
                (None, None, Some(role)) => vault.kubernetes(role),
                (None, None, None) => vault,
            },
        )
    }
}
