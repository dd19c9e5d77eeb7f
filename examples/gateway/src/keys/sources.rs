use palisade::Problems;
#[cfg(feature = "aws")]
use palisade::secrets::AwsSecretsManager;
use palisade::secrets::{EnvVars, Environment, Error, Secrets, SecretsBuilder};

use super::kept::KeptKeys;
use crate::settings::Settings;

/// The sources of secrets in their order: variables and the files that they name, AWS Secrets Manager, Vault, and in
/// development the data directory, where missing ones are made.
///
/// # Errors
///
/// Settings of AWS that are not valid.
pub(super) async fn sources(settings: &Settings) -> Result<SecretsBuilder, Problems> {
    let mut builder = Secrets::builder(settings.environment)
        .ttl(settings.secrets.ttl)
        .provider(EnvVars::new().file_suffix("_FILE"));
    #[cfg(feature = "aws")]
    if settings.secrets.aws {
        let aws = AwsSecretsManager::from_env().await.map_err(problems_of)?;
        builder = builder.provider(aws);
    }
    if let Some(vault) = &settings.secrets.vault {
        builder = builder.provider(vault.clone());
    }
    Ok(builder.provider_if(
        settings.environment == Environment::Development,
        KeptKeys::in_folder(settings.data_dir.join("keys")),
    ))
}

/// Whether any source has a secret.
///
/// # Errors
///
/// A source that could not say.
pub(super) async fn has(secrets: &Secrets, name: &str) -> Result<bool, Problems> {
    match secrets.secret(name).await {
        Ok(_) => Ok(true),
        Err(Error::Missing { .. }) => Ok(false),
        Err(error) => Err(problems_of(error)),
    }
}

/// Every problem of an error, by the name of its variable where there is one.
pub(super) fn problems_of(error: Error) -> Problems {
    match error {
        Error::Refused(problems) => problems,
        other => Problems::one("secrets", other.to_string()),
    }
}
