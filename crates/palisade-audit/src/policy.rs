use http::{Method, StatusCode};
use palisade_core::{Principal, covers_method};

use crate::Delivery;

/// The level of detail of a request's record, as in Kubernetes' audit levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Level {
    /// Nothing of its own; events that layers note about it are still recorded.
    None,
    /// The metadata: who, what, from where, when, the outcome and the duration; no body.
    Metadata,
    /// Also the body of the request, redacted, up to the capture limit.
    Request,
    /// Also the body of the response.
    RequestResponse,
}

/// The conditions of a rule, all of which must hold.
///
/// # Example
///
/// ```
/// use http::Method;
/// use palisade_audit::{path, prefix};
///
/// let probe = path("/healthz");
/// let deletions = prefix("/api/admin").method(Method::DELETE);
/// # let _ = (probe, deletions);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Matcher {
    path: Option<PathMatch>,
    methods: Vec<Method>,
    roles: Vec<Box<str>>,
    subjects: Vec<Box<str>>,
    statuses: Vec<(u16, u16)>,
}

#[derive(Debug, Clone)]
enum PathMatch {
    Exact(Box<str>),
    Prefix(Box<str>),
}

/// Every request.
#[must_use]
pub fn any() -> Matcher {
    Matcher::default()
}

/// Requests to exactly this path, as it was sent: nothing is decoded or normalised.
#[must_use]
pub fn path(path: &str) -> Matcher {
    Matcher {
        path: Some(PathMatch::Exact(path.into())),
        ..Matcher::default()
    }
}

/// Requests to this path and everything below it: `/api` matches `/api` and `/api/rooms`, not `/apis`.
#[must_use]
pub fn prefix(path: &str) -> Matcher {
    Matcher {
        path: Some(PathMatch::Prefix(path.trim_end_matches('/').into())),
        ..Matcher::default()
    }
}

impl Matcher {
    /// Adds a method; one of those added must be the request's. `GET` covers `HEAD`.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.methods.push(method);
        self
    }

    /// Adds a role; the principal must have one of those added.
    #[must_use]
    pub fn role(mut self, role: &str) -> Self {
        self.roles.push(role.into());
        self
    }

    /// Adds a subject; the principal must be one of those added.
    #[must_use]
    pub fn principal(mut self, subject: &str) -> Self {
        self.subjects.push(subject.into());
        self
    }

    /// Adds a status; the response must have one of those added.
    #[must_use]
    pub fn status(self, status: StatusCode) -> Self {
        self.statuses(status.as_u16()..=status.as_u16())
    }

    /// Adds a range of statuses, such as `400..=499`.
    #[must_use]
    pub fn statuses(mut self, range: std::ops::RangeInclusive<u16>) -> Self {
        self.statuses.push((*range.start(), *range.end()));
        self
    }

    /// Whether the part holds that is known when the request enters.
    fn may_match(&self, method: &Method, path: &str) -> bool {
        let path_fits = match &self.path {
            None => true,
            Some(PathMatch::Exact(exact)) => **exact == *path,
            Some(PathMatch::Prefix(prefix)) => path
                .strip_prefix(&**prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        };
        path_fits
            && (self.methods.is_empty()
                || self.methods.iter().any(|rule| covers_method(rule, method)))
    }

    const fn waits_for_the_end(&self) -> bool {
        !(self.roles.is_empty() && self.subjects.is_empty() && self.statuses.is_empty())
    }

    fn matches(&self, facts: &RequestFacts<'_>) -> bool {
        let who = |fits: &dyn Fn(&Principal) -> bool| facts.principal.is_some_and(fits);
        self.may_match(facts.method, facts.path)
            && (self.roles.is_empty()
                || who(&|principal| self.roles.iter().any(|role| principal.has_role(role))))
            && (self.subjects.is_empty()
                || who(&|principal| {
                    self.subjects
                        .iter()
                        .any(|subject| **subject == *principal.subject())
                }))
            && (self.statuses.is_empty()
                || facts.status.is_some_and(|status| {
                    self.statuses
                        .iter()
                        .any(|(low, high)| (*low..=*high).contains(&status.as_u16()))
                }))
    }
}

/// The properties of a finished request.
pub(crate) struct RequestFacts<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) principal: Option<&'a Principal>,
    pub(crate) status: Option<StatusCode>,
}

