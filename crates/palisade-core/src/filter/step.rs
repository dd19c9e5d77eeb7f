use bytes::Bytes;
use http::Response;

use super::Filter;

/// A response that a filter gives in place of the inner service, out of line because it is rare.
pub type Answer = Box<Response<Bytes>>;

/// The decision of a filter about a request.
pub enum Step<F: Filter> {
    /// The request goes on, and this is kept for its response.
    Pass(F::Kept),
    /// The request is answered. What is kept, if anything, meets the answer in
    /// [`on_response`](Filter::on_response).
    Answer(Answer, Option<F::Kept>),
    /// The request waits for a query.
    Wait(F::Wait),
}

impl<F: Filter> Step<F> {
    /// Answers the request, and keeps nothing of it.
    #[must_use]
    pub fn answer(response: Response<Bytes>) -> Self {
        Self::Answer(Box::new(response), None)
    }
}

impl<F: Filter> std::fmt::Debug for Step<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pass(_) => "Pass",
            Self::Answer(..) => "Answer",
            Self::Wait(_) => "Wait",
        })
    }
}
