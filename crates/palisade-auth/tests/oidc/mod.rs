//! Sign-in at an OpenID Connect provider on loopback that misbehaves when told to.

mod accounts;
mod back_channel;
mod browser;
mod client_key;
mod form_post;
mod google;
mod id_tokens;
#[cfg(feature = "redis")]
mod instances;
mod linking;
mod logout;
mod provider;
mod routes;
#[cfg(feature = "redis")]
mod shared;
mod states;
mod token_endpoint;
mod userinfo;

use http::{HeaderMap, HeaderValue};
use palisade_auth::oidc::{Begun, Oidc, OidcError, SignedIn};

use self::provider::Provider;
use crate::support::sent_back;

/// The headers of a browser that keeps what it is told.
fn browser(cookies: &[HeaderValue]) -> HeaderMap {
    let pairs: Vec<String> = cookies.iter().map(sent_back).collect();
    let mut headers = HeaderMap::new();
    headers.insert("cookie", pairs.join("; ").parse().unwrap());
    headers
}

async fn begun(oidc: &Oidc) -> Begun {
    oidc.begin(Some("/rooms?day=1"), &HeaderMap::new())
        .await
        .unwrap()
}

/// The whole way: to the provider, and back.
async fn signed_in(provider: &Provider, oidc: &Oidc) -> Result<SignedIn, OidcError> {
    let begun = oidc.begin(Some("/rooms?day=1"), &HeaderMap::new()).await?;
    let query = provider.authorize(&begun.location);
    oidc.finish(&query, &browser(&begun.cookies)).await
}
