//! Tokens in the shapes that widespread identity providers give them, as their documentation shows them, signed anew.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{NOW, b64, clock};
use palisade_auth::revocation::MemoryRevocation;
use palisade_auth::{
    Algorithm, ClientClaim, Issuer, JwtVerifier, KeySet, Refusal, TokenClaims, VerifyingKey,
};
use palisade_core::Principal;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde::Deserialize;
use serde_json::{Value, json};

const KID: &str = "pHjPHNRXULDN";

fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

/// Signed with EdDSA where the provider uses RS256: what is proved here is the shape.
fn signed(mut header: Value, claims: &Value) -> String {
    header["alg"] = "EdDSA".into();
    header["kid"] = KID.into();
    let input = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
    let signature = pair().sign(input.as_bytes());
    format!("{input}.{}", b64(signature))
}

fn idp(name: &str) -> Issuer {
    let key = VerifyingKey::point(Algorithm::EdDSA, pair().public_key().as_ref()).unwrap();
    Issuer::keys(name, KeySet::new([key.id(KID)]).unwrap())
}

fn verify(issuer: Issuer, token: &str) -> Result<Arc<Principal>, Refusal> {
    let builder = JwtVerifier::builder().issuer(issuer).clock(clock());
    builder.build().unwrap().verify(token)
}

fn with(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    claims[name] = value;
    claims
}

#[test]
fn auth0() {
    let issuer = || idp("https://example.eu.auth0.com/").audience("https://api.example/");
    let claims = json!({
        "iss": "https://example.eu.auth0.com/", "sub": "auth0|65f1c0ffee",
        "aud": ["https://api.example/", "https://example.eu.auth0.com/userinfo"],
        "iat": NOW, "exp": NOW + 86_400, "scope": "openid profile read:bookings",
        "azp": "my_client_id", "permissions": ["read:bookings"],
    });
    for typ in ["JWT", "at+jwt"] {
        let principal = verify(issuer(), &signed(json!({ "typ": typ }), &claims)).unwrap();
        assert_eq!(principal.subject(), "auth0|65f1c0ffee");
        assert!(principal.has_scope("read:bookings"));
        assert!(principal.permission_names().eq(["read:bookings"]));
    }
    // The ID token of the same sign-in is for the client.
    let id = with(&claims, "aud", json!("my_client_id"));
    let refused = verify(issuer(), &signed(json!({"typ": "JWT"}), &id));
    assert_eq!(refused.err(), Some(Refusal::WrongAudience));
}

#[test]
fn okta() {
    let issuer = idp("https://example.okta.com/oauth2/default").audience("api://default");
    let claims = json!({
        "ver": 1, "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE",
        "iss": "https://example.okta.com/oauth2/default", "aud": "api://default",
        "iat": NOW, "exp": NOW + 3600, "cid": "nmdP1fcyvdVO11AL7ECm",
        "uid": "00ujmkLgagxeRrAg20g3", "scp": ["openid", "bookings:read"],
        "sub": "alice@example.com", "auth_time": NOW,
    });
    let principal = verify(issuer, &signed(json!({}), &claims)).unwrap();
    assert_eq!(principal.subject(), "alice@example.com");
    assert!(principal.has_scope("bookings:read"));
}

#[test]
fn entra() {
    let name = "https://login.microsoftonline.com/9122040d-6c67-4c5b-b112-36a304b66dad/v2.0";
    let client = "6e74172b-be56-4843-9ff4-e66a39bb12e3";
    let claims = json!({
        "aud": client, "iss": name, "iat": NOW, "nbf": NOW, "exp": NOW + 5_000,
        "aio": "AXQAi/8IAAAA", "azp": "c44b4083-3bb0-49c1-b47d-974e53cbdf3c", "azpacr": "0",
        "name": "Alice", "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474", "rh": "I", "ver": "2.0",
        "roles": ["Bookings.Admin"], "scp": "access_as_user other", "uti": "fqiBqXLPj0eQa82S",
        "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
        "tid": "9122040d-6c67-4c5b-b112-36a304b66dad",
    });
    let issuer = idp(name).audience(client);
    let principal = verify(issuer, &signed(json!({"typ": "JWT"}), &claims)).unwrap();
    assert!(principal.has_scope("access_as_user") && principal.has_role("Bookings.Admin"));
}

