//! The work of the fuzz targets on their bytes, apart from libFuzzer, so that a plain test replays the corpus.

mod answers;
mod audit;
mod breaker;
mod client_ip;
mod cookies;
mod cors;
mod cross_origin;
mod csp;
mod encrypted;
mod jwks;
mod jwt;
mod rate_limit;
mod request_id;

/// A target's name, which is that of its file in `fuzz_targets/` and of its directory in `corpus/`, and what it checks.
pub type Target = (&'static str, fn(&[u8]));

/// Each target.
pub const TARGETS: &[Target] = &[
    ("audit_recovery", audit::recovery),
    ("audit_redactor", audit::redactor),
    ("audit_trail", audit::trail),
    ("breaker_config", breaker::check),
    ("client_ip", client_ip::check),
    ("cookies", cookies::check),
    ("cors", cors::check),
    ("cross_origin", cross_origin::check),
    ("csp", csp::check),
    ("encrypted_json", encrypted::json),
    ("encrypted_value", encrypted::value),
    ("jwks", jwks::check),
    ("jwt", jwt::check),
    ("rate_limit_config", rate_limit::config),
    ("rate_limit_requests", rate_limit::requests),
    ("request_id", request_id::check),
];

/// Runs the target of this name.
///
/// # Panics
///
/// When a property does not hold, which is what fuzzing looks for.
pub fn run(name: &str, data: &[u8]) {
    for (_, check) in TARGETS.iter().filter(|(known, _)| *known == name) {
        check(data);
    }
}
