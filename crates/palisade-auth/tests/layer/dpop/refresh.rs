//! Refresh tokens that are bound to a key of their client (RFC 9449, section 5).

use http::Request;
use palisade_auth::{Confirmation, HmacKeys, RefreshTokens, Refusal, TokenIssuer};
use palisade_core::{ClientCertificate, EventKind, Principal, RequestScope};
use proptest::prelude::*;

use super::{Client, about, dpop, layer, with_proof};
use crate::support::{Clock, SECRET, clock, through};

/// A key that a client has; which kind it is of makes no difference here.
fn key(number: u8) -> Confirmation {
    Confirmation::certificate(&ClientCertificate::from_der(&[number]))
}

fn alice() -> Principal {
    Principal::user("bookings", "alice")
}

fn families(clock: &Clock) -> RefreshTokens {
    RefreshTokens::memory(HmacKeys::current(SECRET).unwrap())
        .clock(clock.wall())
        .build()
        .unwrap()
}

#[test]
fn a_bound_refresh_token_is_of_use_with_its_key_alone() {
    let (refresh, scope) = (families(&Clock::default()), RequestScope::detached());
    let first = refresh.begin_bound(alice(), &key(1)).unwrap();
    let with = |key| refresh.rotate_bound(first.as_str(), &key, &scope).err();
    assert_eq!(with(key(2)), Some(Refusal::SenderConstrained));
    let without = refresh.rotate(first.as_str(), &scope).err();
    assert_eq!(without, Some(Refusal::SenderConstrained));
    let events = scope.close();
    assert_eq!(events.len(), 2);
    for event in events {
        assert_eq!(event.kind(), EventKind::LoginFailure);
        assert_eq!(event.reason_code(), Some("sender_constrained"));
        assert_eq!(event.about(), Some("alice"));
    }

    let scope = RequestScope::detached();
    let mut token = first;
    for _ in 0..3 {
        token = refresh
            .rotate_bound(token.as_str(), &key(1), &scope)
            .unwrap();
        assert_eq!(token.principal().subject(), "alice");
    }
    assert!(refresh.rotate(token.as_str(), &scope).is_err());
    assert!(
        refresh.revoke(token.as_str(), &scope),
        "to sign out takes no key"
    );
}

#[test]
fn a_stolen_token_without_its_key_ends_nothing_and_one_with_it_the_family() {
    let (clock, scope) = (Clock::default(), RequestScope::detached());
    let refresh = families(&clock);
    let first = refresh.begin_bound(alice(), &key(1)).unwrap();
    let rotate = |token: &str, number| refresh.rotate_bound(token, &key(number), &scope);
    let second = rotate(first.as_str(), 1).unwrap();
    clock.pass(11);
    assert_eq!(
        rotate(first.as_str(), 2).err(),
        Some(Refusal::SenderConstrained),
        "used before, but not by who has the key"
    );
    let third = rotate(second.as_str(), 1).unwrap();
    assert_eq!(
        rotate(first.as_str(), 1).err(),
        Some(Refusal::RefreshReused)
    );
    assert_eq!(
        rotate(third.as_str(), 1).err(),
        Some(Refusal::RefreshInvalid)
    );
}

#[test]
fn an_unbound_refresh_token_takes_any_key_and_stays_unbound() {
    let (refresh, scope) = (families(&Clock::default()), RequestScope::detached());
    let first = refresh.begin(alice()).unwrap();
    let second = refresh
        .rotate_bound(first.as_str(), &key(1), &scope)
        .unwrap();
    let third = refresh
        .rotate_bound(second.as_str(), &key(2), &scope)
        .unwrap();
    assert!(refresh.rotate(third.as_str(), &scope).is_ok());
}

#[test]
fn nothing_is_bound_to_what_nobody_can_prove() {
    let refresh = families(&Clock::default());
    for unknown in [r#"{"jwk":{}}"#, "{}", "7"] {
        let unknown: Confirmation = serde_json::from_str(unknown).unwrap();
        assert!(refresh.begin_bound(alice(), &unknown).is_err());
    }
}

#[tokio::test]
async fn a_refresh_token_is_bound_to_the_key_of_the_proof_that_its_client_sent() {
    let (client, thief) = (Client::new(), Client::new());
    let checks = dpop().build().unwrap();
    let keys = HmacKeys::current(SECRET).unwrap();
    let tokens = TokenIssuer::hmac("bookings", keys.clone())
        .audience("api://bookings")
        .clock(clock())
        .build()
        .unwrap();
    let refresh = RefreshTokens::memory(keys).clock(clock()).build().unwrap();
    let scope = RequestScope::detached();
    // A request to the endpoint that issues tokens, whose proof is for no token yet.
    let asked = |client: &Client, jti: &str| {
        let mut payload = about("", jti);
        payload.as_object_mut().unwrap().remove("ath");
        payload["htm"] = "POST".into();
        payload["htu"] = "https://api.example/token".into();
        let proof = client.sign(&client.header().to_string(), &payload.to_string());
        let request = Request::post("/token").header("dpop", proof);
        request.body(()).unwrap().into_parts().0
    };

    let key = checks.confirm(&asked(&client, "1")).await.unwrap();
    let first = refresh
        .begin_bound(Principal::user("bookings", "alice"), &key)
        .unwrap();
    let stolen = checks.confirm(&asked(&thief, "2")).await.unwrap();
    assert_eq!(
        refresh.rotate_bound(first.as_str(), &stolen, &scope).err(),
        Some(Refusal::SenderConstrained)
    );
    let again = checks.confirm(&asked(&client, "3")).await.unwrap();
    let second = refresh
        .rotate_bound(first.as_str(), &again, &scope)
        .unwrap();
    let access = tokens
        .issue_bound(second.principal(), &serde_json::json!({}), &again)
        .unwrap();
    let proof = client.proof(access.as_str(), "4");
    let answered = through(&layer(), with_proof(access.as_str(), &proof)).await;
    assert_eq!(answered.status, 200);
}

proptest! {
    /// Against a naive model: the newest token and its key, nothing else.
    #[test]
    fn a_wrong_key_never_changes_anything(
        bound in any::<bool>(),
        uses in prop::collection::vec((0_usize..3, 0_u8..3), 1..30),
    ) {
        let (clock, scope) = (Clock::default(), RequestScope::detached());
        let refresh = families(&clock);
        let first = match bound {
            true => refresh.begin_bound(alice(), &key(1)),
            false => refresh.begin(alice()),
        };
        let mut tokens = vec![first.unwrap().as_str().to_owned()];
        let mut revoked = false;
        for (back, shown) in uses {
            // Longer than the grace for tokens that were just used.
            clock.pass(20);
            let presented = tokens.len() - 1 - back.min(tokens.len() - 1);
            let token = tokens[presented].clone();
            let used = match shown {
                0 => refresh.rotate(&token, &scope),
                number => refresh.rotate_bound(&token, &key(number), &scope),
            };
            if revoked {
                prop_assert_eq!(used.err(), Some(Refusal::RefreshInvalid));
            } else if bound && shown != 1 {
                prop_assert_eq!(used.err(), Some(Refusal::SenderConstrained));
            } else if presented == tokens.len() - 1 {
                tokens.push(used.unwrap().as_str().to_owned());
            } else {
                prop_assert_eq!(used.err(), Some(Refusal::RefreshReused));
                revoked = true;
            }
        }
    }
}