#[test]
fn google() {
    let issuer = || idp("https://accounts.google.com").audience("https://bookings.example");
    // What the metadata server gives a service of Google Cloud.
    let claims = json!({
        "iss": "https://accounts.google.com", "aud": "https://bookings.example",
        "azp": "107517467455664443765", "sub": "107517467455664443765",
        "email": "crm@example.iam.gserviceaccount.com", "email_verified": true,
        "iat": NOW, "exp": NOW + 3600,
    });
    let principal = verify(issuer(), &signed(json!({"typ": "JWT"}), &claims)).unwrap();
    assert_eq!(principal.subject(), "107517467455664443765");
    // A user's ID token comes with an access token, and is none itself.
    let id = with(&claims, "at_hash", json!("HK6E_P6Dh8Y93mRNtsDB1Q"));
    let refused = verify(issuer(), &signed(json!({"typ": "JWT"}), &id));
    assert_eq!(refused.err(), Some(Refusal::WrongType));
}

fn cognito_claims() -> Value {
    json!({
        "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "cognito:groups": ["admin", "user"],
        "iss": "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_example", "version": 2,
        "client_id": "1h57kf5cpq17m0eml12EXAMPLE", "origin_jti": "bbbbbbbbb", "token_use": "access",
        "scope": "phone openid", "auth_time": NOW, "iat": NOW, "exp": NOW + 3600,
        "jti": "cccccccc", "username": "alice",
    })
}

fn cognito() -> Issuer {
    #[derive(Deserialize)]
    struct Groups {
        #[serde(rename = "cognito:groups", default)]
        groups: Vec<String>,
    }
    idp("https://cognito-idp.us-east-1.amazonaws.com/us-east-1_example")
        .client_without_audience(ClientClaim::ClientId, "1h57kf5cpq17m0eml12EXAMPLE")
        .adapt(
            |principal, claims: &TokenClaims| match claims.parse::<Groups>() {
                Ok(own) => principal.roles(own.groups),
                Err(_) => principal,
            },
        )
}

#[test]
fn cognito_names_its_client_instead_of_an_audience() {
    let principal = verify(cognito(), &signed(json!({}), &cognito_claims())).unwrap();
    assert!(principal.has_role("admin") && principal.has_scope("openid"));
    let other = with(&cognito_claims(), "client_id", json!("another"));
    let id = with(&cognito_claims(), "token_use", json!("id"));
    // Where there is an audience it counts, whoever the client is.
    let elsewhere = with(&cognito_claims(), "aud", json!("https://other.example"));
    let odd = with(
        &cognito_claims(),
        "client_id",
        json!(["1h57kf5cpq17m0eml12EXAMPLE"]),
    );
    let azp = with(&other, "azp", json!("1h57kf5cpq17m0eml12EXAMPLE"));
    for (claims, refusal) in [
        (other, Refusal::WrongAudience),
        (id, Refusal::WrongType),
        (elsewhere, Refusal::WrongAudience),
        (odd, Refusal::WrongAudience),
        (azp, Refusal::WrongAudience),
    ] {
        let refused = verify(cognito(), &signed(json!({}), &claims));
        assert_eq!(refused.err(), Some(refusal), "{claims}");
    }
    let unstated = idp("https://cognito-idp.us-east-1.amazonaws.com/us-east-1_example")
        .audience("1h57kf5cpq17m0eml12EXAMPLE");
    let refused = verify(unstated, &signed(json!({}), &cognito_claims()));
    assert_eq!(refused.err(), Some(Refusal::WrongAudience));
    let unnamed = idp("idp").client_without_audience(ClientClaim::ClientId, "");
    assert!(JwtVerifier::builder().issuer(unnamed).build().is_err());
}

