mod build;

use std::fmt;
use std::sync::Arc;

use palisade_core::time::WallClock;
use palisade_core::{ClientIp, Handle, Name, PathSet};

use crate::filter::headers::Headers;
use crate::filter::view::RequestView;
use crate::layer::RateLimitLayer;
use crate::limit::Limit;
use crate::limits::{Cost, DEFAULT_BACKSTOP, Exempt, Limits, NoKey};
use crate::policy::key::KeyChain;
use crate::policy::select::{Select, Selection};
use crate::policy::{Mode, Policy};
use crate::store::Store;

/// Collects the settings of a [`RateLimitLayer`]; [`build`](Self::build) reports every mistake at once.
#[derive(Clone)]
#[must_use = "nothing is limited until the layer is built"]
pub struct RateLimitBuilder {
    policies: Vec<Policy>,
    routes: Vec<(Box<str>, Name)>,
    select: Option<Select>,
    key: KeyChain,
    client_ip: ClientIp,
    backstop: Option<Limit>,
    site: Option<Limit>,
    cost: Option<Arc<Cost>>,
    exempt_paths: PathSet,
    exempt: Option<Arc<Exempt>>,
    count_preflight: bool,
    no_key: NoKey,
    mode: Mode,
    headers: Headers,
    lists: bool,
    store: Option<Store>,
    replaced: Vec<Handle<Limits>>,
    wall_clock: WallClock,
}

impl RateLimitLayer {
    /// Starts to build a layer. With nothing set it counts clients by address, 200 a second with bursts of 400.
    pub fn builder() -> RateLimitBuilder {
        RateLimitBuilder::new()
    }
}

impl RateLimitBuilder {
    fn new() -> Self {
        Self {
            policies: Vec::new(),
            routes: Vec::new(),
            select: None,
            key: KeyChain::new().client_ip(),
            client_ip: ClientIp::peer(),
            backstop: Some(DEFAULT_BACKSTOP),
            site: None,
            cost: None,
            exempt_paths: PathSet::operational(),
            exempt: None,
            count_preflight: false,
            no_key: NoKey::default(),
            mode: Mode::On,
            headers: Headers::default(),
            lists: false,
            store: None,
            replaced: Vec::new(),
            wall_clock: WallClock::system(),
        }
    }

