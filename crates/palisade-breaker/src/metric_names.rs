//! The names of what is counted through the `metrics` facade, behind the feature of that name. No label takes an unbounded
//! value: breakers of keys share the name of their layer.

/// Transitions, by `name` and `to`.
pub const TRANSITIONS: &str = "palisade_breaker_transitions_total";
/// Calls refused, by `name` and `reason`.
pub const REJECTED: &str = "palisade_breaker_rejected_total";
/// Calls by `name` and `outcome`: `failure`, `ignored`, `cancelled`, and `success` where every call is recorded; see
/// [`BreakerLayer::count_calls`](crate::BreakerLayer::count_calls).
pub const CALLS: &str = "palisade_breaker_calls_total";
/// Calls that passed without a breaker, for want of room among the keys, by `name`.
pub const UNGUARDED: &str = "palisade_breaker_unguarded_total";
/// Times that a breaker in the shadow mode would have opened, by `name`.
pub const WOULD_TRIP: &str = "palisade_breaker_would_trip_total";
/// Trials that did not settle in time, by `name`.
pub const LEASES_LOST: &str = "palisade_breaker_leases_lost_total";
/// The state, by `name`: 0 closed, 1 half-open, 2 open, 3 forced open, 4 disabled, 5 metrics only. From when the first
/// service is made of a layer. Not of breakers by key, of which many bear one name.
pub const STATE: &str = "palisade_breaker_state";
/// Retries, by `outcome`: `retried`, or why not: `budget_spent`, `body_lost`, `too_late` for the
/// deadline.
pub const RETRIES: &str = "palisade_breaker_retries_total";
/// News of peers by `name` and `outcome`: `published`, `heard`, `delayed` where there was more of it than the task kept up
/// with, `lost` with the connection, `refused` where Redis would not note it.
pub const SHARED: &str = "palisade_breaker_shared_total";
