/// `palisade_crypto_refused_total{message,reason}`: each handle is made once, when its reason first occurs.
#[derive(Clone, Default)]
pub(super) struct Counters {
    #[cfg(feature = "metrics")]
    refused: std::sync::Arc<[[std::sync::OnceLock<metrics::Counter>; REASONS.len()]; 2]>,
}

/// The counter of messages that [`FieldCryptoLayer`](crate::FieldCryptoLayer) refused, by `message`, which is `request`
/// or `response`, and `reason`.
#[cfg(feature = "metrics")]
pub const REFUSED_TOTAL: &str = "palisade_crypto_refused_total";

/// The message that was refused.
#[derive(Clone, Copy)]
pub(super) enum Message {
    Request,
    Response,
}

/// Every reason there is; an unlisted one counts as the last.
#[cfg(feature = "metrics")]
const REASONS: [&str; 15] = [
    "unreadable_form",
    "encoded_body",
    "body_over_limit",
    "body_failed",
    "invalid_json",
    "too_deep",
    "not_sealed",
    "malformed",
    "unknown_suite",
    "unknown_key",
    "refused",
    "wrong_type",
    "cannot_seal",
    "random",
    "other",
];

impl Counters {
    #[cfg(feature = "metrics")]
    pub(super) fn count(&self, message: Message, reason: &str) {
        let known = REASONS.iter().position(|known| *known == reason);
        let position = known.unwrap_or(REASONS.len() - 1);
        let name = match message {
            Message::Request => "request",
            Message::Response => "response",
        };
        let handle = &self.refused[message as usize][position];
        handle
            .get_or_init(|| {
                metrics::counter!(REFUSED_TOTAL, "message" => name, "reason" => REASONS[position])
            })
            .increment(1);
    }

    #[cfg(not(feature = "metrics"))]
    #[expect(clippy::unused_self, reason = "the feature decides")]
    pub(super) const fn count(&self, _message: Message, _reason: &str) {}
}
