use palisade_core::{Principal, PrincipalKind};
use serde::{Deserialize, Serialize};

use crate::{AuthError, TokenClaims};

/// A principal as it is kept.
#[derive(Serialize, Deserialize)]
pub(crate) struct Kept {
    service: bool,
    issuer: String,
    subject: String,
    roles: Vec<String>,
    scopes: Vec<String>,
    permissions: Vec<String>,
    tenant: Option<String>,
    /// The JSON of its own claims.
    #[serde(default)]
    claims: Option<String>,
}

impl Kept {
    pub(crate) fn of(principal: &Principal) -> Result<Self, AuthError> {
        let claims = principal
            .claims_as::<TokenClaims>()
            .and_then(TokenClaims::json);
        if claims.is_none() && principal.has_claims() {
            return Err(AuthError::Issue(
                "its claims are of a type that cannot be kept; use `TokenClaims::of`",
            ));
        }
        Ok(Self {
            claims: claims.map(str::to_owned),
            ..Self::without_claims(principal, principal.issuer())
        })
    }

    /// The same as a principal of this issuer, its claims left out.
    pub(crate) fn without_claims(principal: &Principal, issuer: &str) -> Self {
        Self {
            service: principal.kind() == PrincipalKind::Service,
            issuer: issuer.to_owned(),
            subject: principal.subject().to_owned(),
            roles: principal.role_names().map(str::to_owned).collect(),
            scopes: principal.scope_names().map(str::to_owned).collect(),
            permissions: principal.permission_names().map(str::to_owned).collect(),
            tenant: principal.tenant_name().map(str::to_owned),
            claims: None,
        }
    }

    pub(crate) fn principal(&self) -> Principal {
        let principal = match self.service {
            true => Principal::service(&self.issuer, &self.subject),
            false => Principal::user(&self.issuer, &self.subject),
        }
        .roles(&self.roles)
        .scopes(&self.scopes)
        .permissions(&self.permissions);
        let principal = match &self.tenant {
            Some(tenant) => principal.tenant(tenant),
            None => principal,
        };
        match &self.claims {
            Some(json) => principal.claims(TokenClaims::new(json.clone().into_bytes())),
            None => principal,
        }
    }
}
