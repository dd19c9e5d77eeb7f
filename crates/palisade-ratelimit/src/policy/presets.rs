use palisade_core::Name;

use crate::limit::{DAY, HOUR, Limit, MINUTE, burst, per_minute, per_second};
use crate::policy::Policy;
use crate::policy::key::KeyChain;

/// The policies that are shipped.
impl Policy {
    /// `public`: 100 an hour in any trailing hour. For callers that nobody knows.
    #[must_use]
    pub fn public() -> Self {
        Self::new(Name::from_static("public")).limit(Limit::sliding(100, HOUR))
    }

    /// `authenticated`: 500 an hour in any trailing hour. For callers that have signed in.
    #[must_use]
    pub fn authenticated() -> Self {
        Self::new(Name::from_static("authenticated")).limit(Limit::sliding(500, HOUR))
    }

    /// `admin`: 1000 an hour in any trailing hour. For people who operate the service.
    #[must_use]
    pub fn admin() -> Self {
        Self::new(Name::from_static("admin")).limit(Limit::sliding(1_000, HOUR))
    }

    /// `strict`: 10 a minute, exactly, by the client's address. For routes that are expensive or dangerous.
    #[must_use]
    pub fn strict() -> Self {
        Self::new(Name::from_static("strict"))
            .limit(Limit::exact(10, MINUTE))
            .guarding()
    }

    /// `login`: 5 a minute, exactly, by the client's address, whatever the request claims in its headers.
    ///
    /// Count failures by account as well, with [`RateLimiter::check`](crate::RateLimiter::check): one address may try
    /// many accounts, and many addresses one.
    #[must_use]
    pub fn login() -> Self {
        Self::new(Name::from_static("login"))
            .limit(Limit::exact(5, MINUTE))
            .guarding()
    }

    /// Counts by address whatever is claimed, and would rather refuse than not count.
    fn guarding(self) -> Self {
        #[cfg(feature = "redis")]
        let guarding = self.on_outage(crate::Outage::Deny);
        #[cfg(not(feature = "redis"))]
        let guarding = self;
        guarding.key(KeyChain::new().client_ip())
    }

    /// `standard`: 60 a minute with bursts of 10, 1000 an hour and 10,000 a day.
    #[must_use]
    pub fn standard() -> Self {
        Self::new(Name::from_static("standard"))
            .limit(Limit::token_bucket(per_minute(60), burst(10)))
            .limit(Limit::sliding(1_000, HOUR))
            .limit(Limit::sliding(10_000, DAY))
    }

    /// `clients`: 200 a second with bursts of 400. What stands in front of everything, by address: several people may
    /// share an address, and a browser opens a page with dozens of requests.
    #[must_use]
    pub fn clients() -> Self {
        Self::new(Name::from_static("clients"))
            .limit(Limit::token_bucket(per_second(200), burst(400)))
    }
}
