//! A session as Redis keeps it: `<MAC>.<began>.<ends>.<principal as JSON>`.

use std::sync::Arc;

use palisade_core::Principal;
use palisade_core::time::UnixTime;

use super::id::Name;
use crate::kept::Kept;
use crate::seal::{open, seal};
use crate::{AuthError, HmacKeys};

const PURPOSE: &str = "session";

pub(super) struct KeptSession {
    pub(super) began_at: UnixTime,
    pub(super) ends_at: UnixTime,
    principal: Kept,
}

impl KeptSession {
    pub(super) fn sealed(
        keys: &HmacKeys,
        name: &Name,
        principal: &Principal,
        (began_at, ends_at): (UnixTime, UnixTime),
    ) -> Result<String, AuthError> {
        let json = serde_json::to_string(&Kept::of(principal)?)
            .map_err(|_| AuthError::Issue("the principal cannot be written"))?;
        let text = format!("{}.{}.{json}", began_at.as_secs(), ends_at.as_secs());
        Ok(seal(keys, PURPOSE, name.bytes(), &text))
    }

    /// Opens a session that was kept under this name and no other, by somebody with our key.
    pub(super) fn open(keys: &HmacKeys, name: &Name, sealed: &str) -> Option<Self> {
        let text = open(keys, PURPOSE, name.bytes(), sealed)?;
        let (began_at, rest) = text.split_once('.')?;
        let (ends_at, json) = rest.split_once('.')?;
        Some(Self {
            began_at: UnixTime::from_secs(began_at.parse().ok()?),
            ends_at: UnixTime::from_secs(ends_at.parse().ok()?),
            principal: serde_json::from_str(json).ok()?,
        })
    }

    pub(super) fn principal(&self, name: &Name) -> Arc<Principal> {
        let principal = self.principal.principal().session(&name.to_text());
        Arc::new(principal.expires_at(self.ends_at))
    }
}
