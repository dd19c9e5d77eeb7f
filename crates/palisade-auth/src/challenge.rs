//! Says no: the response by RFC 6750 (section 3), the event, the count and the line in the log.

use std::time::Duration;

use http::{HeaderValue, Request, header};
use palisade_core::filter::Exchange;
use palisade_core::{Code, Rejection, RequestScope, SecurityEvent};

use crate::counters::Counters;
use crate::refusal::{Answer, Refusal};

/// When to try again while a store is away: soon, because it fails fast.
const RETRY: Duration = Duration::from_secs(1);

/// The challenges of one layer, written once.
#[derive(Debug, Clone)]
pub(crate) struct Challenges {
    plain: HeaderValue,
    invalid_token: HeaderValue,
    invalid_request: HeaderValue,
}

impl Challenges {
    /// `None` for a realm that cannot stand in a quoted string.
    pub(crate) fn new(realm: &str) -> Option<Self> {
        let fits = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        if !realm.bytes().all(fits) {
            return None;
        }
        let of = |rest: &str| HeaderValue::try_from(format!("Bearer realm=\"{realm}\"{rest}")).ok();
        Some(Self {
            plain: of("")?,
            invalid_token: of(", error=\"invalid_token\"")?,
            invalid_request: of(", error=\"invalid_request\"")?,
        })
    }

    pub(crate) fn rejection(&self, refusal: Refusal) -> Rejection {
        match refusal.answer() {
            Answer::Unauthenticated => challenge(Code::Authentication, &self.plain),
            Answer::InvalidToken => challenge(Code::Authentication, &self.invalid_token)
                .message("The credential was not accepted"),
            Answer::InvalidRequest => challenge(Code::Validation, &self.invalid_request)
                .message("Present one credential, in its own form"),
            _ => without_challenge(refusal),
        }
    }
}

fn challenge(code: Code, value: &HeaderValue) -> Rejection {
    Rejection::new(code).header(header::WWW_AUTHENTICATE, value.clone())
}

/// The answer where no realm is known.
pub(crate) fn without_challenge(refusal: Refusal) -> Rejection {
    match refusal.answer() {
        Answer::Unauthenticated | Answer::InvalidToken => {
            challenge(Code::Authentication, &HeaderValue::from_static("Bearer"))
        }
        Answer::StepUp => challenge(
            Code::Authentication,
            &HeaderValue::from_static("Bearer error=\"insufficient_user_authentication\""),
        ),
        Answer::InvalidRequest => Rejection::new(Code::Validation),
        Answer::InsufficientScope | Answer::Forbidden => Rejection::new(Code::Authorization),
        Answer::Unavailable => Rejection::new(Code::Unavailable).retry_after(RETRY),
        Answer::Misconfigured => Rejection::new(Code::Internal),
    }
}

impl From<Refusal> for Rejection {
    /// The answer of a handler that checks a password or a refresh token itself. It does not say why.
    fn from(refusal: Refusal) -> Self {
        without_challenge(refusal)
    }
}

/// Left in a request's extensions by an [`AuthLayer`](crate::AuthLayer) that let it pass without a principal.
#[derive(Debug, Clone)]
pub(crate) struct Anonymous(pub(crate) HeaderValue);

impl Challenges {
    pub(crate) fn anonymous(&self) -> Anonymous {
        Anonymous(self.plain.clone())
    }
}

impl Anonymous {
    pub(crate) fn rejection(&self) -> Rejection {
        challenge(Code::Authentication, &self.0)
    }
}

/// Notes the refusal everywhere.
#[cold]
pub(crate) fn refuse<B>(
    exchange: &mut Exchange,
    request: &mut Request<B>,
    refusal: Refusal,
    subject: Option<&str>,
    counters: &Counters,
) {
    let scope = exchange.enter(request.extensions_mut());
    note(scope, refusal, subject);
    counters.count(refusal);
}

pub(crate) fn note(scope: &RequestScope, refusal: Refusal, subject: Option<&str>) {
    let mut event = SecurityEvent::new(refusal.event_kind())
        .severity(refusal.severity())
        .reason(refusal.as_str());
    if let Some(subject) = subject {
        event = event.subject(subject);
    }
    scope.record(event);
    let id = scope.request_id().map(tracing::field::display);
    if refusal == Refusal::LayerMissing {
        tracing::error!(
            target: "palisade_auth",
            request_id = id,
            "a guard or an extractor of palisade-auth runs where no AuthLayer ran before it; refusing with 500"
        );
    } else {
        tracing::info!(target: "palisade_auth", reason = refusal.as_str(), request_id = id, "refused");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_answers_a_refusal_without_its_reason() {
        let refused = |refusal: Refusal| Rejection::from(refusal).code();
        assert_eq!(refused(Refusal::WrongPassword), Code::Authentication);
        assert_eq!(refused(Refusal::RefreshReused), Code::Authentication);
        assert_eq!(refused(Refusal::Overloaded), Code::Unavailable);
    }

    #[test]
    fn a_realm_cannot_break_out_of_its_quotes() {
        for bad in ["a\"b", "a\\b", "a\nb", "ä"] {
            assert!(Challenges::new(bad).is_none(), "{bad:?}");
        }
        assert_eq!(
            Challenges::new("my api").unwrap().plain,
            "Bearer realm=\"my api\""
        );
    }
}