/// The rules that say which requests are recorded at which level: the first that matches decides, as in Kubernetes.
///
/// Without a matching rule the level is [`Level::Metadata`]: forgetting a rule must not make requests vanish.
///
/// # Example
///
/// ```
/// use palisade_audit::{Delivery, Level, Policy, any, path, prefix};
///
/// let policy = Policy::first_match()
///     .rule(path("/healthz"), Level::None)
///     .rule_delivered(prefix("/api/admin"), Level::Metadata, Delivery::FailClosed)
///     .rule(any(), Level::Metadata);
/// # let _ = policy;
/// ```
#[derive(Debug, Clone, Default)]
pub struct Policy {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    matcher: Matcher,
    level: Level,
    delivery: Option<Delivery>,
}

impl Policy {
    /// A policy without rules yet.
    #[must_use]
    pub const fn first_match() -> Self {
        Self { rules: Vec::new() }
    }

    /// Operators' probes (`/healthz`, `/readyz`, `/metrics`) leave no record, everything else its metadata. This is
    /// the default: probes come every few seconds for ever and say nothing about a caller.
    #[must_use]
    pub fn operational_exempt() -> Self {
        palisade_core::OPERATIONAL_PATHS
            .into_iter()
            .fold(Self::first_match(), |policy, probe| {
                policy.rule(path(probe), Level::None)
            })
    }

    /// Adds a rule behind those that are there.
    #[must_use]
    pub fn rule(mut self, matcher: Matcher, level: Level) -> Self {
        self.rules.push(Rule {
            matcher,
            level,
            delivery: None,
        });
        self
    }

    /// Adds a rule that also says how hard to try; the stricter of this and the class of what happened holds.
    ///
    /// Delivery is decided when the request enters, by path and method: conditions on the principal and the status
    /// are not known then, and such a rule's delivery holds for every request that it might match.
    #[must_use]
    pub fn rule_delivered(mut self, matcher: Matcher, level: Level, delivery: Delivery) -> Self {
        self.rules.push(Rule {
            matcher,
            level,
            delivery: Some(delivery),
        });
        self
    }

    /// Returns the delivery, and the highest level that may apply at the end, when a request enters.
    pub(crate) fn on_entry(&self, method: &Method, path: &str) -> (Level, Option<Delivery>) {
        let mut level = Level::None;
        let mut delivery = None;
        for rule in &self.rules {
            if !rule.matcher.may_match(method, path) {
                continue;
            }
            level = level.max(rule.level);
            delivery = delivery.max(rule.delivery);
            if !rule.matcher.waits_for_the_end() {
                return (level, delivery);
            }
        }
        (level.max(Level::Metadata), delivery)
    }

    /// The level of a request that is over.
    pub(crate) fn level(&self, facts: &RequestFacts<'_>) -> Level {
        self.rules
            .iter()
            .find(|rule| rule.matcher.matches(facts))
            .map_or(Level::Metadata, |rule| rule.level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen<'a>(path: &'a str, principal: Option<&'a Principal>, status: u16) -> RequestFacts<'a> {
        RequestFacts {
            method: &Method::GET,
            path,
            principal,
            status: StatusCode::from_u16(status).ok(),
        }
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let policy = Policy::first_match()
            .rule(path("/a"), Level::None)
            .rule(prefix("/a"), Level::RequestResponse);
        assert_eq!(policy.level(&seen("/a", None, 200)), Level::None);
        assert_eq!(
            policy.level(&seen("/a/b", None, 200)),
            Level::RequestResponse
        );
        assert_eq!(policy.level(&seen("/ab", None, 200)), Level::Metadata);
    }

    #[test]
    fn principal_and_status_are_looked_at_when_the_request_is_over() {
        let ada = Principal::user("iss", "ada").roles(["admin"]);
        let policy = Policy::first_match()
            .rule(
                any().role("admin").statuses(400..=599),
                Level::RequestResponse,
            )
            .rule(any(), Level::None);
        assert_eq!(
            policy.level(&seen("/", Some(&ada), 403)),
            Level::RequestResponse
        );
        assert_eq!(policy.level(&seen("/", Some(&ada), 200)), Level::None);
        assert_eq!(policy.level(&seen("/", None, 403)), Level::None);
        assert_eq!(
            policy.on_entry(&Method::GET, "/").0,
            Level::RequestResponse,
            "bodies must be captured in case it is an administrator's"
        );
    }

    #[test]
    fn a_rule_that_may_match_later_decides_the_delivery_at_once() {
        let policy = Policy::first_match()
            .rule_delivered(prefix("/admin"), Level::Metadata, Delivery::FailClosed)
            .rule(any(), Level::Metadata);
        assert_eq!(
            policy.on_entry(&Method::GET, "/admin/users").1,
            Some(Delivery::FailClosed)
        );
        assert_eq!(policy.on_entry(&Method::GET, "/rooms").1, None);
    }
}
