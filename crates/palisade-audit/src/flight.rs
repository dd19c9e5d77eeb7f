use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body::Body;
use palisade_core::{RequestScope, sent_path, time};

use crate::capture::{Capture, SharedCapture};
use crate::entry::{Entry, Slot};
use crate::trail::ack::Settle;
use crate::trail::queue::{Item, Room};
use crate::{Audit, Delivery, Level, Outcome};

/// A request that will leave its record however it ends, last of all when this is dropped.
#[derive(Debug)]
pub(crate) struct InFlight {
    entry: Option<Slot>,
    audit: Audit,
    /// Set while the service's own code runs: a drop that finds it set comes from a panic, which a runtime may have
    /// caught by then.
    inside: bool,
    reserved: bool,
}

impl InFlight {
    /// Notes who asks for what.
    pub(crate) fn enter<B>(
        audit: &Audit,
        request: &mut Request<B>,
        captures: bool,
    ) -> (Self, Option<SharedCapture>) {
        let shared = audit.shared();
        let scope = RequestScope::enter(request.extensions_mut());
        let (level, delivery) = shared.policy.on_entry(
            request.method(),
            sent_path(request.extensions(), request.uri()),
        );
        let delivery = delivery.unwrap_or(Delivery::BestEffort);
        let (mut entry, reserved) = shared.queue.entry(delivery > Delivery::BestEffort);
        entry.at = shared.clock.now();
        entry.started = Some(scope.started());
        entry.delivery = delivery;
        let headers = request.headers();
        entry.client = shared.client_ip.of(request.extensions(), headers);
        if let Some(client) = entry.client {
            scope.set_client(client);
        }
        entry.set_target(request.method(), request.uri(), headers.get(header::HOST));
        entry.set_path(sent_path(request.extensions(), request.uri()));
        for name in &shared.headers {
            if let Some(value) = headers.get(name) {
                entry.add_header(name, value);
            }
        }
        entry.scope = Some(scope);
        entry.capture_limit = (level > Level::Request).then_some(shared.capture);
        let capture = (captures && level > Level::Metadata)
            .then(|| SharedCapture::new(Capture::of(headers, shared.capture)));
        entry.request_body.clone_from(&capture);
        let flight = Self {
            entry: Some(entry),
            audit: audit.clone(),
            inside: false,
            reserved,
        };
        (flight, capture)
    }

    pub(crate) const fn audit(&self) -> &Audit {
        &self.audit
    }

    pub(crate) fn delivery(&self) -> Delivery {
        self.entry
            .as_ref()
            .map_or(Delivery::BestEffort, |entry| entry.delivery)
    }

    pub(crate) const fn is_reserved(&self) -> bool {
        self.reserved
    }

    pub(crate) const fn set_reserved(&mut self) {
        self.reserved = true;
    }

    /// Says whether the service's own code runs now.
    pub(crate) const fn set_inside(&mut self, inside: bool) {
        self.inside = inside;
    }

    /// Notes the head of the response; answers how hard its record must be kept.
    pub(crate) fn see_head<B: Body>(&mut self, response: &Response<B>) -> Delivery {
        let deliveries = &self.audit.shared().deliveries;
        let Some(entry) = &mut self.entry else {
            return Delivery::BestEffort;
        };
        entry.status = Some(response.status());
        entry.expected = expected_bytes(&entry.method, response);
        see_grpc_status(entry, response.headers());
        entry.response_body = entry
            .capture_limit
            .map(|limit| Box::new(Capture::of(response.headers(), limit)));
        if let Some(scope) = &entry.scope {
            let events = scope.take_events();
            if !events.is_empty() {
                entry.events.extend(events);
            }
            entry.principal = scope.principal();
        }
        let strictest = entry.classes().map(|class| deliveries.of(class)).max();
        entry.delivery = entry
            .delivery
            .max(strictest.unwrap_or(Delivery::BestEffort));
        entry.delivery
    }

    /// Notes bytes of the body that went out.
    pub(crate) fn see_data(&mut self, data: &[u8]) {
        if let Some(entry) = &mut self.entry {
            entry.sent = entry.sent.saturating_add(data.len() as u64);
            if let Some(capture) = &mut entry.response_body {
                capture.see(data);
            }
        }
    }

    pub(crate) fn see_trailers(&mut self, trailers: &HeaderMap) {
        if let Some(entry) = &mut self.entry {
            see_grpc_status(entry, trailers);
        }
    }

    /// Puts what is known so far on record, and asks to be told when it is on the disk.
    pub(crate) fn push_stage(&mut self, settle: Settle) {
        let Some(entry) = &mut self.entry else { return };
        if let (Some(started), true) = (entry.started, entry.duration.is_zero()) {
            entry.duration = time::now().saturating_duration_since(started);
        }
        let stage = Box::new(entry.stage_begun());
        let queue = &self.audit.shared().queue;
        queue.push(Item::Request(stage, Some(settle)), Room::Over);
    }

    /// The response is over, as well as its status says.
    pub(crate) fn complete(&mut self) {
        let outcome = self.entry.as_ref().map(|entry| entry.outcome_of_status());
        if let Some(outcome) = outcome {
            self.finish(outcome);
        }
    }

    /// Puts the request on record; only the first time counts.
    pub(crate) fn finish(&mut self, outcome: Outcome) {
        let Some(mut entry) = self.entry.take() else {
            return;
        };
        let shared = self.audit.shared();
        entry.outcome = Some(outcome);
        if let Some(started) = entry.started {
            entry.duration = time::now().saturating_duration_since(started);
        }
        if let Some(scope) = &entry.scope {
            scope.on_late_event_shared(std::sync::Arc::clone(&shared.late));
            let events = scope.close();
            if !events.is_empty() {
                entry.events.extend(events);
                let strictest = entry
                    .classes()
                    .map(|class| shared.deliveries.of(class))
                    .max();
                entry.delivery = entry
                    .delivery
                    .max(strictest.unwrap_or(Delivery::BestEffort));
            }
            entry.principal = scope.principal();
        }
        let room = match entry.delivery {
            _ if self.reserved => Room::Reserved,
            Delivery::BestEffort => Room::Ordinary,
            _ => Room::Over,
        };
        shared.queue.push(Item::Request(entry, None), room);
    }

    fn outcome_of_drop(&self) -> Outcome {
        let Some(entry) = &self.entry else {
            return Outcome::Aborted;
        };
        if self.inside || std::thread::panicking() {
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
    fn drop(&mut self) {
        if self.entry.is_some() {
            self.finish(self.outcome_of_drop());
        }
    }
}

/// How many bytes of the body go out, where that is known: none for `HEAD` and for statuses without a body, whatever
/// the body says (RFC 9110, section 6.4.1).
fn expected_bytes<B: Body>(method: &Method, response: &Response<B>) -> Option<u64> {
    let status = response.status();
    let bodiless = method == Method::HEAD
        || status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if bodiless {
        return Some(0);
    }
    response.body().size_hint().exact()
}

fn see_grpc_status(entry: &mut Entry, headers: &HeaderMap) {
    if let Some(status) = headers.get("grpc-status")
        && let Ok(text) = status.to_str()
    {
        entry.grpc_status = text.parse().ok();
    }
}
