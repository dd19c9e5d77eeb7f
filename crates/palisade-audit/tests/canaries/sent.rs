//! Requests and records that have a text in every place.

use crate::secrets::percent;
use crate::support;
use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use palisade_audit::{
    Audit, AuditLayer, CapturedBody, Class, Format, Guard, Level, MemorySink, Policy, Record, any,
};
use palisade_core::{EventKind, Name, Principal, RequestScope, SecurityEvent};
use serde_json::json;
use std::convert::Infallible;
use tower::{Layer, ServiceExt, service_fn};

pub(crate) struct Sent {
    pub(crate) service: tokio::runtime::Runtime,
    pub(crate) audit: Audit,
    pub(crate) _guard: Guard,
    pub(crate) memories: Vec<MemorySink>,
}

impl Sent {
    pub(crate) fn open() -> Self {
        let formats = [Format::Native, Format::Ecs, Format::Ocsf];
        let memories = formats
            .map(|format| MemorySink::new().format(format))
            .to_vec();
        let policy = Policy::first_match().rule(any(), Level::RequestResponse);
        let mut builder = Audit::builder("bookings")
            .policy(policy)
            .headers(["x-note"])
            // A machine that is busy with something else may take long for a write.
            .sync_timeout(support::PATIENCE);
        for memory in &memories {
            builder = builder.sink(memory.clone());
        }
        let (audit, guard) = builder.open().unwrap();
        Self {
            service: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
            audit,
            _guard: guard,
            memories,
        }
    }

    /// A request that has the text everywhere.
    pub(crate) fn request(&self, text: &str) {
        let response_body = json!({ "note": text, text: 1 }).to_string();
        let principal = text.to_owned();
        let inner = service_fn(move |request: Request<CapturedBody<Full<Bytes>>>| {
            let (body, text) = (response_body.clone(), principal.clone());
            async move {
                let scope = RequestScope::current(request.extensions()).unwrap();
                let principal = Principal::user(&text, &text).tenant(&text);
                scope.push_principal(principal.into());
                let event = SecurityEvent::new(EventKind::LoginFailure);
                scope.record(event.subject(&text).detail(text));
                request.into_body().collect().await.unwrap();
                let response = Response::builder().header("content-type", "application/json");
                Ok::<_, Infallible>(response.body(Full::new(Bytes::from(body))).unwrap())
            }
        });
        let layer = AuditLayer::new(self.audit.clone()).request_body(|body| body);
        let service = layer.layer(inner);
        let in_uri = percent(text, false);
        let in_header = HeaderValue::from_str(text).unwrap();
        for (kind, body) in [
            (
                "application/json",
                json!([text, { text: 1 }, { "deep": { "note": text } }]).to_string(),
            ),
            (
                "application/x-www-form-urlencoded",
                format!("note={in_uri}&{in_uri}=1&n={}", text.replace('&', "%26")),
            ),
        ] {
            let request = Request::post(format!("/rooms/{in_uri}?note={in_uri}&{in_uri}"))
                .header("content-type", kind)
                .header(USER_AGENT, in_header.clone())
                .header("x-note", in_header.clone())
                .header(HOST, in_header.clone())
                .body(Full::new(Bytes::from(body)))
                .unwrap();
            let service = service.clone();
            self.service.block_on(async move {
                let response = service.oneshot(request).await.unwrap();
                response.into_body().collect().await.unwrap();
            });
        }
    }

    /// A record of the application that has the text everywhere.
    pub(crate) fn record(&self, text: &str) {
        let name = Name::new("room_sold");
        for record in [
            Record::new(EventKind::AdminAction),
            Record::new(EventKind::LoginFailure),
            Record::named(name, Class::Data),
        ] {
            self.audit.record(
                record
                    .actor(text)
                    .action(text.to_owned())
                    .resource(text.to_owned())
                    .reason(text.to_owned())
                    .detail("note", text)
                    .detail(text.to_owned(), 1)
                    .detail("deep", json!({ "list": [text, { text: [text] }] })),
            );
        }
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.service.block_on(async {
            self.audit.flush().await.unwrap();
            // The sinks behind the first have threads of their own.
            let first = || self.memories[0].lines().len();
            support::until(|| {
                self.memories
                    .iter()
                    .all(|memory| memory.lines().len() >= first())
            })
            .await;
        });
        self.memories.iter().flat_map(MemorySink::lines).collect()
    }
}