#[test]
fn clerk_names_the_page_instead_of_an_audience() {
    let claims = json!({
        "azp": "https://app.example", "exp": NOW + 60, "fva": [2, -1], "iat": NOW,
        "iss": "https://example.clerk.accounts.dev", "jti": "6ae13c06d0f2a3d5e1fa", "nbf": NOW - 10,
        "sid": "sess_2cKlPGFkQlSpkmFVZ6kwGC6", "sub": "user_2cKlPGBrYbEgJFBWgjqGBOg", "sts": "active",
        "o": {"id": "org_123", "rol": "admin", "slg": "acme"}, "v": 2,
    });
    let issuer = |page: &str| {
        idp("https://example.clerk.accounts.dev")
            .client_without_audience(ClientClaim::AuthorizedParty, page)
    };
    let token = signed(json!({"typ": "JWT", "cat": "cl_B7d4PD111AAA"}), &claims);
    let principal = verify(issuer("https://app.example"), &token).unwrap();
    assert_eq!(principal.session_id(), Some("sess_2cKlPGFkQlSpkmFVZ6kwGC6"));
    let refused = verify(issuer("https://other.example"), &token);
    assert_eq!(refused.err(), Some(Refusal::WrongAudience));
}

#[derive(Deserialize)]
struct Realm {
    realm_access: RealmRoles,
}

#[derive(Deserialize)]
struct RealmRoles {
    roles: Vec<String>,
}

#[test]
fn keycloak() {
    let claims = json!({
        "exp": NOW + 300, "iat": NOW, "auth_time": NOW, "jti": "onrtac:5c0ffee",
        "iss": "https://idp.example/realms/house", "aud": ["bookings", "account"],
        "sub": "f7a8d3c5", "typ": "Bearer", "azp": "web", "nonce": "n-0S6_WzA2Mj",
        "session_state": "44a7", "sid": "44a7", "acr": "1", "allowed-origins": ["https://app.example"],
        "realm_access": {"roles": ["admin", "offline_access"]},
        "resource_access": {"account": {"roles": ["view-profile"]}},
        "scope": "openid email", "email_verified": true, "preferred_username": "alice",
    });
    let issuer = idp("https://idp.example/realms/house")
        .audience("bookings")
        .max_lifetime(Duration::from_secs(300))
        .may_send_nonce()
        .adapt(
            |principal, claims: &TokenClaims| match claims.parse::<Realm>() {
                Ok(own) => principal.roles(own.realm_access.roles),
                Err(_) => principal,
            },
        );
    let principal = verify(issuer, &signed(json!({"typ": "JWT"}), &claims)).unwrap();
    assert!(principal.has_role("admin"));
    assert_eq!(principal.session_id(), Some("44a7"));
}

/// Names that no standard takes are the issuer's to fill: what is no text there says nothing by itself.
#[test]
fn roles_permissions_and_tenants_of_another_form_reach_adapt() {
    #[derive(Deserialize)]
    struct Own {
        roles: Vec<Role>,
        tenant: Tenant,
    }
    #[derive(Deserialize)]
    struct Role {
        name: String,
    }
    #[derive(Deserialize)]
    struct Tenant {
        id: u64,
    }
    let claims = json!({
        "iss": "idp", "sub": "alice", "aud": "api", "iat": NOW, "exp": NOW + 60,
        "roles": [{"id": 1, "name": "admin"}], "permissions": {"bookings": ["read"]},
        "tenant": {"id": 7}, "kind": 3, "client_id": 4, "azp": null,
    });
    let token = signed(json!({}), &claims);
    let issuer = || idp("idp").audience("api").may_name_services();
    let bare = verify(issuer(), &token).unwrap();
    assert_eq!(
        bare.role_names().count() + bare.permission_names().count(),
        0
    );
    assert_eq!(bare.tenant_name(), None);
    let adapting = issuer().adapt(|principal, claims| match claims.parse::<Own>() {
        Ok(own) => principal
            .roles(own.roles.into_iter().map(|role| role.name))
            .tenant(&own.tenant.id.to_string()),
        Err(_) => principal,
    });
    let principal = verify(adapting, &token).unwrap();
    assert!(principal.has_role("admin"));
    assert_eq!(principal.tenant_name(), Some("7"));
    // A list is taken whole or not at all.
    let mixed = with(&claims, "roles", json!(["admin", 7]));
    let principal = verify(issuer(), &signed(json!({}), &mixed)).unwrap();
    assert_eq!(principal.role_names().count(), 0);
}

