mod outbox;
mod payload;

use std::fmt;
use std::io;
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Uri};
use palisade_client::HttpClient;
use palisade_core::{Problems, Severity, time};

use self::outbox::{AlertSender, Outbox, Settings};
use self::payload::{Alert, Form};
use super::Sink;
use super::news::News;
use crate::meters::Alerts;
use crate::{AuditError, Batch};

/// The URL of PagerDuty's Events API v2.
const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";

/// The host of Slack's incoming webhooks.
const SLACK_HOST: &str = "hooks.slack.com";

/// Posts critical records to PagerDuty, to Slack, or as JSON to a URL.
///
/// Alerts wait in a queue of their own and are sent from a thread of its own: a receiver that hangs holds up neither
/// the trail nor its other sinks. A repetition of an alert within [`dedup_within`](Self::dedup_within) is held back, and
/// the next one says how many were. An alert that cannot be delivered is tried again until it is
/// [too old](Self::give_up_after): by the retries of the client within seconds, and with pauses of up to a minute after
/// that, which the breaker of the client keeps away from a receiver that is down.
///
/// A shutdown of the trail sends what is left, for at most [`flush_timeout`](Self::flush_timeout).
///
/// # Security
///
/// The alert holds the record after redaction, and no more. URLs, routing keys and headers are in no error, log line,
/// metric or `Debug`; of a URL these show scheme, host and port.
///
/// # Example
///
/// ```
/// use palisade_audit::{Audit, MemorySink, Webhook};
///
/// let webhook = Webhook::slack("https://hooks.slack.com/services/T000/B000/XXXX")?;
/// let (audit, guard) = Audit::builder("bookings")
///     .sink(MemorySink::new())
///     .sink(webhook)
///     .open()?;
/// # drop((audit, guard));
/// # Ok::<(), palisade_audit::AuditError>(())
/// ```
#[must_use = "nothing is sent until the sink is added to a trail"]
pub struct Webhook {
    url: Uri,
    form: Form,
    headers: HeaderMap,
    client: HttpClient,
    least: Severity,
    news: News,
    settings: Settings,
    meters: Alerts,
    /// The queue, once there was something to send.
    outbox: Option<Outbox>,
}

impl Webhook {
    /// The time in which a repetition of an alert is held back by default: 5 minutes.
    pub const DEFAULT_DEDUP: Duration = Duration::from_secs(300);

    /// Alerts that may wait by default: 100, of at most some kilobytes each.
    pub const DEFAULT_CAPACITY: usize = 100;

    /// The age at which an undelivered alert is given up by default: 1 hour. Whoever is on duty then looks at the trail.
    pub const DEFAULT_GIVE_UP: Duration = Duration::from_secs(3_600);

    /// Sends events to PagerDuty (Events API v2), to the service of this routing key.
    ///
    /// Events of the same alert carry the same `dedup_key`, so that PagerDuty adds them to one incident.
    ///
    /// # Errors
    ///
    /// Refuses an empty key, and a system on which no HTTPS client can be made.
    pub fn pagerduty(routing_key: &str) -> Result<Self, AuditError> {
        Self::pagerduty_at(PAGERDUTY, routing_key)
    }

    /// Sends events in PagerDuty's form to another URL, such as that of its European service region.
    ///
    /// # Errors
    ///
    /// Refuses an empty key and what is no URL of a webhook.
    pub fn pagerduty_at(url: &str, routing_key: &str) -> Result<Self, AuditError> {
        if routing_key.trim().is_empty() {
            return Err(Problems::one("webhook.routing_key", "is empty").into());
        }
        Self::new(url, Form::PagerDuty(routing_key.trim().into()))
    }

    /// Posts messages to an incoming webhook of Slack, or of a chat that takes the same (`{"text": "..."}`).
    ///
    /// # Errors
    ///
    /// Refuses what is no URL of a webhook.
    pub fn slack(url: &str) -> Result<Self, AuditError> {
        Self::new(url, Form::Slack)
    }

    /// Posts a JSON object with the members `service`, `event`, `severity`, `summary`, `dedup_key`, `held_back` and
    /// `record`.
    ///
    /// # Errors
    ///
    /// Refuses what is no URL of a webhook.
    pub fn json(url: &str) -> Result<Self, AuditError> {
        Self::new(url, Form::Json)
    }

