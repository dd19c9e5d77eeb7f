use std::task::{Context, Poll};

use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, header};
use http_body::Body;
use palisade_core::filter::Exchange;
use palisade_core::{peer_addr, sent_path, time};

use crate::capture::{Capture, SharedCapture};
use crate::entry::{Entry, Slot};
use crate::hold::Hold;
use crate::trail::ack::Settle;
use crate::trail::places::{Place, Room};
use crate::trail::queue::{Item, Need};
use crate::{Audit, Delivery, Level, Outcome};

/// A request that will leave its record however it ends, last of all when this is dropped; by default none.
///
/// One pointer: it lies in the future of every request, and then in the body of its response.
#[derive(Debug, Default)]
pub struct InFlight(Option<Slot>);

impl InFlight {
    /// Notes who asks for what.
    pub(crate) fn enter<B>(
        audit: &Audit,
        exchange: &mut Exchange,
        request: &mut Request<B>,
        captures: bool,
    ) -> Self {
        let shared = audit.shared();
        let at = exchange.unix_now(&shared.clock);
        let resolve = |request: &Request<B>| {
            let peer = peer_addr(request.extensions()).map(|addr| addr.ip());
            shared.client_ip.resolve(peer, request.headers())
        };
        if exchange.find_scope(request.extensions()).is_none() {
            let client = resolve(request);
            exchange.begin_scope(request.extensions_mut(), client);
        }
        let scope = exchange.enter(request.extensions_mut()).clone();
        let path = sent_path(request.extensions(), request.uri());
        let (level, delivery) = shared.policy.on_entry(request.method(), path);
        let delivery = delivery.unwrap_or(Delivery::BestEffort);
        let need = match delivery {
            Delivery::BestEffort if shared.deliveries.all_best_effort() => Need::Never,
            Delivery::BestEffort => Need::Possible,
            _ => Need::Certain,
        };
        let mut entry = shared.queue.entry(need);
        entry.audit = Some(audit.clone());
        entry.at = at;
        entry.started = Some(scope.started());
        entry.delivery = delivery;
        entry.client = scope.client().or_else(|| {
            let client = resolve(request)?;
            scope.set_client(client);
            Some(client)
        });
        let headers = request.headers();
        entry.set_target(request.method(), request.uri(), headers.get(header::HOST));
        entry.set_path(path);
        for name in &shared.headers {
            if let Some(value) = headers.get(name) {
                entry.add_header(name, value);
            }
        }
        entry.scope = Some(scope);
        entry.capture_limit = (level > Level::Request).then_some(shared.capture);
        if captures && level > Level::Metadata {
            let capture = SharedCapture::new(Capture::of(headers, shared.capture));
            entry.request_body = Some(capture.clone());
            request.extensions_mut().insert(capture);
        }
        Self(Some(entry))
    }

