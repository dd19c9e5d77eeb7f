//! Helpers of the tests: a service that does as it is told, and shorthands.
#![allow(dead_code, reason = "each test uses some of it")]

use std::collections::VecDeque;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use palisade_breaker::{BreakerEvent, BreakerHandle, Outcome};
use tower::Service;

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) async fn advance(by: Duration) {
    tokio::time::advance(by).await;
}

pub(crate) fn fail(breaker: &BreakerHandle, times: u32) {
    for _ in 0..times {
        breaker.try_acquire().unwrap().failure();
    }
}

pub(crate) fn succeed(breaker: &BreakerHandle, times: u32) {
    for _ in 0..times {
        breaker.try_acquire().unwrap().success();
    }
}

pub(crate) fn settle(breaker: &BreakerHandle, outcome: Outcome) {
    breaker.try_acquire().unwrap().settle(outcome, None);
}

/// Answers from a list, counts its calls, and panics when it is called without having been polled ready.
#[derive(Debug)]
pub(crate) struct Scripted<T> {
    pub(crate) shared: Arc<Script<T>>,
    ready: bool,
}

#[derive(Debug)]
pub(crate) struct Script<T> {
    pub(crate) answers: Mutex<VecDeque<Result<T, &'static str>>>,
    pub(crate) calls: Mutex<u32>,
    pub(crate) polls: Mutex<u32>,
    pub(crate) readiness: Mutex<Poll<Result<(), &'static str>>>,
}

impl<T> Scripted<T> {
    pub(crate) fn new(answers: impl IntoIterator<Item = Result<T, &'static str>>) -> Self {
        Self {
            shared: Arc::new(Script {
                answers: Mutex::new(answers.into_iter().collect()),
                calls: Mutex::new(0),
                polls: Mutex::new(0),
                readiness: Mutex::new(Poll::Ready(Ok(()))),
            }),
            ready: false,
        }
    }
}

impl<T> Clone for Scripted<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            ready: false,
        }
    }
}

impl<T> Script<T> {
    pub(crate) fn calls(&self) -> u32 {
        *self.calls.lock().unwrap()
    }

    pub(crate) fn polls(&self) -> u32 {
        *self.polls.lock().unwrap()
    }

    pub(crate) fn set_ready(&self, readiness: Poll<Result<(), &'static str>>) {
        *self.readiness.lock().unwrap() = readiness;
    }
}

impl<T, Req> Service<Req> for Scripted<T> {
    type Response = T;
    type Error = &'static str;
    type Future = Ready<Result<T, &'static str>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        *self.shared.polls.lock().unwrap() += 1;
        let readiness = *self.shared.readiness.lock().unwrap();
        self.ready = readiness == Poll::Ready(Ok(()));
        readiness
    }

    fn call(&mut self, _: Req) -> Self::Future {
        assert!(
            std::mem::take(&mut self.ready),
            "called without having been polled ready"
        );
        *self.shared.calls.lock().unwrap() += 1;
        let answer = self.shared.answers.lock().unwrap().pop_front();
        ready(answer.expect("the script is over"))
    }
}

/// Collects events as short texts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Events(Arc<Mutex<Vec<String>>>);

impl Events {
    pub(crate) fn observer(&self) -> impl Fn(&BreakerEvent) + Send + Sync + 'static {
        let events = self.clone();
        move |event| {
            let text = match event {
                BreakerEvent::Transition {
                    from, to, cause, ..
                } => format!("{from} to {to}: {cause}"),
                BreakerEvent::Rejected { rejected, .. } => format!("rejected: {}", rejected.reason),
                BreakerEvent::Trial { .. } => "trial".into(),
                BreakerEvent::LeaseLost { .. } => "lease lost".into(),
                BreakerEvent::WouldTrip { .. } => "would trip".into(),
                other => format!("{other:?}"),
            };
            events.0.lock().unwrap().push(text);
        }
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}
