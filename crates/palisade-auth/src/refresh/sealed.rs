//! A family as Redis keeps it.

use palisade_core::Principal;
use serde::{Deserialize, Serialize};

use super::token::FamilyId;
use crate::jwt::parse::encode;
use crate::kept::Kept;
use crate::{AuthError, HmacKeys, seal};

/// The purpose of the seals.
const PURPOSE: &str = "refresh";

/// The part that a writer to Redis must not be able to change.
#[derive(Serialize, Deserialize)]
pub(super) struct Sealed {
    #[serde(flatten)]
    principal: Kept,
    /// The name of the key that the family is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) bound_to: Option<String>,
}

impl Sealed {
    pub(super) fn of(principal: &Principal, bound_to: Option<String>) -> Result<Self, AuthError> {
        Ok(Self {
            principal: Kept::of(principal)?,
            bound_to,
        })
    }

    pub(super) fn seal(&self, keys: &HmacKeys, family: &FamilyId) -> Result<String, AuthError> {
        let json = serde_json::to_string(self)
            .map_err(|_| AuthError::Issue("the principal cannot be written"))?;
        Ok(seal::seal(keys, PURPOSE, family, &json))
    }

    /// Opens what was sealed for this family, and for no other, by somebody with our secret.
    pub(super) fn open(keys: &HmacKeys, family: &FamilyId, kept: &str) -> Option<Self> {
        serde_json::from_str(seal::open(keys, PURPOSE, family, kept)?).ok()
    }

    /// Whether who has shown this key may use the family.
    pub(super) fn fits(&self, shown: Option<&str>) -> bool {
        self.bound_to.is_none() || self.bound_to.as_deref() == shown
    }

    /// The principal with the family's session.
    pub(super) fn principal(&self, family: &FamilyId) -> Principal {
        self.principal.principal().session(&encode(family))
    }
}
