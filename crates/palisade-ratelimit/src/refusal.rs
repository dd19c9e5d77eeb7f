use std::borrow::Cow;
use std::time::Duration;

use http::{Request, Response};
use palisade_core::{
    Code, EventKind, LimitDecision, Rejection, RejectionContext, RequestScope, ResponseBody,
    SecurityEvent,
};

use crate::decision::{Decision, Outcome};
use crate::headers::Headers;
use crate::limits::Ruling;

/// By draft-ietf-httpapi-ratelimit-headers-10, section 6.
const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";

/// A refusal that is yet to be turned into a response.
#[derive(Debug)]
pub(crate) struct Refusal {
    ruling: Ruling,
    headers: Headers,
    context: RejectionContext,
}

impl Refusal {
    pub(crate) fn of<Rq>(ruling: Ruling, headers: Headers, request: &Request<Rq>) -> Self {
        Self {
            ruling,
            headers,
            context: RejectionContext::of(request),
        }
    }

    pub(crate) fn into_response<B>(self) -> Response<ResponseBody<B>> {
        let decision = &self.ruling.decision;
        let mut response = rejection(decision).into_response(&self.context);
        self.headers.write(
            &(*decision).into(),
            self.ruling.unix,
            response.headers_mut(),
        );
        response
    }
}

/// Tells the request's scope and the log what was decided.
pub(crate) fn note(ruling: &Ruling, scope: Option<&RequestScope>) {
    let decision = &ruling.decision;
    if let Some(scope) = scope {
        scope.push_limit(LimitDecision::from(*decision));
    }
    if decision.is_allowed() {
        return;
    }
    tracing::debug!(
        policy = %decision.policy,
        key = %ruling.key.short(),
        outcome = decision.outcome.as_str(),
        retry_after = ?decision.retry_after,
        shadow = ruling.shadow,
        "over the limit"
    );
    if let Some(scope) = scope {
        let reason = if ruling.shadow {
            "shadow"
        } else {
            decision.outcome.as_str()
        };
        scope.record(
            SecurityEvent::new(EventKind::ExcessRateLimit)
                .policy(decision.policy)
                .reason(reason),
        );
    }
}

fn rejection(decision: &Decision) -> Rejection {
    let (code, message): (_, Cow<'static, str>) = match decision.outcome {
        Outcome::CostOverCapacity => (
            Code::RateLimit,
            "This request costs more than the limit allows at once".into(),
        ),
        Outcome::NoKey => return Rejection::new(Code::Unavailable),
        _ => (Code::RateLimit, limited_message(decision.retry_after)),
    };
    let rejection = Rejection::new(code)
        .message(message)
        .problem_type(QUOTA_EXCEEDED)
        .member("violated-policies", vec![decision.policy.as_str()]);
    match decision.retry_after {
        Some(wait) => rejection.retry_after(wait),
        None => rejection,
    }
}

fn limited_message(wait: Option<Duration>) -> Cow<'static, str> {
    match wait {
        Some(wait) => {
            let seconds = (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1);
            format!("Rate limit exceeded. Try again in {seconds} seconds").into()
        }
        None => "Rate limit exceeded".into(),
    }
}
