//! Says no: the response by RFC 6750 (section 3), the event, the count and the line in the log.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Request, header};
use palisade_core::filter::Exchange;
use palisade_core::{Code, Rejection, RequestScope, SecurityEvent};

use crate::counters::Counters;
use crate::refusal::{Answer, Refusal};

/// The time to wait while a store is away: short, because it fails fast.
const RETRY: Duration = Duration::from_secs(1);

/// The challenges of one layer, written once.
#[derive(Debug, Clone)]
pub(crate) struct Challenges {
    realm: Box<str>,
    plain: HeaderValue,
    invalid_token: HeaderValue,
    invalid_request: HeaderValue,
    dpop: Option<DpopChallenges>,
}

/// The challenges to who came with the scheme `DPoP` (RFC 9449, section 7).
#[derive(Debug, Clone)]
struct DpopChallenges {
    offer: Arc<DpopOffer>,
    invalid_token: HeaderValue,
    invalid_proof: HeaderValue,
    use_nonce: HeaderValue,
}

/// The contents of a challenge that offers `DPoP` beside `Bearer`.
#[derive(Debug)]
struct DpopOffer {
    realm: Box<str>,
    /// The names of the algorithms that proofs may use.
    algorithms: Box<str>,
}

impl DpopOffer {
    /// The challenge with these errors, each empty or with a comma in front.
    fn challenge(&self, bearer: &str, dpop: &str) -> Option<HeaderValue> {
        let Self { realm, algorithms } = self;
        HeaderValue::try_from(format!(
            "Bearer realm=\"{realm}\"{bearer}, DPoP realm=\"{realm}\"{dpop}, algs=\"{algorithms}\""
        ))
        .ok()
    }
}

/// Left in the extensions of a request by an [`AuthLayer`](crate::AuthLayer) that accepts `DPoP`, for the guards inside.
#[derive(Debug, Clone)]
pub(crate) struct Offered {
    offer: Arc<DpopOffer>,
    with_dpop: bool,
}

impl Offered {
    /// A guard's challenge: its error stands with the scheme that was used (RFC 9449, section 7.1).
    pub(crate) fn challenge(&self, error: &str) -> Option<HeaderValue> {
        let error = format!(", {error}");
        match self.with_dpop {
            true => self.offer.challenge("", &error),
            false => self.offer.challenge(&error, ""),
        }
    }
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
            realm: realm.into(),
            plain: of("")?,
            invalid_token: of(", error=\"invalid_token\"")?,
            invalid_request: of(", error=\"invalid_request\"")?,
            dpop: None,
        })
    }

    /// The same of another realm.
    pub(crate) fn of_realm(&self, realm: &str) -> Option<Self> {
        let challenges = Self::new(realm)?;
        match &self.dpop {
            Some(dpop) => challenges.offering_dpop(&dpop.offer.algorithms),
            None => Some(challenges),
        }
    }

    /// The same with the scheme `DPoP` beside `Bearer`: an error stands in the challenge of the scheme that was used, and
    /// in both where it is not clear which one was (RFC 9449, section 7.2).
    pub(crate) fn offering_dpop(&self, algorithms: &str) -> Option<Self> {
        let offer = DpopOffer {
            realm: self.realm.clone(),
            algorithms: algorithms.into(),
        };
        let of = |bearer: &str, dpop: &str| offer.challenge(bearer, dpop);
        let (invalid_token, invalid_request) =
            (", error=\"invalid_token\"", ", error=\"invalid_request\"");
        Some(Self {
            realm: self.realm.clone(),
            plain: of("", "")?,
            invalid_token: of(invalid_token, "")?,
            invalid_request: of(invalid_request, invalid_request)?,
            dpop: Some(DpopChallenges {
                invalid_token: of("", invalid_token)?,
                invalid_proof: of("", ", error=\"invalid_dpop_proof\"")?,
                use_nonce: of("", ", error=\"use_dpop_nonce\"")?,
                offer: Arc::new(offer),
            }),
        })
    }

    /// The offer for the guards inside, where `DPoP` is accepted.
    #[inline]
    pub(crate) fn offered(&self, with_dpop: impl FnOnce() -> bool) -> Option<Offered> {
        let dpop = self.dpop.as_ref()?;
        Some(Offered {
            offer: Arc::clone(&dpop.offer),
            with_dpop: with_dpop(),
        })
    }

    /// The answer to who came with the scheme `Bearer`, with `DPoP`, or with none.
    pub(crate) fn rejection(&self, refusal: Refusal, with_dpop: bool) -> Rejection {
        let refused = |value| {
            challenge(Code::Authentication, value).message("The credential was not accepted")
        };
        match (refusal.answer(), &self.dpop) {
            (Answer::InvalidToken, Some(dpop)) if with_dpop => refused(&dpop.invalid_token),
            (Answer::InvalidProof, Some(dpop)) => refused(&dpop.invalid_proof),
            (Answer::UseNonce, Some(dpop)) => refused(&dpop.use_nonce),
            (answer, _) => self.bearer_rejection(refusal, answer),
        }
    }

    fn bearer_rejection(&self, refusal: Refusal, answer: Answer) -> Rejection {
        match answer {
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
        Answer::InvalidProof => challenge(
            Code::Authentication,
            &HeaderValue::from_static("DPoP error=\"invalid_dpop_proof\""),
        ),
        Answer::UseNonce => challenge(
            Code::Authentication,
            &HeaderValue::from_static("DPoP error=\"use_dpop_nonce\""),
        ),
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