const ENTRA: &str = "https://login.microsoftonline.com/{tenant}/v2.0";

fn of_tenant(tenant: &str) -> String {
    let claims = json!({
        "iss": ENTRA.replace("{tenant}", tenant), "sub": "alice", "aud": "api",
        "iat": NOW, "exp": NOW + 60, "tenant": "claimed",
    });
    signed(json!({"typ": "JWT"}), &claims)
}

#[test]
fn one_template_stands_for_the_issuers_of_many_tenants() {
    let many = || {
        idp(ENTRA)
            .audience("api")
            .tenants(|tenant| ["acme", "9122040d-6c67"].contains(&tenant))
    };
    for tenant in ["acme", "9122040d-6c67"] {
        let principal = verify(many(), &of_tenant(tenant)).unwrap();
        assert_eq!(principal.issuer(), ENTRA.replace("{tenant}", tenant));
        assert_eq!(
            principal.tenant_name(),
            Some(tenant),
            "not what a claim says"
        );
    }
    let everybody = || idp(ENTRA).audience("api").tenants(|_| true);
    for (issuer, tenant) in [
        (many(), "evil"),
        (many(), "ACME"),
        (everybody(), ""),
        (everybody(), "acme/v2.0/../evil"),
        (everybody(), "a.b"),
        (everybody(), "a%2Fb"),
        (everybody(), "{tenant}/x"),
        // Without `tenants` the name is what it is.
        (idp(ENTRA).audience("api"), "acme"),
    ] {
        let refused = verify(issuer, &of_tenant(tenant));
        assert_eq!(refused.err(), Some(Refusal::UnknownIssuer), "{tenant}");
    }
    for name in ["https://idp.example/", "{tenant}{tenant}"] {
        let issuer = idp(name).audience("api").tenants(|_| true);
        assert!(
            JwtVerifier::builder().issuer(issuer).build().is_err(),
            "{name}"
        );
    }
}

#[test]
fn a_whole_name_goes_before_a_template_that_it_fits() {
    let acme = ENTRA.replace("{tenant}", "acme");
    let stricter = idp(&acme).audience("of acme alone");
    let jwt = JwtVerifier::builder()
        .issuer(idp(ENTRA).audience("api").tenants(|_| true))
        .issuer(stricter)
        .clock(clock())
        .build()
        .unwrap();
    assert_eq!(
        jwt.verify(&of_tenant("acme")).err(),
        Some(Refusal::WrongAudience)
    );
    assert!(jwt.verify(&of_tenant("other")).is_ok());
}

#[test]
fn a_subject_of_one_tenant_is_revoked_in_that_one() {
    let minute = Duration::from_secs(60);
    let revoked = MemoryRevocation::with_clock(minute, clock());
    let issuer = idp(ENTRA)
        .audience("api")
        .tenants(|_| true)
        .max_lifetime(minute);
    let builder = JwtVerifier::builder().issuer(issuer).clock(clock());
    let jwt = builder.revocation(revoked.clone()).build().unwrap();
    assert!(jwt.verify(&of_tenant("acme")).is_ok());
    revoked.revoke_subject(&ENTRA.replace("{tenant}", "acme"), "alice");
    let refused = jwt.verify(&of_tenant("acme"));
    assert_eq!(refused.err(), Some(Refusal::Revoked));
    assert!(
        jwt.verify(&of_tenant("other")).is_ok(),
        "somebody else of the same name"
    );
}
