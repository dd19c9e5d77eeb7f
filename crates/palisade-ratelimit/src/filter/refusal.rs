use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use palisade_core::filter::Exchange;
use palisade_core::{Code, LimitDecision, Rejection};

use crate::decision::{Decision, Outcome};
use crate::filter::admission::Refusal;
use crate::filter::headers::Shown;
use crate::limits::Limits;

/// By draft-ietf-httpapi-ratelimit-headers-10, section 6.
const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";

/// The answer to a request that is over a limit.
#[cold]
pub(crate) fn refuse<B>(
    exchange: &mut Exchange,
    request: &Request<B>,
    refusal: &Refusal,
    limits: &Limits,
) -> Response<Bytes> {
    let known = &limits.policies[refusal.plan.policy].fixed;
    let shown = Shown::of(&LimitDecision::from(refusal.decision), known);
    let violated = refusal.items.as_ref();
    let violated = violated.and_then(|items| items.refused(&refusal.decision));
    let mut rejection = rejection(&refusal.decision);
    if let Some(name) = violated {
        rejection = rejection.violated_policy(name);
    }
    let mut response = exchange.render(request, rejection);
    let numbers = shown.numbers(refusal.unix);
    let headers = response.headers_mut();
    match &refusal.items {
        Some(items) => limits.headers.write_list(&shown, numbers, items, headers),
        None => limits.headers.write(&shown, numbers, headers),
    }
    response
}

fn rejection(decision: &Decision) -> Rejection {
    let (code, message): (_, Cow<'static, str>) = match decision.outcome {
        Outcome::CostOverCapacity => (
            Code::RateLimit,
            "This request costs more than the limit allows at once".into(),
        ),
        Outcome::NoKey | Outcome::StoreDown => return Rejection::new(Code::Unavailable),
        _ => (Code::RateLimit, limited_message(decision.retry_after)),
    };
    let rejection = Rejection::new(code)
        .message(message)
        .problem_type(QUOTA_EXCEEDED)
        .violated_policy(decision.policy);
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
