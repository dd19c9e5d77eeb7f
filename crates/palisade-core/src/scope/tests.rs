use std::sync::Mutex;

use super::*;
use crate::EventKind;

#[test]
fn the_latest_principal_wins_and_history_is_kept() {
    let scope = RequestScope::detached();
    scope.push_principal(Principal::user("iss", "alice").into());
    scope.push_principal(Principal::user("iss", "alice-stepped-up").into());
    assert_eq!(scope.principal().unwrap().subject(), "alice-stepped-up");
    let subjects: Vec<String> = scope
        .principals()
        .iter()
        .map(|known| known.subject().to_owned())
        .collect();
    assert_eq!(subjects, ["alice", "alice-stepped-up"]);
}

#[test]
fn outbound_carries_the_id_and_the_trace_alone() {
    let scope = RequestScope::detached();
    let trace = TraceParent {
        trace_id: [1; 16],
        parent_id: [2; 8],
        flags: 1,
    };
    scope.set_request_id(RequestId::new("id-1").unwrap());
    scope.set_trace_parent(trace);
    scope.push_principal(Principal::user("iss", "alice").into());
    scope.record(SecurityEvent::new(EventKind::LoginFailure));

    let outbound = scope.outbound();

    assert_eq!(outbound.request_id().unwrap().as_str(), "id-1");
    assert_eq!(outbound.trace_parent(), Some(trace));
    assert!(outbound.principal().is_none());
    assert!(outbound.close().is_empty());
}

#[test]
fn the_first_id_stays() {
    let scope = RequestScope::detached();
    scope.set_request_id(RequestId::new("first").unwrap());
    assert_eq!(
        scope
            .set_request_id(RequestId::new("second").unwrap())
            .as_str(),
        "first"
    );
}

#[test]
fn events_after_close_reach_the_sink_with_the_request_id() {
    let scope = RequestScope::detached();
    scope.set_request_id(RequestId::new("id-1").unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    scope.on_late_event(move |id, event| {
        sink.lock()
            .unwrap()
            .push((id.map(ToString::to_string), event.kind()));
    });
    scope.record(SecurityEvent::new(EventKind::LoginFailure));

    assert_eq!(scope.close().len(), 1);
    scope.record(SecurityEvent::new(EventKind::AdminAction));

    assert_eq!(
        *seen.lock().unwrap(),
        [(Some("id-1".to_owned()), EventKind::AdminAction)]
    );
    assert!(scope.close().is_empty(), "a late event is not kept as well");
}

#[test]
fn taking_events_leaves_the_scope_open() {
    let scope = RequestScope::detached();
    let late = Arc::new(Mutex::new(0));
    let sink = Arc::clone(&late);
    scope.on_late_event(move |_, _| *sink.lock().unwrap() += 1);
    scope.record(SecurityEvent::new(EventKind::LoginFailure));
    assert_eq!(scope.take_events().len(), 1);
    scope.record(SecurityEvent::new(EventKind::AdminAction));
    assert_eq!(scope.close()[0].kind(), EventKind::AdminAction);
    assert_eq!(*late.lock().unwrap(), 0, "nothing was late so far");
    scope.record(SecurityEvent::new(EventKind::DataAccess));
    assert_eq!(*late.lock().unwrap(), 1);
}

/// A scope with something of everything.
fn full() -> RequestScope {
    let scope = RequestScope::started_at(time::now(), None);
    scope.set_request_id(RequestId::new("id-1").unwrap());
    scope.set_trace_parent(TraceParent {
        trace_id: [1; 16],
        parent_id: [2; 8],
        flags: 1,
    });
    scope.set_trace_state(HeaderValue::from_static("a=b"));
    scope.set_client(ClientAddr::new([192, 0, 2, 1].into()));
    scope.set_renderer(Renderer::new(|_, _| unreachable!()));
    scope.push_principal(Principal::user("iss", "alice").into());
    scope.push_principal(Principal::user("iss", "alice-stepped-up").into());
    scope.push_limit(LimitDecision::allow(crate::Name::from_static("a")));
    scope.record(SecurityEvent::new(EventKind::LoginFailure));
    scope.on_late_event(|_, _| unreachable!());
    scope
}

fn assert_is_empty(scope: &RequestScope) {
    assert_eq!(scope.request_id(), None);
    assert_eq!(scope.trace_parent(), None);
    assert_eq!(scope.trace_state(), None);
    assert_eq!(scope.client(), None);
    assert!(scope.renderer().is_none());
    assert!(scope.principals().is_empty() && scope.principal().is_none());
    assert!(scope.limits().is_empty());
    assert!(scope.take_events().is_empty());
    // Neither closed nor with a sink.
    scope.record(SecurityEvent::new(EventKind::AdminAction));
    assert_eq!(scope.take_events().len(), 1);
}

fn unused() -> LateSink {
    LateSink::new(|_, _| unreachable!())
}

#[test]
fn a_request_finds_nothing_of_the_one_whose_memory_it_gets() {
    let memory = |scope: &RequestScope| Arc::as_ptr(&scope.0);
    for round in 0..3 {
        let scope = full();
        let at = memory(&scope);
        match round {
            0 => scope.end(),
            _ => drop(scope.close_to(unused)),
        }
        let next = RequestScope::detached();
        assert_eq!(memory(&next), at, "the same memory");
        assert_is_empty(&next);
        next.end();
    }
}

#[test]
fn memory_that_somebody_still_holds_is_no_later_request_s() {
    for closes in [true, false] {
        let scope = full();
        let kept = scope.clone();
        let late = Arc::new(Mutex::new(0));
        if closes {
            let sink = Arc::clone(&late);
            let _ = scope.close_to(|| LateSink::new(move |_, _| *sink.lock().unwrap() += 1));
        } else {
            scope.end();
        }
        assert_is_empty(&RequestScope::detached());
        assert_eq!(kept.principal().unwrap().subject(), "alice-stepped-up");
        if closes {
            kept.record(SecurityEvent::new(EventKind::AdminAction));
            assert_eq!(*late.lock().unwrap(), 1);
        }
    }
}

#[test]
fn closing_takes_what_the_record_needs() {
    for is_shared in [true, false] {
        let scope = full();
        let _other = is_shared.then(|| scope.clone());
        let closed = scope.close_to(unused);
        assert_eq!(closed.request_id.unwrap().as_str(), "id-1");
        assert_eq!(closed.trace_parent.unwrap().flags, 1);
        assert_eq!(closed.principal.unwrap().subject(), "alice-stepped-up");
        assert_eq!(closed.limit.unwrap().policy.as_str(), "a");
        assert_eq!(closed.events.len(), 1);
    }
}

#[test]
fn a_client_that_is_known_at_the_start_stays() {
    let first = ClientAddr::new([192, 0, 2, 1].into());
    let second = ClientAddr::new([192, 0, 2, 2].into());
    let scope = RequestScope::started_at(time::now(), Some(first));
    scope.set_client(second);
    assert_eq!(scope.client(), Some(first));
    let scope = RequestScope::started_at(time::now(), None);
    scope.set_client(second);
    scope.set_client(first);
    assert_eq!(scope.client(), Some(second));
}
