//! A filter that logs its hooks and does what it is told.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use palisade_core::filter::{
    BodyEnd, Exchange, Failure, Filter, Park, ReplaceBody, Step, Wait, Watch,
};
use palisade_core::time;

/// The hooks that were called, in their order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.0.borrow_mut().push(what.into());
    }

    /// Everything so far, and forgets it.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.borrow_mut())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    Pass,
    /// Passes, and the response does not concern it.
    PassUnseen,
    Answer,
    /// Answers, and wants to see its own answer.
    AnswerSeen,
    /// Waits until its gate opens, and then passes.
    Wait,
    /// Waits until its gate opens, and then answers.
    WaitThenAnswer,
    /// Waits until its gate opens, and then passes, and the response does not concern it.
    WaitUnseen,
    /// Holds the response until its gate opens.
    Hold,
}

#[derive(Debug, Clone)]
pub(crate) struct Probe {
    pub(crate) name: &'static str,
    pub(crate) plan: Plan,
    pub(crate) log: Log,
    /// Whether what it waits for is there.
    pub(crate) gate: Rc<Cell<bool>>,
    /// The time that it read at each of its hooks.
    pub(crate) times: Rc<RefCell<Vec<time::Instant>>>,
}

impl Probe {
    pub(crate) fn new(name: &'static str, plan: Plan, log: &Log) -> Self {
        Self {
            name,
            plan,
            log: log.clone(),
            gate: Rc::default(),
            times: Rc::default(),
        }
    }

    fn kept(&self) -> Kept {
        Kept {
            name: self.name,
            log: Some(self.log.clone()),
        }
    }

    fn note(&self, what: &str) {
        self.log.note(format!("{} {what}", self.name));
    }

    fn answer(&self) -> Response<Bytes> {
        self.note("answers");
        let mut response = Response::new(Bytes::from_static(b"answered"));
        *response.status_mut() = http::StatusCode::IM_A_TEAPOT;
        response
    }
}

/// Logs that it was dropped, unless a hook took it.
#[derive(Debug)]
pub(crate) struct Kept {
    name: &'static str,
    log: Option<Log>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(log) = &self.log {
            log.note(format!("{} drops", self.name));
        }
    }
}

#[derive(Debug)]
pub(crate) struct Query;

impl Wait<Probe> for Query {
    fn poll_wait(&mut self, probe: &Probe, cx: &mut Context<'_>) -> Poll<()> {
        if probe.gate.get() {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn resume<B>(self, probe: &Probe, exchange: &mut Exchange, _: &mut Request<B>) -> Step<Probe> {
        probe.times.borrow_mut().push(exchange.now());
        probe.note("resumes");
        match probe.plan {
            Plan::WaitThenAnswer => Step::answer(probe.answer()),
            _ => Step::Pass(probe.kept()),
        }
    }
}

impl<S: Clone> Park<S> for Query {
    fn park(&self, service: &mut S) -> S {
        let clone = service.clone();
        std::mem::replace(service, clone)
    }
}

impl Filter for Probe {
    type Kept = Kept;
    type Wait = Query;
    type Watch = Observer;

    fn on_request<B>(&self, exchange: &mut Exchange, _: &mut Request<B>) -> Step<Self> {
        self.times.borrow_mut().push(exchange.now());
        self.note("request");
        match self.plan {
            Plan::Pass | Plan::PassUnseen | Plan::Hold => Step::Pass(self.kept()),
            Plan::Answer => Step::answer(self.answer()),
            Plan::AnswerSeen => Step::Answer(Box::new(self.answer()), Some(self.kept())),
            Plan::Wait | Plan::WaitUnseen | Plan::WaitThenAnswer => Step::Wait(Query),
        }
    }

    fn needs_response(&self, _: &Kept) -> bool {
        !matches!(self.plan, Plan::PassUnseen | Plan::WaitUnseen)
    }

    fn poll_response<B: ReplaceBody>(
        &self,
        _: &mut Exchange,
        _: &mut Kept,
        _: &mut Response<B>,
        _: &mut Context<'_>,
    ) -> Poll<()> {
        if self.plan == Plan::Hold && !self.gate.get() {
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn on_response<B: ReplaceBody>(
        &self,
        exchange: &mut Exchange,
        mut kept: Kept,
        response: &mut Response<B>,
    ) -> Observer {
        self.times.borrow_mut().push(exchange.now());
        self.note(&format!("response {}", response.status().as_u16()));
        Observer {
            name: self.name,
            log: kept.log.take(),
        }
    }

    fn on_failure(&self, _: &mut Exchange, mut kept: Kept, failure: Failure) {
        kept.log = None;
        self.note(&format!("{failure:?}"));
    }
}

#[derive(Debug, Default)]
pub(crate) struct Observer {
    name: &'static str,
    log: Option<Log>,
}

impl Watch for Observer {
    fn on_data(&mut self, data: &Bytes) {
        if let Some(log) = &self.log {
            log.note(format!(
                "{} sees {}",
                self.name,
                String::from_utf8_lossy(data)
            ));
        }
    }

    fn on_end(&mut self, end: BodyEnd) {
        if let Some(log) = self.log.take() {
            log.note(format!("{} {end:?}", self.name));
        }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        if let Some(log) = &self.log {
            log.note(format!("{} body dropped", self.name));
        }
    }
}
