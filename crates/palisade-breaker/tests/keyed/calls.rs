//! A layer with a breaker for each key, and calls of it.

use http::Response;
use palisade_breaker::{BreakerLayer, ExtractKey, HttpHealth, KeyedBreakerLayer, key_fn};
use tower::{Layer, ServiceExt, service_fn};

/// A key, and the status that the upstream answers.
pub(crate) type Call = (String, u16);

pub(crate) fn layer(most: usize) -> KeyedBreakerLayer<impl ExtractKey<Call> + Clone, HttpHealth> {
    let key = key_fn(|(key, _): &Call| (!key.is_empty()).then(|| key.clone()));
    BreakerLayer::http("x")
        .failure_threshold(2)
        .keyed(key)
        .most_keys(most)
}

pub(crate) async fn upstream((_, status): Call) -> Result<Response<()>, &'static str> {
    Ok(Response::builder().status(status).body(()).unwrap())
}

pub(crate) async fn call<K: ExtractKey<Call> + Clone>(
    layer: &KeyedBreakerLayer<K, HttpHealth>,
    key: &str,
    status: u16,
) -> bool {
    let service = layer.layer(service_fn(upstream));
    service.oneshot((key.to_owned(), status)).await.is_ok()
}
