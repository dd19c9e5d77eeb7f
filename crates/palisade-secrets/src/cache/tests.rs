use palisade_core::{Name, time};

use super::*;

const TIMES: Times = Times {
    ttl: Duration::from_secs(100),
    max_stale: Duration::from_secs(300),
    negative_ttl: Duration::from_secs(5),
    provider: Duration::from_secs(2),
};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Read anew, with the next read after 72 s.
fn read(now: Instant) -> Known {
    let unread = Known::unread(now);
    assert_eq!(unread.decide(now), Decision::Refresh);
    let first = unread.found(Secret::new("a"), false, TIMES, now, 0.0);
    first.found(Secret::new("b"), false, TIMES, now, 0.0)
}

fn failed(known: &Known, now: Instant) -> Known {
    let failure = (Name::from_static("vault"), ProviderError::new("down"));
    known.failed(failure, TIMES, now)
}

#[test]
fn a_secret_is_used_then_read_beside_its_use_then_waited_for() {
    let now = time::now();
    let known = read(now);
    for (at, decision) in [
        (0, Decision::Use),
        (71, Decision::Use),
        (72, Decision::UseAndRefresh),
        (99, Decision::UseAndRefresh),
        (100, Decision::Refresh),
        (1_000, Decision::Refresh),
    ] {
        assert_eq!(known.decide(now + secs(at)), decision, "{at} s");
    }
    assert_eq!(known.refresh_at(), Some(now + secs(72)));
    assert_eq!(known.age(now + secs(7)), secs(7));
}

#[test]
fn a_source_that_fails_is_left_alone_while_the_secret_is_used_until_it_is_too_old() {
    let now = time::now();
    // A tenth of the time to live.
    let pause = secs(10);
    for (at, while_paused) in [
        (80, Decision::Use),
        (150, Decision::Use),
        (289, Decision::Use),
        (300, Decision::Stale),
        (301, Decision::Stale),
    ] {
        let known = failed(&read(now), now + secs(at));
        assert_eq!(known.decide(now + secs(at)), while_paused, "{at} s");
        assert_eq!(known.refresh_at(), Some(now + secs(at) + pause));
        assert_eq!(known.is_usable(now + secs(at)), at < 300, "{at} s");
    }
    let known = failed(&read(now), now + secs(150));
    assert_eq!(known.decide(now + secs(160)), Decision::Refresh);
}

#[test]
fn what_is_not_there_is_not_asked_for_again_for_a_while() {
    let now = time::now();
    let known = Known::unread(now).absent(TIMES, now);
    assert_eq!(known.decide(now + secs(4)), Decision::Use);
    assert_eq!(known.decide(now + secs(5)), Decision::Refresh);
    assert!(!known.is_usable(now));
}

#[test]
fn a_secret_that_is_complained_about_is_read_anew_and_may_still_be_used() {
    let now = time::now();
    let known = read(now);
    assert!(!known.may_be_rejected(now + secs(9)));
    assert!(known.may_be_rejected(now + secs(10)));
    assert!(!known.may_be_rejected(now + secs(100)));
    let rejected = known.rejected(now + secs(10));
    assert_eq!(rejected.decide(now + secs(10)), Decision::Refresh);
    assert!(rejected.is_usable(now + secs(10)));
    assert_eq!(rejected.attempt, known.attempt);
}

#[test]
fn a_fixed_secret_is_never_read_again() {
    let now = time::now();
    let known = Known::unread(now).found(Secret::new("a"), true, TIMES, now, 0.5);
    assert!(known.is_fixed());
    assert_eq!(known.decide(now + secs(1_000_000)), Decision::Use);
    assert_eq!(known.refresh_at(), None);
    assert!(known.is_usable(now + secs(1_000_000)));
}
