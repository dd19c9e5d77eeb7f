//! Guards inside a layer that accepts the scheme `DPoP`.

use http::Request;
use palisade_auth::{
    AuthLayer, Guard, RequireAuthentication, RequirePermission, RequireRole, RequireScope,
};
use tower_layer::Stack;

use super::{Client, layer, with_proof};
use crate::support::{get, good_token, through, with_token};

/// The names that the layers of the tests accept.
const ALGORITHMS: &str = "ES256 ES384 EdDSA";

async fn challenged(layer: AuthLayer, guard: Guard, request: Request<()>) -> (u16, Option<String>) {
    let answered = through(&Stack::new(guard, layer), request).await;
    let challenge = answered.header("www-authenticate");
    (answered.status, challenge.map(str::to_owned))
}

#[tokio::test]
async fn guards_offer_dpop_where_the_layer_accepts_it() {
    let client = Client::new();
    let token = client.token();
    let guards = [
        (
            RequireScope::all(["admin"]),
            403,
            r#"error="insufficient_scope", scope="admin""#,
        ),
        (
            RequireAuthentication::any_acr(["phr"]),
            401,
            r#"error="insufficient_user_authentication", acr_values="phr""#,
        ),
    ];
    for (guard, status, error) in guards {
        let jti = error.len().to_string();
        let request = with_proof(&token, &client.proof(&token, &jti));
        let stripping = layer().strip_credentials();
        assert_eq!(
            challenged(stripping, guard.clone(), request).await,
            (
                status,
                Some(format!(
                    r#"Bearer realm="api", DPoP realm="api", {error}, algs="{ALGORITHMS}""#
                ))
            ),
            "the error stands with the scheme that was used (RFC 9449, section 7.1)"
        );
        assert_eq!(
            challenged(layer(), guard.clone(), with_token(&good_token())).await,
            (
                status,
                Some(format!(
                    r#"Bearer realm="api", {error}, DPoP realm="api", algs="{ALGORITHMS}""#
                ))
            )
        );
        let plain = super::super::layer();
        assert_eq!(
            challenged(plain, guard, with_token(&good_token())).await,
            (status, Some(format!("Bearer {error}"))),
            "DPoP is not offered where it is not accepted"
        );
    }
}

#[tokio::test]
async fn guards_that_no_other_token_would_satisfy_challenge_nobody_but_who_presents_nothing() {
    // RFC 6750, section 3.1 has no error for them.
    for guard in [
        RequireRole::any(["admin"]),
        RequirePermission::all(["move room"]),
    ] {
        let request = with_token(&good_token());
        assert_eq!(
            challenged(layer(), guard.clone(), request).await,
            (403, None)
        );
        let offered = format!(r#"Bearer realm="api", DPoP realm="api", algs="{ALGORITHMS}""#);
        assert_eq!(
            challenged(layer().optional(), guard, get("/")).await,
            (401, Some(offered))
        );
    }
}
