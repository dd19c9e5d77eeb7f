use std::convert::Infallible;

use http::Request;
use palisade_core::filter::{Exchange, Filter, Step};

use super::FieldCryptoLayer;
use super::config::Configured;

/// Leaves the configuration with the request, where the service of [`FieldCryptoLayer::by_request`] finds it.
///
/// A stack that can be replaced while it runs is made of filters; bodies change their type in that service, which stays.
impl Filter for FieldCryptoLayer {
    type Kept = ();
    type Wait = Infallible;
    type Watch = ();

    #[inline]
    fn on_request<B>(&self, _: &mut Exchange, request: &mut Request<B>) -> Step<Self> {
        if let Some(config) = &self.config {
            request.extensions_mut().insert(Configured(config.clone()));
        }
        Step::Pass(())
    }

    #[inline]
    fn needs_response(&self, (): &()) -> bool {
        false
    }
}
