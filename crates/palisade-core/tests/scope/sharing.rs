//! One scope, many threads: nothing is lost, nothing is told twice.

#![allow(missing_docs, reason = "tests")]

use std::collections::HashSet;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use palisade_core::{
    EventKind, LimitDecision, Name, Principal, RequestId, RequestScope, SecurityEvent,
};

const THREADS: usize = 8;
const EACH: usize = 500;

/// Runs `work` on every thread at once, with the number of the thread.
fn at_once<T: Send + 'static>(work: impl Fn(usize) -> T + Send + Sync + 'static) -> Vec<T> {
    let (work, start) = (Arc::new(work), Arc::new(Barrier::new(THREADS)));
    let threads: Vec<_> = (0..THREADS)
        .map(|number| {
            let (work, start) = (Arc::clone(&work), Arc::clone(&start));
            thread::spawn(move || {
                start.wait();
                work(number)
            })
        })
        .collect();
    threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect()
}

#[test]
fn each_event_is_told_once_whenever_the_scope_closes() {
    for _ in 0..20 {
        let scope = RequestScope::detached();
        let late = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&late);
        scope.on_late_event(move |_, event| sink.lock().unwrap().push(event));
        let recording = scope.clone();
        let closed = at_once(move |number| {
            let mut taken = Vec::new();
            for n in 0..EACH {
                let subject = format!("{number}/{n}");
                recording.record(SecurityEvent::new(EventKind::LoginFailure).subject(&subject));
                if number == 0 && n == EACH / 2 {
                    taken = recording.close();
                }
            }
            taken
        });
        let told: Vec<String> = closed
            .into_iter()
            .flatten()
            .chain(late.lock().unwrap().drain(..))
            .map(|event| event.about().unwrap().to_owned())
            .collect();
        assert_eq!(told.len(), THREADS * EACH);
        assert_eq!(told.iter().collect::<HashSet<_>>().len(), THREADS * EACH);
        assert!(scope.close().is_empty());
    }
}

#[test]
fn every_thread_sees_the_same_id() {
    for _ in 0..100 {
        let scope = RequestScope::detached();
        let setting = scope.clone();
        let seen = at_once(move |number| {
            let own = RequestId::new(&format!("id-{number}")).unwrap();
            setting.set_request_id(own).to_string()
        });
        assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 1);
        assert_eq!(scope.request_id().unwrap().as_str(), seen[0]);
    }
}

#[test]
fn no_principal_and_no_decision_is_lost() {
    let scope = RequestScope::detached();
    let pushing = scope.clone();
    at_once(move |number| {
        for n in 0..EACH {
            let subject = format!("{number}/{n}");
            pushing.push_principal(Principal::user("iss", &subject).into());
            pushing.push_limit(LimitDecision::allow(Name::from_static("clients")));
            // Reads meanwhile must neither block for ever nor see half a value.
            assert!(pushing.principal().is_some());
            assert!(pushing.with_limits(|limits| limits.iter().all(|limit| limit.allowed)));
        }
    });
    assert_eq!(scope.principals().len(), THREADS * EACH);
    assert_eq!(scope.limits().len(), THREADS * EACH);
}

#[test]
fn a_sink_may_use_the_scope_that_it_serves() {
    let scope = RequestScope::detached();
    let inside = scope.clone();
    let seen = Arc::new(Mutex::new(None));
    let noted = Arc::clone(&seen);
    scope.on_late_event(move |_, _| *noted.lock().unwrap() = Some(inside.principals().len()));
    let _ = scope.close();
    scope.record(SecurityEvent::new(EventKind::AdminAction));
    assert_eq!(*seen.lock().unwrap(), Some(0));
}