    /// Adds a policy. The first one decides about requests for which neither a route nor the selection names another;
    /// default [`Policy::clients`].
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policies.push(policy);
        self
    }

    /// Lets the named policy decide about a path, or methods and a path. Routes come before the selection, and the first
    /// one that fits wins.
    ///
    /// | route | fits |
    /// |---|---|
    /// | `/auth/token` or `* /auth/token` | this path by every method |
    /// | `POST /auth/token`, `PUT\|PATCH /me` | this path by these methods; `GET` is `HEAD` too |
    /// | `/users/{id}/keys` | any one segment that is not empty in the place of `{id}` |
    /// | `/files/*` | `/files` and what lies below |
    /// | `/files/{*rest}` | what lies below `/files/` |
    ///
    /// Segments are compared decoded, so that `/auth/t%6Fken` is `/auth/token` too, and the route of `/caf%C3%A9` may
    /// be written `/café`. A route that no request can fit is an error of [`build`](Self::build): a query, a method in
    /// lower case, `:id`, or one that an earlier route with another policy takes all requests from. Paths are compared
    /// as the client sent them, also where the layer stands inside `Router::nest`, `nest_service` or `route_layer`,
    /// whose services see a stripped one: with feature `axum` by the `OriginalUri` that axum keeps, else by a
    /// [`SentUri`](palisade_core::SentUri) in the extensions.
    pub fn route(mut self, route: &str, policy: impl Into<Name>) -> Self {
        self.routes.push((route.into(), policy.into()));
        self
    }

    /// Chooses the policy for each request that has no route, by whatever the closure sees.
    ///
    /// # Example
    ///
    /// ```
    /// use palisade_ratelimit::{Policy, RateLimitLayer};
    ///
    /// let tiers = RateLimitLayer::builder()
    ///     .policy(Policy::public())
    ///     .policy(Policy::authenticated())
    ///     .policy(Policy::admin())
    ///     .select(|request| match request.principal() {
    ///         Some(principal) if principal.has_role("admin") => "admin",
    ///         Some(_) => "authenticated",
    ///         None => "public",
    ///     })
    ///     .build()?;
    /// # let _ = tiers;
    /// # Ok::<(), palisade_ratelimit::Error>(())
    /// ```
    pub fn select<T: Into<Selection>>(
        mut self,
        select: impl Fn(&RequestView<'_>) -> T + Send + Sync + 'static,
    ) -> Self {
        self.select = Some(Select::new(select));
        self
    }

    /// Sets where keys come from; default the client's address alone.
    pub fn key(mut self, chain: KeyChain) -> Self {
        self.key = chain;
        self
    }

    /// Sets how the client's address is found where no scope has decided it; default the peer's address.
    pub fn client_ip(mut self, client_ip: ClientIp) -> Self {
        self.client_ip = client_ip;
        self
    }

    /// Sets the limit by address that requests with a claimed key are charged to besides their own.
    ///
    /// Default a token bucket of 200 a second with bursts of 400, the same as for clients without a claim.
    pub fn ip_backstop(mut self, limit: Limit) -> Self {
        self.backstop = Some(limit);
        self
    }

    /// Charges claimed keys to nothing but their own limit.
    ///
    /// # Security
    ///
    /// Everybody can then avoid the limit by claiming another key with each request. Right only behind something that
    /// checks or sets the claimed header.
    pub fn insecure_no_ip_backstop(mut self) -> Self {
        self.backstop = None;
        self
    }

    /// Sets a looser limit that all v6 addresses of one /48 share, besides those of each /64; default none.
    ///
    /// A /48 is what one site commonly gets, with 65,536 networks of /64.
    pub fn v6_site_limit(mut self, limit: Limit) -> Self {
        self.site = Some(limit);
        self
    }

    /// Sets the cost of each request, default 1. A request of cost 0 passes, and is shown its limit.
    ///
    /// A cost above what the policy admits at once is refused for good, as `cost_over_capacity`. The backstop counts
    /// requests, whatever their cost.
    pub fn cost(mut self, cost: impl Fn(&RequestView<'_>) -> u32 + Send + Sync + 'static) -> Self {
        self.cost = Some(Arc::new(cost));
        self
    }

    /// Sets the paths that are not counted; default `/healthz`, `/readyz` and `/metrics`, so that no flood blinds the
    /// operators' probes.
    pub fn exempt_paths(mut self, paths: PathSet) -> Self {
        self.exempt_paths = paths;
        self
    }

    /// Does not count requests for which the closure says so.
    pub fn exempt_if(
        mut self,
        exempt: impl Fn(&RequestView<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.exempt = Some(Arc::new(exempt));
        self
    }

    /// Counts CORS preflights too. By default they are not, because browsers send them on their own account.
    ///
    /// # Security
    ///
    /// By default every `OPTIONS` that has the fields `Origin` and `Access-Control-Request-Method` passes uncounted,
    /// whoever sends it and however often. Call this unless something outside the layer answers preflights at little
    /// cost, as a `CorsLayer` does, or where a handler for `OPTIONS` does any work.
    pub fn count_preflight(mut self) -> Self {
        self.count_preflight = true;
        self
    }

    /// Sets what happens to requests that have no key; default [`NoKey::Share`].
    pub fn no_key(mut self, outcome: NoKey) -> Self {
        self.no_key = outcome;
        self
    }

    /// Puts every policy into [shadow mode](Policy::shadow).
    pub fn shadow(mut self) -> Self {
        self.mode = Mode::Shadow;
        self
    }

    /// Switches every policy [off](Policy::off), and keeps its counts. Unlike [`RateLimitLayer::off`] it still has its
    /// policies, so that its [limiter](RateLimitLayer::limiter) lets every use pass.
    pub fn off(mut self) -> Self {
        self.mode = Mode::Off;
        self
    }

    /// Sets which header fields tell clients about their limit; default [`Headers::Both`].
    pub fn headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// Lists every limit that a request was decided by in `RateLimit-Policy` and `RateLimit`, one item each, as the draft
    /// provides; default the limit that is closest to refusing, alone. `X-RateLimit-*` speak of that one in any case.
    ///
    /// The item of a policy with one limit has the policy's name, and those of one with several are numbered: `"standard/1"`,
    /// `"standard/2"`, in the order in which they were added. A backstop by address is the item `"ip-backstop"`, the limit of a
    /// v6 site `"v6-site"`. At most 10 are written. What was decided without a look at every limit lists those that were looked
    /// at: a refusal that was remembered, or a lease, tells of one. Of several layers in a stack each adds a line, unless its
    /// names are there already; say it to all of them. A refusal names the item in `violated-policies`.
    ///
    /// Costs an allocation for each header field, and the place of the states.
    pub fn list_limits(mut self) -> Self {
        self.lists = true;
        self
    }

    /// Sets where counts are kept: in a [`Memory`](crate::Memory), by default one of the layer's own for 100,000 keys a
    /// policy, or in Redis.
    pub fn store(mut self, store: impl Into<Store>) -> Self {
        self.store = Some(store.into());
        self
    }

    /// Lets this layer take over the counts of `old` where its policies have other numbers, so that limits can be changed
    /// while the service runs: see [`Memory`](crate::Memory) and `palisade::stack::Reload`. Can be called for several.
    ///
    /// Without it a policy must have the limits that others of its name on the same store have, because two layers that
    /// count in one place with different numbers are mostly a mistake. Both layers may run for a while; then each decides
    /// by its own numbers about what both have charged, and never is more admitted than the larger limit says.
    ///
    /// A count goes on where what it keeps of a key means the same to both: token buckets of any rate and burst, windows
    /// of the same length, and exact logs of the same window whose quota does not grow beyond the one that the log was
    /// first made for; a sliding window cannot grow from up to 65,535 to more. Several limits must come in the
    /// same order. Elsewhere the policy begins to count anew, and `old` keeps what it has. A debt that would take longer
    /// than a whole new bucket is cut to that.
    ///
    /// Counts in Redis go on in the same way without this, also for logs. A lease that `old` holds is lost unless its
    /// limiter returns it.
    ///
    /// # Example
    ///
    /// ```
    /// use palisade_ratelimit::{Limit, Memory, Policy, RateLimitLayer, burst, per_second};
    ///
    /// let counts = Memory::default();
    /// let limits = |rate| {
    ///     let bucket = Limit::token_bucket(per_second(rate), burst(2 * rate));
    ///     RateLimitLayer::builder().policy(Policy::new("api").limit(bucket)).store(counts.clone())
    /// };
    /// let old = limits(10).build()?;
    /// assert!(limits(50).build().is_err(), "other numbers by mistake");
    /// let new = limits(50).replacing(&old).build()?;
    /// # let _ = new;
    /// # Ok::<(), palisade_ratelimit::Error>(())
    /// ```
    pub fn replacing(mut self, old: &RateLimitLayer) -> Self {
        self.replaced.extend(old.0.clone());
        self
    }

    /// Sets where wall time for `X-RateLimit-Reset` comes from; default the system's clock.
    pub fn wall_clock(mut self, clock: WallClock) -> Self {
        self.wall_clock = clock;
        self
    }
}

impl fmt::Debug for RateLimitBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimitBuilder")
            .field("policies", &self.policies)
            .field("routes", &self.routes)
            .field("key", &self.key)
            .field("client_ip", &self.client_ip)
            .field("headers", &self.headers)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}
