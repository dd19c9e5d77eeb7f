use std::fmt;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use palisade_core::{Name, Problems};

use super::{Fetched, Provider, Stage};
use crate::{Error, ProviderError, Secret};

/// AWS Secrets Manager, through the official SDK.
///
/// It asks for stages by name (`AWSCURRENT`, `AWSPREVIOUS`, `AWSPENDING`), and takes a secret or a stage that is not
/// found for absent. An attempt may take 5 seconds; the SDK makes up to three.
///
/// # Example
///
/// ```no_run
/// # async fn example() -> Result<(), palisade_secrets::Error> {
/// use palisade_secrets::{AwsSecretsManager, EnvVars, Environment, Secrets, flag};
///
/// let secrets = Secrets::builder(Environment::Production)
///     .provider(EnvVars::default())
///     .provider_if(flag("USE_AWS_SECRETS")?, AwsSecretsManager::from_env().await?)
///     .build()
///     .await?;
/// # let _ = secrets;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct AwsSecretsManager {
    client: Client,
    prefix: Box<str>,
}

impl AwsSecretsManager {
    /// Follows the environment: `AWS_REGION` (default `us-east-1`), `AWS_ENDPOINT_URL`, and credentials wherever the SDK
    /// finds them. Nothing is asked for until the first secret is.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] when `AWS_REGION` is empty or not UTF-8.
    pub async fn from_env() -> Result<Self, Error> {
        let region = match std::env::var_os("AWS_REGION").map(std::ffi::OsString::into_string) {
            None => "us-east-1".to_owned(),
            Some(Ok(region)) if !region.is_empty() => region,
            Some(_) => {
                let problem = Problems::one("AWS_REGION", "is empty or not UTF-8");
                return Err(Error::Refused(problem));
            }
        };
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(region))
            .http_client(http)
            .timeout_config(timeouts())
            .load()
            .await;
        Ok(Self::from_client(Client::new(&config)))
    }

    /// Through a client of yours, with its own region, credentials and times.
    #[must_use]
    pub fn from_client(client: Client) -> Self {
        Self {
            client,
            prefix: Box::default(),
        }
    }

    /// Sets what stands before every name in the store, such as `prod/bookings/`; default nothing.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.into();
        self
    }
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(Duration::from_secs(5))
        .build()
}

impl Provider for AwsSecretsManager {
    fn name(&self) -> Name {
        Name::from_static("aws")
    }

    async fn fetch(&self, name: &str, stage: Stage) -> Result<Option<Fetched>, ProviderError> {
        let asked = self
            .client
            .get_secret_value()
            .secret_id(format!("{}{name}", self.prefix))
            .version_stage(match stage {
                Stage::Current => "AWSCURRENT",
                Stage::Previous => "AWSPREVIOUS",
                Stage::Pending => "AWSPENDING",
            });
        let answer = match asked.send().await {
            Ok(answer) => answer,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(failure(&error)),
        };
        let Some(value) = answer.secret_string else {
            return Err(ProviderError::new("the secret is binary, not text"));
        };
        let secret = Secret::new(value);
        Ok(Some(Fetched::new(match &answer.version_id {
            Some(version) => secret.version(version),
            None => secret,
        })))
    }
}

fn is_absent(error: &SdkError<GetSecretValueError>) -> bool {
    error
        .as_service_error()
        .is_some_and(GetSecretValueError::is_resource_not_found_exception)
}

/// The code of an error, or its kind; the messages of the SDK quote what was sent and received.
fn failure(error: &SdkError<GetSecretValueError>) -> ProviderError {
    ProviderError::new(match error {
        SdkError::ConstructionFailure(_) => {
            "the request could not be made, often for want of credentials".to_owned()
        }
        SdkError::TimeoutError(_) => "timed out".to_owned(),
        SdkError::DispatchFailure(_) => "could not be reached".to_owned(),
        SdkError::ServiceError(error) => match error.err().code() {
            Some(code) => format!("refused: {code}"),
            None => format!("refused: status {}", error.raw().status()),
        },
        _ => "answered what cannot be read".to_owned(),
    })
}

impl fmt::Debug for AwsSecretsManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsSecretsManager")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}
