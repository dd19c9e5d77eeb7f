use std::sync::OnceLock;

use http::Request;
use palisade_core::PeerAddr;
use palisade_ratelimit::{KeyChain, Limit, Policy, RateLimitLayer, burst, per_hour};

use super::answers::{lines, through};

fn layer() -> Option<&'static RateLimitLayer> {
    static LAYER: OnceLock<Option<RateLimitLayer>> = OnceLock::new();
    let made = LAYER.get_or_init(|| {
        let key = KeyChain::new()
            .principal()
            .claimed_header("x-track-id")
            .authorization()
            .client_ip();
        RateLimitLayer::builder()
            .key(key)
            .ip_backstop(Limit::token_bucket(per_hour(1), burst(8)))
            .policy(Policy::new("fuzz").limit(Limit::token_bucket(per_hour(1), burst(4))))
            .build()
            .ok()
    });
    made.as_ref()
}

/// Whatever a client claims to be, its address pays: 8 requests with claims and 4 without pass, and the next one at the
/// latest is refused. What the headers of each answer say can be read.
pub(crate) fn check(data: &[u8]) {
    let Some(layer) = layer() else { return };
    // An address of its own for each input, so that one does not pay for another.
    let digest = ring::digest::digest(&ring::digest::SHA256, data);
    let mut octets = [0; 16];
    octets.copy_from_slice(&digest.as_ref()[..16]);
    let peer = PeerAddr((octets, 4433).into());
    let claims: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let mut refused = 0;
    for turn in 0..13 {
        let mut request = Request::new(());
        let name = if turn % 2 == 0 {
            "x-track-id"
        } else {
            "authorization"
        };
        *request.headers_mut() = lines(name, claims[turn % claims.len()]);
        request.extensions_mut().insert(peer);
        let response = through(layer, request);
        refused += usize::from(response.status() == 429);
        for name in [
            "x-ratelimit-limit",
            "x-ratelimit-remaining",
            "x-ratelimit-reset",
        ] {
            let value = response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok());
            let number = value.and_then(|value| value.parse::<u64>().ok());
            assert!(number.is_some(), "{name}: {value:?}");
        }
    }
    assert!(refused > 0, "nobody paid");
}
