use std::time::Duration;

use http::HeaderName;
use palisade_core::Problems;

use super::{AuditBuilder, NO_SINK};

impl AuditBuilder {
    /// The headers to record, or everything that cannot be used as it was set.
    pub(super) fn check(&self) -> Result<Vec<HeaderName>, Problems> {
        let mut problems = Problems::none();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if self.service.is_empty() || self.service.len() > 64 || !self.service.bytes().all(plain) {
            problems.push(
                "service",
                "must be 1 to 64 characters of A-Z, a-z, 0-9, '-', '_' and '.'",
            );
        }
        if self.file.is_none() && self.sinks.is_empty() {
            problems.push(NO_SINK.0, NO_SINK.1);
        }
        if let Some(file) = &self.file {
            file.check(&mut problems);
        }
        if let Some(seal) = &self.seal {
            seal.check(&mut problems);
        }
        if !(16..=1_000_000).contains(&self.capacity) {
            problems.push("capacity", "must be 16 to 1000000");
        }
        if self.capture > 1 << 20 {
            problems.push("capture", "must be at most 1 MiB");
        }
        if self.recent > 100_000 {
            problems.push("recent", "must be at most 100000");
        }
        if self.sync_every < Duration::from_millis(10) {
            problems.push("sync_every", "must be at least 10 milliseconds");
        }
        if !(Duration::from_millis(10)..=Duration::from_secs(60)).contains(&self.sync_timeout) {
            problems.push("sync_timeout", "must be 10 milliseconds to 1 minute");
        }
        let mut headers = Vec::new();
        for name in &self.headers {
            match name.parse::<HeaderName>() {
                Ok(name) if headers.contains(&name) => {
                    problems.push("headers", format!("{name:?} is listed twice"));
                }
                Ok(name) => headers.push(name),
                Err(_) => problems.push("headers", format!("{name:?} is not the name of a header")),
            }
        }
        problems.into_result(headers)
    }
}
