//! Every measure by its fixed name, one file a crate.

mod audit;
mod auth;
mod breaker;
mod breaker_keys;
mod core;
mod crypto;
mod headers;
mod ratelimit;
mod redis;
mod secrets;
mod stack;

use crate::measure::Measure;

/// The groups in the order of the report, with what they are called on the page.
pub(crate) const GROUPS: [(&str, &str); 9] = [
    ("core", "What layers share"),
    ("ratelimit", "Rate limits"),
    ("breaker", "Circuit breaker"),
    ("headers", "Headers, CORS and request ids"),
    ("auth", "Authentication"),
    ("audit", "Audit trail"),
    ("crypto", "Field encryption"),
    ("secrets", "Secrets"),
    ("stack", "The whole stack"),
];

pub(crate) fn all() -> impl Iterator<Item = Measure> {
    [
        core::MEASURES,
        ratelimit::MEASURES,
        redis::MEASURES,
        breaker::MEASURES,
        breaker_keys::MEASURES,
        headers::MEASURES,
        auth::MEASURES,
        audit::MEASURES,
        crypto::MEASURES,
        secrets::MEASURES,
        stack::MEASURES,
    ]
    .into_iter()
    .flatten()
    .copied()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_belong_to_a_group() {
        let mut seen = HashSet::new();
        for measure in all() {
            assert!(seen.insert(measure.name), "{} twice", measure.name);
            let group = measure.name.split('/').next();
            assert!(
                GROUPS.iter().any(|(name, _)| Some(*name) == group),
                "{}",
                measure.name
            );
        }
    }
}
