use std::borrow::Cow;
use std::time::Duration;

use http::{Request, Response};
use palisade_core::{Code, LimitDecision, Rejection, RejectionContext, ResponseBody};

use crate::decide::Ruling;
use crate::decision::{Decision, Outcome};
use crate::headers::{Headers, Shown};
use crate::limits::Limits;

/// By draft-ietf-httpapi-ratelimit-headers-10, section 6.
const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";

/// A refusal that is yet to be turned into a response.
#[derive(Debug)]
pub(crate) struct Refusal {
    ruling: Box<Ruling>,
    shown: Shown,
    headers: Headers,
    context: RejectionContext,
}

impl Refusal {
    pub(crate) fn of<Rq>(ruling: Box<Ruling>, limits: &Limits, request: &Request<Rq>) -> Self {
        let shown = Shown::of(&LimitDecision::from(ruling.decision));
        Self {
            shown: shown.with_fixed(&limits.policies[ruling.plan.policy].fixed),
            ruling,
            headers: limits.headers,
            context: RejectionContext::of(request),
        }
    }

    pub(crate) fn into_response<B>(self) -> Response<ResponseBody<B>> {
        let mut response = rejection(&self.ruling.decision).into_response(&self.context);
        self.headers
            .write(&self.shown, self.ruling.unix, response.headers_mut());
        response
    }
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
