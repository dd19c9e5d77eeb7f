//! The queue of alerts and the thread that sends them.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc as blocking;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use palisade_client::{HttpClient, HttpClientError};
use palisade_core::time::{self, Instant};
use tokio::sync::{mpsc, watch};

use super::payload::Message;
use crate::meters::Alerts;

/// The longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Tells the client that a repeated request does no harm, and a receiver that knows it which ones are repeated.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The limits of a webhook.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) capacity: usize,
    /// The age at which an alert is given up.
    pub(super) give_up: Duration,
    /// The first pause after a failure.
    pub(super) pause: Duration,
    /// The time for what is left at the end.
    pub(super) flush: Duration,
}

/// The sender of alerts.
pub(super) struct AlertSender {
    pub(super) url: Uri,
    pub(super) headers: HeaderMap,
    pub(super) client: HttpClient,
    pub(super) settings: Settings,
    pub(super) meters: Alerts,
}

/// Alerts on their way. Dropping it sends what is left, for as long as the settings allow.
pub(super) struct Outbox {
    sender: Option<mpsc::Sender<(Message, Instant)>>,
    /// Alerts that were taken in and neither delivered nor given up.
    pending: Arc<AtomicU64>,
    closing: watch::Sender<bool>,
    ended: blocking::Receiver<()>,
    flush: Duration,
}

impl Outbox {
    /// # Errors
    ///
    /// Fails when the system gives no thread, or none of what a runtime needs.
    pub(super) fn start(alert_sender: AlertSender) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (sender, alerts) = mpsc::channel(alert_sender.settings.capacity);
        let (closing, closes) = watch::channel(false);
        let (ends, ended) = blocking::channel();
        let pending = Arc::new(AtomicU64::new(0));
        let left = Arc::clone(&pending);
        let flush = alert_sender.settings.flush;
        std::thread::Builder::new()
            .name("palisade-audit-webhook".into())
            .spawn(move || {
                runtime.block_on(alert_sender.run(alerts, closes, &left));
                // A connection that hangs must not hold up the end.
                runtime.shutdown_background();
                let _ = ends.send(());
            })?;
        Ok(Self {
            sender: Some(sender),
            pending,
            closing,
            ended,
            flush,
        })
    }

    /// Takes an alert in, without waiting; `false` when there is no room.
    pub(super) fn push(&self, message: Message, now: Instant) -> bool {
        self.pending.fetch_add(1, Ordering::Relaxed);
        let sent = self
            .sender
            .as_ref()
            .is_some_and(|sender| sender.try_send((message, now)).is_ok());
        if !sent {
            self.pending.fetch_sub(1, Ordering::Relaxed);
        }
        sent
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.sender = None;
        self.closing.send_replace(true);
        // The thread keeps to the time itself; this is for one that hangs all the same.
        let patience = self.flush.saturating_add(Duration::from_millis(500));
        let _ = self.ended.recv_timeout(patience);
    }
}

impl AlertSender {
    /// Sends alerts until there are no more, or the time at the end is over.
    async fn run(
        &self,
        alerts: mpsc::Receiver<(Message, Instant)>,
        closing: watch::Receiver<bool>,
        pending: &AtomicU64,
    ) {
        let mut sending = pin!(self.send_all(alerts, closing.clone(), pending));
        let mut late = pin!(self.flush_time(closing));
        poll_fn(|cx| match sending.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => late.as_mut().poll(cx),
        })
        .await;
        let left = pending.swap(0, Ordering::Relaxed);
        if left > 0 {
            self.meters.failed(left);
            tracing::error!(target: "palisade_audit", alerts = left, "alerts were not delivered before the end");
        }
    }

    async fn flush_time(&self, mut closing: watch::Receiver<bool>) {
        // An error means that nobody can close it any more, which is the same.
        let _ = closing.wait_for(|closes| *closes).await;
        tokio::time::sleep(self.settings.flush).await;
    }

    async fn send_all(
        &self,
        mut alerts: mpsc::Receiver<(Message, Instant)>,
        mut closing: watch::Receiver<bool>,
        pending: &AtomicU64,
    ) {
        while let Some((message, raised)) = alerts.recv().await {
            match self.deliver(&message, raised, &mut closing).await {
                Ok(()) => self.meters.sent(),
                Err(reason) => {
                    self.meters.failed(1);
                    tracing::error!(target: "palisade_audit", reason, "an alert was not delivered");
                }
            }
            pending.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Tries until the alert is delivered, refused or too old; once more where the trail is closed meanwhile.
    async fn deliver(
        &self,
        message: &Message,
        raised: Instant,
        closing: &mut watch::Receiver<bool>,
    ) -> Result<(), String> {
        let mut pause = self.settings.pause;
        loop {
            let is_last = *closing.borrow();
            let failure = match self.attempt(message).await {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            let age = time::now().saturating_duration_since(raised);
            let Some(retry_after) = failure.retry_after else {
                return Err(failure.reason);
            };
            if is_last || age >= self.settings.give_up {
                return Err(failure.reason);
            }
            tracing::warn!(target: "palisade_audit", reason = failure.reason, "an alert is tried again");
            let wait = pause.max(retry_after).min(LONGEST_PAUSE);
            let left = self.settings.give_up.saturating_sub(age);
            let closes = closing.wait_for(|closes| *closes);
            let _ = tokio::time::timeout(wait.min(left), closes).await;
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }

    async fn attempt(&self, message: &Message) -> Result<(), Failure> {
        let mut request = Request::new(message.body.clone());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        *request.headers_mut() = self.headers.clone();
        if let Ok(id) = HeaderValue::try_from(&*message.id) {
            request.headers_mut().insert(IDEMPOTENCY_KEY, id);
        }
        let response = self
            .client
            .send(request)
            .await
            .map_err(|error| Failure::of_error(&error))?;
        if response.status().is_success() {
            Ok(())
        } else {
            Err(Failure::of_response(&response))
        }
    }
}

/// The failure of an attempt.
struct Failure {
    /// For logs: names nothing of a URL but scheme, host and port.
    reason: String,
    /// The least time until another attempt, where one may help.
    retry_after: Option<Duration>,
}

impl Failure {
    fn of_error(error: &HttpClientError) -> Self {
        let retry_after = match error {
            HttpClientError::Open { retry_after, .. } => Some(retry_after.unwrap_or_default()),
            HttpClientError::Connect { .. }
            | HttpClientError::Exchange { .. }
            | HttpClientError::TimedOut { .. } => Some(Duration::ZERO),
            _ => None,
        };
        Self {
            reason: error.to_string(),
            retry_after,
        }
    }

    fn of_response(response: &Response<Bytes>) -> Self {
        let status = response.status();
        let is_passing = status.is_server_error()
            || matches!(
                status,
                StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
            );
        let seconds = response
            .headers()
            .get(http::header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Self {
            reason: format!("the receiver answered {status}"),
            retry_after: is_passing.then(|| Duration::from_secs(seconds.unwrap_or(0))),
        }
    }
}
