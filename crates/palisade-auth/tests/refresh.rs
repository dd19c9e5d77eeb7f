//! Refresh tokens and revocation together, as a service uses them.

mod support;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use palisade_auth::revocation::{Answer, CheckRevocation, MemoryRevocation, Standing, TokenRef};
use palisade_auth::{
    AuthLayer, HmacKeys, Issuer, JwtVerifier, RefreshTokens, Refusal, TokenIssuer,
};
use palisade_core::time::{UnixTime, WallClock};
use palisade_core::{EventKind, Principal, RequestScope, Severity};
use support::{NOW, OTHER_SECRET, SECRET, good_token, issuer, through, with_token};

struct House {
    seconds: Arc<AtomicU64>,
    tokens: TokenIssuer,
    jwt: JwtVerifier,
    revoked: MemoryRevocation,
    refresh: RefreshTokens,
    scope: RequestScope,
}

impl House {
    fn new() -> Self {
        let seconds = Arc::new(AtomicU64::new(NOW));
        let read = Arc::clone(&seconds);
        let clock = WallClock::from_fn(move || UnixTime::from_secs(read.load(Ordering::Relaxed)));
        let keys = HmacKeys::current(SECRET).unwrap();
        let tokens = TokenIssuer::hmac("bookings", keys.clone())
            .audience("api")
            .clock(clock.clone())
            .build()
            .unwrap();
        let revoked = MemoryRevocation::with_clock(Duration::from_secs(900), clock.clone());
        let jwt = JwtVerifier::builder()
            .issuer(tokens.issuer())
            .revocation(revoked.clone())
            .clock(clock.clone())
            .build()
            .unwrap();
        let refresh = RefreshTokens::memory(keys)
            .revoking(revoked.clone())
            .clock(clock)
            .build()
            .unwrap();
        let scope = RequestScope::detached();
        Self {
            seconds,
            tokens,
            jwt,
            revoked,
            refresh,
            scope,
        }
    }

