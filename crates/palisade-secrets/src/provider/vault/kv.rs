//! The key-value engines.

use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::places::{Layout, Place, encoded};
use super::session::Session;
use super::wire::{Reply, parsed, value_of};
use crate::provider::Fetched;
use crate::{ProviderError, Secret, Stage};

/// A key-value engine and its mount.
#[derive(Debug, Clone)]
pub(super) enum Engine {
    Kv1(Box<str>),
    Kv2(Box<str>),
}

/// The most versions that are looked at for a previous one that was not deleted. Vault keeps ten by default.
const MOST_VERSIONS: u64 = 10;

pub(super) async fn read(
    session: &Session,
    engine: &Engine,
    layout: &Layout,
    name: &str,
    stage: Stage,
) -> Result<Option<Fetched>, ProviderError> {
    match (engine, stage) {
        (_, Stage::Pending) => Ok(None),
        (Engine::Kv1(mount), Stage::Current) => kv1(session, mount, &layout.place(name)?).await,
        (Engine::Kv1(mount), Stage::Previous) => {
            let place = layout.place(&format!("{name}_PREVIOUS"))?;
            kv1(session, mount, &place).await
        }
        (Engine::Kv2(mount), _) => {
            let place = layout.place(name)?;
            let path = format!("{}/data/{}", encoded(mount)?, place.path);
            kv2(session, &path, &place, stage).await
        }
    }
}

async fn kv1(
    session: &Session,
    mount: &str,
    place: &Place,
) -> Result<Option<Fetched>, ProviderError> {
    let reply = session
        .read(&format!("{}/{}", encoded(mount)?, place.path))
        .await?;
    if reply.status == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    match reply.success()?.data {
        Some(data) => taken(data, place, None),
        None => Err(ProviderError::new("answered without data")),
    }
}

async fn kv2(
    session: &Session,
    path: &str,
    place: &Place,
    stage: Stage,
) -> Result<Option<Fetched>, ProviderError> {
    let newest = session.read(path).await?;
    let Some(found) = Version::of(&newest)? else {
        return Ok(None);
    };
    let current = found.taken(place)?;
    if stage == Stage::Current {
        return Ok(current);
    }
    let newest = found.metadata.version;
    let oldest = newest.saturating_sub(MOST_VERSIONS).max(1);
    for version in (oldest..newest).rev() {
        let reply = session.read(&format!("{path}?version={version}")).await?;
        let Some(found) = Version::of(&reply)? else {
            continue;
        };
        let taken = found.taken(place)?;
        // A version in which only other fields changed is not the one before.
        let is_other = taken.as_ref().is_some_and(|taken| {
            !current
                .as_ref()
                .is_some_and(|current| current.secret.same_value(&taken.secret))
        });
        if is_other {
            return Ok(taken);
        }
    }
    Ok(None)
}

/// One version of a secret.
#[derive(Deserialize)]
struct Version<'a> {
    /// Nothing if it was deleted or destroyed.
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    version: u64,
}

impl<'a> Version<'a> {
    /// `None` if there is no such secret, or no such version. One that was deleted is answered with 404 and its metadata.
    fn of(reply: &'a Reply) -> Result<Option<Self>, ProviderError> {
        let is_absent = reply.status == StatusCode::NOT_FOUND;
        let answer = if is_absent {
            reply.parse()?
        } else {
            reply.success()?
        };
        match answer.data {
            Some(data) => parsed(data.get().as_bytes()).map(Some),
            None if is_absent => Ok(None),
            None => Err(ProviderError::new("answered without data")),
        }
    }

    fn taken(&self, place: &Place) -> Result<Option<Fetched>, ProviderError> {
        match self.data {
            Some(data) => taken(data, place, Some(self.metadata.version)),
            None => Ok(None),
        }
    }
}

fn taken(
    data: &RawValue,
    place: &Place,
    version: Option<u64>,
) -> Result<Option<Fetched>, ProviderError> {
    let Some(value) = value_of(data, place.field.as_deref())? else {
        if place.may_lack_field {
            return Ok(None);
        }
        let field = place.field.as_deref().unwrap_or_default();
        return Err(ProviderError::new(format!(
            "the secret has no field `{field}`"
        )));
    };
    let secret = Secret::new(value);
    Ok(Some(Fetched::new(match version {
        Some(version) => secret.version(&version.to_string()),
        None => secret,
    })))
}
