use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::places::encoded;
use super::wire::{Server, parsed};
use crate::ProviderError;
use crate::provider::file;

/// The way in which a token is had.
#[derive(Clone)]
pub(super) enum Login {
    None,
    Token(SecretString),
    AppRole {
        mount: Box<str>,
        role_id: String,
        secret_id: SecretString,
    },
    Kubernetes {
        mount: Box<str>,
        role: String,
        token_file: PathBuf,
    },
}

/// A token and its time.
pub(super) struct Granted {
    pub(super) token: SecretString,
    pub(super) time: Duration,
    pub(super) renewable: bool,
}

#[derive(Serialize)]
struct AppRoleLogin<'a> {
    role_id: &'a str,
    secret_id: &'a str,
}

#[derive(Serialize)]
struct KubernetesLogin<'a> {
    role: &'a str,
    jwt: &'a str,
}

/// The part of `auth/token/lookup-self` that counts.
#[derive(Deserialize)]
struct OwnToken {
    /// In seconds; 0 for a token without an end.
    ttl: u64,
    #[serde(default)]
    renewable: bool,
}

impl Login {
    pub(super) fn mount_at(&mut self, at: &str) {
        if let Self::AppRole { mount, .. } | Self::Kubernetes { mount, .. } = self {
            *mount = at.into();
        }
    }

    /// Whether it gives another token when one has ended.
    pub(super) fn is_repeatable(&self) -> bool {
        matches!(self, Self::AppRole { .. } | Self::Kubernetes { .. })
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Token(_) => "token",
            Self::AppRole { .. } => "approle",
            Self::Kubernetes { .. } => "kubernetes",
        }
    }

    /// Gets a token, or looks up the one that was given.
    pub(super) async fn log_in(&self, server: &Server) -> Result<Granted, ProviderError> {
        let reply = match self {
            Self::None => return Err(ProviderError::new("no login was set")),
            Self::Token(token) => {
                let reply = server.read("auth/token/lookup-self", token).await?;
                let own: OwnToken = match reply.success().map_err(|error| failed(&error))?.data {
                    Some(data) => parsed(data.get().as_bytes())?,
                    None => return Err(ProviderError::new("answered nothing about the token")),
                };
                return Ok(Granted {
                    token: token.clone(),
                    time: Duration::from_secs(own.ttl),
                    renewable: own.renewable,
                });
            }
            Self::AppRole {
                mount,
                role_id,
                secret_id,
            } => {
                let secret_id = secret_id.expose_secret();
                let body = AppRoleLogin { role_id, secret_id };
                server.write(&login_path(mount)?, None, &body).await?
            }
            Self::Kubernetes {
                mount,
                role,
                token_file,
            } => {
                let missing =
                    || ProviderError::new(format!("{} is not there", token_file.display()));
                let jwt = file::read(token_file)?.ok_or_else(missing)?;
                let jwt = jwt.expose_secret();
                let body = KubernetesLogin { role, jwt };
                server.write(&login_path(mount)?, None, &body).await?
            }
        };
        let answer = reply.success().map_err(|error| failed(&error))?;
        let auth = answer
            .auth
            .ok_or_else(|| ProviderError::new("answered the login without a token"))?;
        Ok(Granted {
            token: auth.client_token,
            time: Duration::from_secs(auth.lease_duration),
            renewable: auth.renewable,
        })
    }
}

fn login_path(mount: &str) -> Result<String, ProviderError> {
    Ok(format!("auth/{}/login", encoded(mount)?))
}

fn failed(error: &ProviderError) -> ProviderError {
    ProviderError::new(format!("login: {error}"))
}