    fn pass(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    fn alice() -> Principal {
        Principal::user("bookings", "alice").scopes(["read"])
    }
}

#[test]
fn each_use_gives_the_next_token_for_the_same_principal() {
    let house = House::new();
    let mut token = house.refresh.begin(House::alice()).unwrap();
    let session = token.principal().session_id().unwrap().to_owned();
    for _ in 0..5 {
        house.pass(60);
        token = house.refresh.rotate(token.as_str(), &house.scope).unwrap();
        assert!(token.principal().has_scope("read"));
        assert_eq!(token.principal().session_id(), Some(&*session));
    }
    assert!(house.scope.close().is_empty());
}

#[test]
fn reuse_revokes_the_family_and_its_access_tokens() {
    let house = House::new();
    let first = house.refresh.begin(House::alice()).unwrap();
    let second = house.refresh.rotate(first.as_str(), &house.scope).unwrap();
    let access = house.tokens.issue(second.principal()).unwrap();
    assert!(house.jwt.verify(access.as_str()).is_ok());

    house.pass(11);
    assert_eq!(
        house.refresh.rotate(first.as_str(), &house.scope).err(),
        Some(Refusal::RefreshReused)
    );
    assert_eq!(
        house.refresh.rotate(second.as_str(), &house.scope).err(),
        Some(Refusal::RefreshInvalid)
    );
    assert_eq!(
        house.jwt.verify(access.as_str()).err(),
        Some(Refusal::Revoked)
    );

    let events = house.scope.close();
    let reuse = events
        .iter()
        .find(|event| event.kind() == EventKind::RefreshReuse)
        .unwrap();
    assert_eq!(
        (reuse.about(), reuse.reason_code()),
        (Some("alice"), Some("refresh_reuse"))
    );
    assert_eq!(reuse.how_severe(), Severity::Critical);
}

#[test]
fn an_answer_that_got_lost_is_given_again() {
    let house = House::new();
    let first = house.refresh.begin(House::alice()).unwrap();
    let second = house.refresh.rotate(first.as_str(), &house.scope).unwrap();
    house.pass(10);
    let again = house.refresh.rotate(first.as_str(), &house.scope).unwrap();
    assert_eq!(again.as_str(), second.as_str());
    assert!(house.refresh.rotate(second.as_str(), &house.scope).is_ok());
}

#[test]
fn a_thousand_refreshes_at_once_make_one_successor() {
    let house = House::new();
    let first = house.refresh.begin(House::alice()).unwrap();
    let successors: HashSet<String> = std::thread::scope(|threads| {
        let run = || -> Vec<String> {
            let rotate = |_| house.refresh.rotate(first.as_str(), &house.scope).unwrap();
            (0..125).map(|n| rotate(n).as_str().to_owned()).collect()
        };
        let running: Vec<_> = (0..8).map(|_| threads.spawn(run)).collect();
        running
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(successors.len(), 1);
}

#[test]
fn forged_tokens_are_refused_and_revoke_nobody() {
    let house = House::new();
    let elsewhere = RefreshTokens::memory(HmacKeys::current(OTHER_SECRET).unwrap())
        .build()
        .unwrap();
    let forged = elsewhere.begin(House::alice()).unwrap();
    let unknown = House::new().refresh.begin(House::alice()).unwrap();
    let own = house.refresh.begin(House::alice()).unwrap();
    for token in [
        forged.as_str(),
        unknown.as_str(),
        "",
        "rt_",
        "rt_AAAA",
        own.principal().session_id().unwrap(),
    ] {
        assert_eq!(
            house.refresh.rotate(token, &house.scope).err(),
            Some(Refusal::RefreshInvalid)
        );
    }
    assert!(house.refresh.rotate(own.as_str(), &house.scope).is_ok());
}

#[test]
fn a_family_ends_by_idling_and_for_good() {
    let house = House::new();
    const DAY: u64 = 24 * 60 * 60;
    let idle = house.refresh.begin(House::alice()).unwrap();
    house.pass(7 * DAY);
    assert_eq!(
        house.refresh.rotate(idle.as_str(), &house.scope).err(),
        Some(Refusal::RefreshInvalid)
    );
    let mut used = house.refresh.begin(House::alice()).unwrap();
    for _ in 0..5 {
        house.pass(5 * DAY);
        used = house.refresh.rotate(used.as_str(), &house.scope).unwrap();
    }
    house.pass(5 * DAY);
    assert!(
        house.refresh.rotate(used.as_str(), &house.scope).is_err(),
        "30 days"
    );
}

#[test]
fn sign_out_ends_the_family_and_its_access_tokens() {
    let house = House::new();
    let refresh = house.refresh.begin(House::alice()).unwrap();
    let access = house.tokens.issue(refresh.principal()).unwrap();
    assert!(house.jwt.verify(access.as_str()).is_ok());
    assert!(house.refresh.revoke(refresh.as_str(), &house.scope));
    assert!(!house.refresh.revoke(refresh.as_str(), &house.scope));
    assert_eq!(
        house.jwt.verify(access.as_str()).err(),
        Some(Refusal::Revoked)
    );

    let by_session = house.refresh.begin(House::alice()).unwrap();
    let session = by_session.principal().session_id().unwrap();
    assert!(house.refresh.revoke_session(session, &house.scope));
    assert!(!house.refresh.revoke_session("nonsense", &house.scope));

    let bob = house
        .refresh
        .begin(Principal::user("bookings", "bob"))
        .unwrap();
    for _ in 0..3 {
        house.refresh.begin(House::alice()).unwrap();
    }
    assert_eq!(
        house
            .refresh
            .revoke_subject("bookings", "alice", &house.scope),
        3
    );
    assert!(house.refresh.rotate(bob.as_str(), &house.scope).is_ok());
}

#[test]
fn families_are_bounded() {
    let keys = HmacKeys::current(SECRET).unwrap();
    let refresh = RefreshTokens::memory(keys)
        .max_families(16)
        .build()
        .unwrap();
    let begun = (0..200)
        .filter(|_| refresh.begin(House::alice()).is_ok())
        .count();
    assert!(begun <= 16, "{begun}");
}

#[tokio::test]
async fn a_token_in_the_cache_is_refused_on_the_next_request_after_its_revocation() {
    let house = House::new();
    let layer = AuthLayer::new().bearer(house.jwt.clone());
    let access = house.tokens.issue(&House::alice()).unwrap();
    for _ in 0..100 {
        assert_eq!(
            through(&layer, with_token(access.as_str())).await.status,
            200
        );
    }
    house
        .revoked
        .revoke_token("bookings", access.id(), access.expires_at());
    for _ in 0..10_000 {
        let answered = through(&layer, with_token(access.as_str())).await;
        assert_eq!(answered.status, 401);
    }
    let answered = through(&layer, with_token(access.as_str())).await;
    assert_eq!(answered.reason(), "token_revoked");
    assert_eq!(answered.events[0].kind(), EventKind::RevokedTokenUse);
}

#[tokio::test]
async fn a_token_in_the_cache_expires_all_the_same() {
    let house = House::new();
    let layer = AuthLayer::new().bearer(house.jwt.clone());
    let access = house.tokens.issue(&House::alice()).unwrap();
    assert_eq!(
        through(&layer, with_token(access.as_str())).await.status,
        200
    );
    house.pass(900 + 29);
    assert_eq!(
        through(&layer, with_token(access.as_str())).await.status,
        200,
        "leeway"
    );
    house.pass(1);
    assert_eq!(
        through(&layer, with_token(access.as_str())).await.reason(),
        "token_expired"
    );
}

/// Answers after a while, as a store over the network does.
struct Remote(Standing);

impl CheckRevocation for Remote {
    fn check(&self, token: &TokenRef<'_>) -> Answer {
        assert_eq!(
            (token.issuer, token.subject, token.id),
            ("bookings", "alice", Some("t-1"))
        );
        let standing = self.0;
        Answer::Later(Box::pin(async move {
            tokio::task::yield_now().await;
            standing
        }))
    }
}

#[tokio::test]
async fn a_store_that_is_down_is_a_503_and_never_a_pass() {
    for (standing, status) in [
        (Standing::Good, 200),
        (Standing::Revoked, 401),
        (Standing::Unknown, 503),
    ] {
        let jwt = JwtVerifier::builder()
            .issuer(issuer())
            .revocation(Remote(standing))
            .clock(support::clock())
            .build()
            .unwrap();
        let layer = AuthLayer::new().bearer(jwt.clone());
        for _ in 0..2 {
            assert_eq!(
                through(&layer, with_token(&good_token())).await.status,
                status
            );
        }
        assert_eq!(
            jwt.verify(&good_token()).err(),
            Some(Refusal::StoreUnavailable),
            "cannot wait"
        );
        assert_eq!(jwt.authenticate(&good_token()).await.is_ok(), status == 200);
    }
}

#[test]
fn tokens_are_issued_as_rfc_9068_says() {
    let house = House::new();
    let alice = Principal::user("elsewhere", "alice")
        .scopes(["read", "write"])
        .roles(["user"])
        .permissions(["move room"])
        .tenant("acme")
        .session("s-1");
    let issued = house
        .tokens
        .issue_with(&alice, &serde_json::json!({"team": "blue"}))
        .unwrap();
    let mut parts = issued.as_str().split('.');
    let mut part = || -> serde_json::Value {
        serde_json::from_slice(&support::unb64(parts.next().unwrap())).unwrap()
    };
    let header = part();
    assert_eq!(
        (&header["alg"], &header["typ"]),
        (&"HS256".into(), &"at+jwt".into())
    );
    let claims = part();
    let expected = serde_json::json!({
        "iss": "bookings", "sub": "alice", "aud": "api", "iat": NOW, "exp": NOW + 900,
        "jti": issued.id(), "scope": "read write", "roles": ["user"], "permissions": ["move room"],
        "tenant": "acme", "sid": "s-1", "team": "blue", "client_id": "bookings",
    });
    assert_eq!(claims, expected);
    let back = house.jwt.verify(issued.as_str()).unwrap();
    assert_eq!(
        (back.tenant_name(), back.session_id()),
        (Some("acme"), Some("s-1"))
    );
    assert!(back.has_permission("move room"));
    for reserved in ["iss", "exp", "roles", "sid"] {
        let replaced = house
            .tokens
            .issue_with(&alice, &serde_json::json!({reserved: 1}));
        assert!(replaced.is_err(), "{reserved}");
    }
    assert!(house.tokens.issue_with(&alice, &7).is_err());
    assert!(
        house
            .tokens
            .issue_with(&alice, &serde_json::json!({"x": "x".repeat(9000)}))
            .is_err()
    );
    assert!(!format!("{issued:?}").contains(issued.as_str()));
}

#[test]
fn lifetimes_come_from_the_environment() {
    let lifetime = |name: &'static str, value: &'static str| {
        TokenIssuer::hmac("iss", HmacKeys::current(SECRET).unwrap())
            .audience("api")
            .lifetime_from(|asked| (asked == name).then(|| value.to_owned()))
            .and_then(palisade_auth::TokenIssuerBuilder::build)
            .map(|tokens| tokens.lifetime().as_secs())
            .map_err(|error| error.to_string())
    };
    assert_eq!(lifetime("OTHER", "1"), Ok(900));
    assert_eq!(lifetime("ACCESS_TOKEN_EXPIRE_MINUTES", "30"), Ok(1800));
    assert_eq!(lifetime("JWT_EXPIRES_HOURS", "24"), Ok(86_400));
    for bad in ["0", "1441", "-1", "", "15m", "1.5"] {
        let error = lifetime("ACCESS_TOKEN_EXPIRE_MINUTES", bad).unwrap_err();
        assert!(
            error.starts_with("ACCESS_TOKEN_EXPIRE_MINUTES: "),
            "{error}"
        );
    }
    assert!(lifetime("JWT_EXPIRES_HOURS", "25").is_err());
}

#[test]
fn every_problem_of_a_verifier_is_named_at_once() {
    let keys = || HmacKeys::current(SECRET).unwrap();
    let error = JwtVerifier::builder()
        .issuer(Issuer::hmac("a", keys()))
        .issuer(
            Issuer::hmac("a", keys())
                .audience("x")
                .leeway(Duration::from_secs(61)),
        )
        .issuer(
            Issuer::hmac("", keys())
                .audience("x")
                .algorithms([palisade_auth::Algorithm::RS256]),
        )
        .build()
        .unwrap_err()
        .to_string();
    for problem in [
        "issuers[0].audience",
        "issuers[1].name",
        "issuers[1].leeway",
        "issuers[2].name",
        "issuers[2].algorithms",
    ] {
        assert!(error.contains(problem), "{problem} in {error}");
    }
    assert!(JwtVerifier::builder().build().is_err());
}

#[tokio::test]
async fn an_outage_lets_tokens_pass_only_when_told_to() {
    let with = |standing| {
        let builder = JwtVerifier::builder()
            .issuer(issuer())
            .revocation(Remote(standing));
        builder
            .insecure_allow_on_outage()
            .clock(support::clock())
            .build()
            .unwrap()
    };
    assert!(
        with(Standing::Unknown)
            .authenticate(&good_token())
            .await
            .is_ok()
    );
    assert_eq!(
        with(Standing::Revoked)
            .authenticate(&good_token())
            .await
            .err(),
        Some(Refusal::Revoked)
    );
}

#[test]
fn families_are_bounded_together_and_those_that_are_over_make_room() {
    let seconds = Arc::new(AtomicU64::new(NOW));
    let read = Arc::clone(&seconds);
    let clock = WallClock::from_fn(move || UnixTime::from_secs(read.load(Ordering::Relaxed)));
    let refresh = RefreshTokens::memory(HmacKeys::current(SECRET).unwrap())
        .idle(Duration::from_secs(100))
        .max_families(40)
        .clock(clock)
        .build()
        .unwrap();
    let scope = RequestScope::detached();
    let begun: Vec<_> = (0..40)
        .map(|_| refresh.begin(House::alice()).unwrap())
        .collect();
    assert!(refresh.begin(House::alice()).is_err(), "the 41st");
    assert!(refresh.revoke(begun[0].as_str(), &scope));
    assert!(refresh.begin(House::alice()).is_ok(), "in its place");
    assert!(refresh.begin(House::alice()).is_err());
    seconds.fetch_add(100, Ordering::Relaxed);
    for _ in 0..40 {
        assert!(refresh.begin(House::alice()).is_ok(), "no hour later");
    }
    assert!(refresh.begin(House::alice()).is_err());
    let ended = refresh.revoke_subject("bookings", "alice", &scope);
    assert_eq!(ended, 40);
    assert!(refresh.begin(House::alice()).is_ok());
}
