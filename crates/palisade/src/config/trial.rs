//! The mistakes of each section by itself, before code adds anything.

#[cfg(feature = "auth")]
use palisade_auth::AuthLayer;
#[cfg(feature = "breaker")]
use palisade_breaker::{BreakerConfig, BreakerConfigError, BreakerLayer};
#[cfg(all(feature = "breaker", feature = "retry"))]
use palisade_breaker::{RetryConfig, RetryLayer};
#[cfg(feature = "crypto")]
use palisade_crypto::{FieldCipher, Key, Keyring};

use super::assembly::Assembly;
use super::error::Mistake;
#[cfg(any(feature = "breaker", feature = "ratelimit"))]
use super::file::Path;
use super::model::Config;

impl Assembly {
    /// The mistakes of each section, with what code may give instead of it given.
    #[cfg_attr(
        not(any(feature = "auth", feature = "crypto")),
        expect(unused_mut, reason = "nothing is given")
    )]
    pub(super) fn try_each(mut self, config: &Config) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        #[cfg(feature = "auth")]
        {
            self = self.auth(AuthLayer::new());
        }
        #[cfg(feature = "crypto")]
        if let Ok(keys) = Key::generate().and_then(Keyring::single) {
            self = self.cipher(FieldCipher::new(keys));
        }
        // The trail is not opened: what describes it is tried instead.
        #[cfg(feature = "audit")]
        let without_trail = {
            let described = config
                .audit
                .as_ref()
                .map(|audit| audit.builder(&config.origin.variables));
            if let Some(Err(part)) = described {
                mistakes.extend(config.explain("audit", &part));
            }
            let mut config = config.clone();
            config.audit = None;
            config
        };
        #[cfg(feature = "audit")]
        let config = &without_trail;
        drop(self.build(config, &mut mistakes));
        #[cfg(feature = "ratelimit")]
        for (name, limits) in &config.limits {
            if let Err(part) = self.limit_layer(name, limits, None) {
                let path = Path::of("limits").key(name);
                mistakes.extend(config.origin.explain(&path, &part));
            }
        }
        #[cfg(feature = "breaker")]
        for (name, breaker) in &config.breakers {
            if let Err(error) = try_breaker(breaker) {
                let path = Path::of("breakers").key(name);
                mistakes.extend(config.origin.explain(&path, error.problems()));
            }
        }
        #[cfg(all(feature = "breaker", feature = "retry"))]
        for (name, retry) in &config.retries {
            if let Err(error) = try_retry(retry) {
                let path = Path::of("retries").key(name);
                mistakes.extend(config.origin.explain(&path, error.problems()));
            }
        }
        mistakes
    }
}

#[cfg(feature = "breaker")]
fn try_breaker(breaker: &BreakerConfig) -> Result<(), BreakerConfigError> {
    BreakerLayer::http("breaker").configured(breaker).map(drop)
}

#[cfg(all(feature = "breaker", feature = "retry"))]
fn try_retry(retry: &RetryConfig) -> Result<(), BreakerConfigError> {
    // Whether the layer replays bodies is for code to say.
    let layer = RetryLayer::default().replay_bodies(0);
    layer.configured(retry).map(drop)
}
