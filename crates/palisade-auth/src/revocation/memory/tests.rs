use std::sync::atomic::AtomicU64;

use super::*;

const NOW: u64 = 1_800_000_000;

fn at(seconds: u64) -> UnixTime {
    UnixTime::from_secs(seconds)
}

fn store() -> (MemoryRevocation, Arc<AtomicU64>) {
    let seconds = Arc::new(AtomicU64::new(NOW));
    let read = Arc::clone(&seconds);
    let clock = WallClock::from_fn(move || at(read.load(Ordering::Relaxed)));
    (
        MemoryRevocation::with_clock(Duration::from_secs(900), clock),
        seconds,
    )
}

fn token(issued_at: Option<u64>) -> TokenRef<'static> {
    TokenRef {
        issuer: "iss",
        subject: "alice",
        id: Some("t-1"),
        session: Some("s-1"),
        issued_at: issued_at.map(at),
        expires_at: at(NOW + 900),
    }
}

fn revoked(store: &MemoryRevocation, token: &TokenRef<'_>) -> bool {
    matches!(store.check(token), Answer::Now(RevocationStatus::Revoked))
}

#[test]
fn a_token_is_found_by_id_by_session_and_by_subject() {
    let good = token(Some(NOW));
    for revoke in [
        |store: &MemoryRevocation| store.revoke_token("iss", "t-1", at(NOW + 900)),
        |store: &MemoryRevocation| store.revoke_session("iss", "s-1"),
        |store: &MemoryRevocation| store.revoke_subject("iss", "alice"),
    ] {
        let (store, _) = store();
        assert!(!revoked(&store, &good));
        revoke(&store);
        assert!(revoked(&store, &good));
        assert!(
            !revoked(
                &store,
                &TokenRef {
                    issuer: "other",
                    ..good
                }
            ),
            "same names elsewhere"
        );
    }
}

#[test]
fn a_subject_may_sign_in_again() {
    let (store, _) = store();
    store.revoke_subject("iss", "alice");
    assert!(revoked(&store, &token(Some(NOW - 1))));
    assert!(revoked(&store, &token(Some(NOW))), "the same second");
    assert!(revoked(&store, &token(None)), "of unknown age");
    assert!(!revoked(&store, &token(Some(NOW + 1))));
}

#[test]
fn a_revocation_is_only_ever_extended() {
    let (store, seconds) = store();
    store.revoke_subject("iss", "alice");
    seconds.store(NOW - 100, Ordering::Relaxed);
    store.revoke_subject("iss", "alice");
    assert!(
        revoked(&store, &token(Some(NOW))),
        "a clock set back frees nobody"
    );
}

#[test]
fn a_mark_is_kept_until_the_last_token_that_it_is_about_has_expired() {
    // Tokens live for 900 seconds. One that is made now may be dated a minute ahead, and passes for a minute after
    // its end.
    let last = NOW + 900 + 60 + 60;
    for revoke in [
        |store: &MemoryRevocation, name: &str| store.revoke_session("iss", name),
        |store: &MemoryRevocation, name: &str| store.revoke_subject("iss", name),
    ] {
        for (time, kept) in [(last, 65), (last + 1, 1)] {
            let (store, seconds) = store();
            for name in 0..64 {
                revoke(&store, &name.to_string());
            }
            seconds.store(time, Ordering::Relaxed);
            // The 65th begins a sweep.
            revoke(&store, "last");
            assert_eq!(store.len(), kept, "{time}");
        }
    }
}

#[test]
fn what_has_expired_is_swept() {
    let (store, seconds) = store();
    for id in 0..1_000 {
        store.revoke_token("iss", &format!("t-{id}"), at(NOW));
    }
    assert_eq!(store.len(), 1_000);
    seconds.store(NOW + 61, Ordering::Relaxed);
    for id in 1_000..1_030 {
        store.revoke_token("iss", &format!("t-{id}"), at(NOW + 900));
    }
    assert!(store.len() <= 30, "{}", store.len());
}

#[test]
fn a_token_is_kept_until_the_latest_of_its_ends() {
    for ends in [[NOW + 900, NOW], [NOW, NOW + 900]] {
        let (store, seconds) = store();
        for end in ends {
            store.revoke_token("iss", "t-1", at(end));
        }
        for other in 1..64 {
            store.revoke_token("iss", &format!("other-{other}"), at(NOW));
        }
        seconds.store(NOW + 500, Ordering::Relaxed);
        // The 65th begins a sweep.
        store.revoke_token("iss", "last", at(NOW + 900));
        assert_eq!(store.len(), 2, "{ends:?}");
        assert!(revoked(&store, &token(Some(NOW))), "{ends:?}");
    }
}

#[test]
fn sweeps_look_at_no_more_than_two_marks_for_each_that_is_set() {
    use std::cell::Cell;

    /// A mark that lasts, and counts how often somebody asks.
    #[derive(Clone, Copy)]
    struct Counted<'a>(&'a Cell<usize>);

    impl Mark for Counted<'_> {
        fn is_over(&self, _: UnixTime) -> bool {
            self.0.set(self.0.get() + 1);
            false
        }

        fn extended(self, _: Self) -> Self {
            self
        }
    }

    let looked = Cell::new(0);
    let marks = Marks::new();
    for name in 0..1_000 {
        marks.set("iss", &name.to_string(), Counted(&looked), at(NOW));
    }
    assert!((1..=2_000).contains(&looked.get()), "{}", looked.get());
}

#[test]
fn a_store_is_empty_until_something_is_revoked() {
    let (store, _) = store();
    assert!(store.is_empty());
    store.revoke_session("iss", "s-1");
    assert!(!store.is_empty());
}

#[test]
fn debug_output_has_the_number_and_no_names() {
    let (store, _) = store();
    store.revoke_session("iss", "s-1");
    store.revoke_subject("iss", "alice");
    assert_eq!(format!("{store:?}"), "MemoryRevocation { len: 2, .. }");
}
