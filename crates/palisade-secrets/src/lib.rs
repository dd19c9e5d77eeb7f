#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod answer;
mod bearer;
mod builder;
mod cache;
mod counters;
mod database;
mod environment;
mod error;
pub mod generate;
mod layer;
mod policy;
pub mod provider;
mod secret;
mod secrets;
mod typed;
mod watch;

#[cfg(feature = "reqwest")]
pub use bearer::ReplayReqwest;
pub use bearer::{Bearer, BearerLayer, Once, Outbound, Repeat, Replay, ResponseFuture};
pub use builder::SecretsBuilder;
#[cfg(feature = "metrics")]
pub use counters::FAILURES_TOTAL;
pub use database::Database;
pub use environment::{Environment, flag};
pub use error::{Error, ProviderError};
pub use layer::{SecretsLayer, SecretsService};
pub use policy::Rule;
#[cfg(feature = "aws")]
pub use provider::AwsSecretsManager;
#[cfg(feature = "vault")]
pub use provider::Vault;
pub use provider::{EnvVars, Fetched, MountedDirectory, Provider, Stage};
pub use secrecy::{ExposeSecret, SecretString};
pub use secret::{Pair, Secret};
pub use secrets::{Access, Secrets};
pub use watch::Watch;

/// The guides of this repository, so that their code is compiled and run.
#[cfg(doctest)]
mod guides {
    #[doc = include_str!("../../../docs/guides/where-secrets-come-from.md")]
    struct WhereSecretsComeFrom;
}