    /// Whether there is nothing, or nothing any more, to put on record.
    #[inline]
    pub(crate) const fn is_over(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn delivery(&self) -> Delivery {
        self.0
            .as_ref()
            .map_or(Delivery::BestEffort, |entry| entry.delivery)
    }

    pub(crate) fn is_reserved(&self) -> bool {
        let place = self.0.as_ref().map(|entry| entry.place);
        place == Some(Place::Reserved)
    }

    /// Says whether the service's own code runs now: a drop in between comes from a panic, which a runtime may have
    /// caught by then.
    #[inline]
    pub(crate) fn set_inside(&mut self, inside: bool) {
        if let Some(entry) = &mut self.0 {
            entry.inside = inside;
        }
    }

    /// Notes the head of the response, and waits as its record must be kept. Ready with whether the response may leave
    /// as it is.
    pub(crate) fn poll_head<B: Body>(
        &mut self,
        response: &Response<B>,
        cx: &Context<'_>,
    ) -> Poll<bool> {
        let Some(entry) = &mut self.0 else {
            return Poll::Ready(true);
        };
        let hold = match entry.hold.take() {
            Some(hold) => hold,
            None if entry.status.is_some() => return Poll::Ready(true),
            None => {
                let delivery = self.note_response(response);
                match self.begin_hold(delivery) {
                    Some(hold) => hold,
                    None => return Poll::Ready(true),
                }
            }
        };
        let polled = hold.poll(cx, |cx| self.poll_room(cx));
        if polled.is_pending()
            && let Some(entry) = &mut self.0
        {
            entry.hold = Some(hold);
        }
        polled
    }

    /// Begins to wait, unless the response may leave at once.
    fn begin_hold(&mut self, delivery: Delivery) -> Option<Box<Hold>> {
        let entry = self.0.as_mut()?;
        let shared = entry.audit.as_ref()?.shared();
        match delivery {
            Delivery::BestEffort => None,
            Delivery::Block(patience) => {
                let reserved = shared.queue.reserve(&mut entry.place);
                (!reserved).then(|| Hold::for_room(delivery, shared.alarm.after(patience)))
            }
            Delivery::Durable | Delivery::FailClosed => {
                let deadline = shared.alarm.after(shared.sync_timeout);
                let (hold, settle) = Hold::for_disk(delivery, deadline);
                self.push_stage(settle);
                Some(hold)
            }
        }
    }

    /// Waits for a place in the queue; `false` when the trail is shut down and there will be none.
    fn poll_room(&mut self, cx: &Context<'_>) -> Poll<bool> {
        let Some(entry) = &mut self.0 else {
            return Poll::Ready(true);
        };
        match &entry.audit {
            Some(audit) => audit.shared().queue.poll_reserve(&mut entry.place, cx),
            None => Poll::Ready(true),
        }
    }

    /// Notes the head of the response; answers how hard its record must be kept.
    pub(crate) fn note_response<B: Body>(&mut self, response: &Response<B>) -> Delivery {
        let length = response.body().size_hint().exact();
        self.note_head(response.status(), response.headers(), length)
    }

    pub(crate) fn note_head(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
        length: Option<u64>,
    ) -> Delivery {
        let Some(entry) = &mut self.0 else {
            return Delivery::BestEffort;
        };
        entry.status = Some(status);
        entry.expected = match is_bodiless(&entry.method, status) {
            true => Some(0),
            false => length,
        };
        note_grpc_status(entry, headers);
        entry.response_body = entry
            .capture_limit
            .map(|limit| Box::new(Capture::of(headers, limit)));
        if let Some(scope) = &entry.scope {
            let events = scope.take_events();
            if !events.is_empty() {
                entry.events.extend(events);
            }
        }
        if let Some(audit) = entry.audit.take() {
            entry.be_as_strict_as_its_classes(&audit.shared().deliveries);
            entry.audit = Some(audit);
        }
        entry.delivery
    }

    /// Notes bytes of the body that went out.
    #[inline]
    pub(crate) fn note_data(&mut self, data: &[u8]) {
        if let Some(entry) = &mut self.0 {
            entry.sent = entry.sent.saturating_add(data.len() as u64);
            if let Some(capture) = &mut entry.response_body {
                capture.note(data);
            }
        }
    }

    pub(crate) fn note_trailers(&mut self, trailers: &HeaderMap) {
        if let Some(entry) = &mut self.0 {
            note_grpc_status(entry, trailers);
        }
    }

    /// Puts what is known so far on record, and asks to be told when it is on the disk.
    fn push_stage(&mut self, settle: Settle) {
        let Some(entry) = &mut self.0 else { return };
        let Some(audit) = entry.audit.clone() else {
            return;
        };
        if let (Some(started), true) = (entry.started, entry.duration.is_zero()) {
            entry.duration = time::now().saturating_duration_since(started);
        }
        let stage = Box::new(entry.stage_begun());
        let queue = &audit.shared().queue;
        let item = Item::Request(stage, Some(settle));
        queue.push(item, Room::Over, Place::None);
    }

    /// The response is over, as well as its status says.
    pub(crate) fn complete(&mut self) {
        let outcome = self.0.as_ref().map(|entry| entry.outcome_of_status());
        if let Some(outcome) = outcome {
            self.finish(outcome);
        }
    }

    /// Puts the request on record; only the first time counts.
    pub(crate) fn finish(&mut self, outcome: Outcome) {
        let Some(mut entry) = self.0.take() else {
            return;
        };
        let Some(audit) = entry.audit.take() else {
            return;
        };
        let shared = audit.shared();
        entry.outcome = Some(outcome);
        entry.hold = None;
        if let Some(started) = entry.started {
            entry.duration = time::now().saturating_duration_since(started);
        }
        if let Some(scope) = entry.scope.take() {
            let closed = scope.close_to(|| audit.late());
            entry.note_scope(
                closed.request_id.as_ref(),
                closed.trace_parent,
                closed.limit,
                closed.principal,
            );
            if !closed.events.is_empty() {
                entry.events.extend(closed.events);
                entry.be_as_strict_as_its_classes(&shared.deliveries);
            }
        }
        let room = match entry.delivery {
            Delivery::BestEffort => Room::Ordinary,
            _ => Room::Over,
        };
        shared.queue.push_request(entry, room);
    }

    fn outcome_of_drop(&self) -> Outcome {
        let Some(entry) = &self.0 else {
            return Outcome::Aborted;
        };
        if entry.inside || std::thread::panicking() {
            Outcome::Panic
        } else if entry.status.is_none() {
            Outcome::Aborted
        } else if entry.expected == Some(entry.sent) {
            entry.outcome_of_status()
        } else {
            Outcome::Incomplete
        }
    }
}

impl Drop for InFlight {
    #[inline]
    fn drop(&mut self) {
        if self.0.is_some() {
            self.finish(self.outcome_of_drop());
        }
    }
}

/// Whether no byte of the body goes out, whatever the body says (RFC 9110, section 6.4.1).
fn is_bodiless(method: &Method, status: StatusCode) -> bool {
    method == Method::HEAD
        || status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Its name in a form that need not be parsed for each response.
static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

fn note_grpc_status(entry: &mut Entry, headers: &HeaderMap) {
    if let Some(status) = headers.get(&GRPC_STATUS)
        && let Ok(text) = status.to_str()
    {
        entry.grpc_status = text.parse().ok();
    }
}