    /// Chooses the form by the URL, for a setting that is one text: Slack's at `hooks.slack.com`; PagerDuty's where the
    /// query has a `routing_key`, which is taken from it; else JSON.
    ///
    /// # Errors
    ///
    /// Refuses what is no URL of a webhook.
    pub fn from_url(url: &str) -> Result<Self, AuditError> {
        let (place, query) = url.split_once('?').unwrap_or((url, ""));
        let key = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("routing_key="));
        if let Some(key) = key {
            return Self::pagerduty_at(place, key);
        }
        let host = url.parse::<Uri>().ok();
        let host = host.as_ref().and_then(Uri::host).unwrap_or_default();
        if host.eq_ignore_ascii_case(SLACK_HOST) {
            Self::slack(url)
        } else {
            Self::json(url)
        }
    }

    fn new(url: &str, form: Form) -> Result<Self, AuditError> {
        let mut problems = Problems::none();
        let parsed = url.trim().parse::<Uri>().unwrap_or_default();
        if !matches!(parsed.scheme_str(), Some("https" | "http")) || parsed.host().is_none() {
            // The URL is a credential, and is not shown.
            problems.push("webhook.url", "must be an https URL");
        }
        let has_user = parsed
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@'));
        if has_user {
            problems.push(
                "webhook.url",
                "must have no user information; set a header instead",
            );
        }
        let client = HttpClient::builder()
            .name("audit-webhook")
            .max_body(64 * 1_024)
            .build()
            .map_err(|error| problems.push("webhook.client", error.to_string()))
            .ok();
        let Some(client) = client.filter(|_| problems.is_empty()) else {
            return Err(problems.into());
        };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(Self {
            url: parsed,
            form,
            headers,
            client,
            least: Severity::Critical,
            news: News::new(Self::DEFAULT_DEDUP),
            settings: Settings {
                capacity: Self::DEFAULT_CAPACITY,
                give_up: Self::DEFAULT_GIVE_UP,
                pause: Duration::from_secs(1),
                flush: Duration::from_secs(5),
            },
            meters: Alerts::new(),
            outbox: None,
        })
    }

    /// Sets a header of every request, such as `Authorization`.
    ///
    /// # Errors
    ///
    /// Refuses what is no header.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, AuditError> {
        let name = HeaderName::try_from(name)
            .map_err(|_| Problems::one("webhook.header", "is not the name of a header"))?;
        let mut value = HeaderValue::try_from(value)
            .map_err(|_| Problems::one("webhook.header", "is not the value of a header"))?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Sends records of this severity and above; default [`Severity::Critical`].
    pub const fn severity(mut self, least: Severity) -> Self {
        self.least = least;
        self
    }

    /// Sets the time in which a repetition of an alert (same event, actor and client address) is held back; default
    /// [`DEFAULT_DEDUP`](Self::DEFAULT_DEDUP). Zero holds nothing back.
    pub fn dedup_within(mut self, time: Duration) -> Self {
        self.news = News::new(time);
        self
    }

    /// Sets how many alerts may wait, at least 1; default [`DEFAULT_CAPACITY`](Self::DEFAULT_CAPACITY). Further ones are
    /// dropped and counted; the trail has them.
    pub fn capacity(mut self, alerts: usize) -> Self {
        self.settings.capacity = alerts.max(1);
        self
    }

    /// Sets the age at which an alert that could not be delivered is given up; default
    /// [`DEFAULT_GIVE_UP`](Self::DEFAULT_GIVE_UP).
    pub const fn give_up_after(mut self, age: Duration) -> Self {
        self.settings.give_up = age;
        self
    }

    /// Sets the pause after all attempts of the client have failed, at least 1 millisecond; default 1 second. It doubles
    /// with every failure, up to 1 minute.
    pub fn retry_pause(mut self, first: Duration) -> Self {
        self.settings.pause = first.max(Duration::from_millis(1));
        self
    }

    /// Sets how long a shutdown of the trail waits for what is left in the queue; default 5 seconds. The time given to
    /// [`Guard::shutdown`](crate::Guard::shutdown) bounds it as well.
    pub const fn flush_timeout(mut self, time: Duration) -> Self {
        self.settings.flush = time;
        self
    }

    /// Sends through this client, which has the limits, breaker, retries, proxy and certificates.
    pub fn client(mut self, client: HttpClient) -> Self {
        self.client = client;
        self
    }

    fn outbox(&mut self) -> io::Result<&Outbox> {
        let outbox = match self.outbox.take() {
            Some(outbox) => outbox,
            None => Outbox::start(AlertSender {
                url: self.url.clone(),
                headers: self.headers.clone(),
                client: self.client.clone(),
                settings: self.settings,
                meters: self.meters.clone(),
            })?,
        };
        Ok(self.outbox.insert(outbox))
    }
}

impl Sink for Webhook {
    fn write(&mut self, batch: &Batch) -> io::Result<()> {
        let (now, least) = (time::now(), self.least);
        for line in batch.lines().filter(|line| line.severity >= least) {
            let record = serde_json::from_str(line.text).unwrap_or_default();
            let Some(fresh) = self.news.see(&record, now) else {
                self.meters.held_back();
                continue;
            };
            let message = self.form.message(&Alert {
                record: &record,
                severity: line.severity,
                fresh: &fresh,
            });
            if !self.outbox()?.push(message, now) {
                self.meters.dropped();
                tracing::error!(target: "palisade_audit", "an alert was dropped: too many wait");
            }
        }
        Ok(())
    }

    fn patience(&self) -> Duration {
        self.settings.flush.saturating_add(Duration::from_secs(1))
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("host", &self.url.host())
            .field("form", &self.form)
            .field("severity", &self.least)
            .field("dedup_within", &self.news.within())
            .finish_non_exhaustive()
    }
}
