use std::convert::Infallible;

use http::{Request, Response};
use palisade_core::filter::{Exchange, Filter, Filtered, ReplaceBody, Step};
use tower_layer::Layer;

use super::policy::RequestFacts;
use super::{AnswerErrors, HeaderOverrides, PassErrors, SecurityHeadersLayer};

/// The service made by [`SecurityHeadersLayer`].
pub type SecurityHeaders<S> = Filtered<S, SecurityHeadersLayer>;

impl<S> Layer<S> for SecurityHeadersLayer {
    type Service = SecurityHeaders<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Filtered::new(inner, self.clone())
    }
}

impl<S, F: Clone> Layer<S> for SecurityHeadersLayer<AnswerErrors<F>> {
    type Service = SecurityHeaders<super::AnswerErrorsService<S, F>>;

    fn layer(&self, inner: S) -> Self::Service {
        let headers = SecurityHeadersLayer {
            policy: self.policy.clone(),
            on_error: PassErrors,
        };
        headers.layer(self.on_error.layer(inner, self.policy.is_some()))
    }
}

impl Filter for SecurityHeadersLayer {
    type Kept = RequestFacts;
    type Wait = Infallible;
    type Watch = ();

    fn response_fields(&self) -> usize {
        self.policy.as_ref().map_or(0, |policy| policy.fields())
    }

    #[inline]
    fn on_request<B>(&self, exchange: &mut Exchange, request: &mut Request<B>) -> Step<Self> {
        Step::Pass(match &self.policy {
            Some(policy) => policy.inspect(exchange, request),
            None => RequestFacts::default(),
        })
    }

    #[inline]
    fn needs_response(&self, _: &RequestFacts) -> bool {
        self.policy.is_some()
    }

    #[inline]
    fn on_response<B: ReplaceBody>(
        &self,
        exchange: &mut Exchange,
        facts: RequestFacts,
        response: &mut Response<B>,
    ) {
        let Some(policy) = &self.policy else { return };
        // They stay in the response, because a layer further out may have to apply them too.
        let overrides = response.extensions().get::<HeaderOverrides>().cloned();
        let status = response.status();
        policy.apply(
            exchange,
            &facts,
            status,
            response.headers_mut(),
            overrides.as_ref(),
        );
    }
}
