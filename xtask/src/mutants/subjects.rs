//! The files that decide, and the tests that have to notice a change of them.

/// The files of one crate that decide.
pub(super) struct Subject {
    pub(super) package: &'static str,
    /// Below `src`.
    pub(super) files: &'static [&'static str],
    /// Beside the unit tests; each mutant is tried with those that come by its place.
    pub(super) tests: &'static [&'static str],
}

impl Subject {
    pub(super) fn path(&self, file: &str) -> String {
        format!("crates/{}/src/{file}", self.package)
    }

    pub(super) fn root_module(&self) -> String {
        self.path("lib.rs")
    }
}

pub(super) const SUBJECTS: [Subject; 10] = [
    Subject {
        package: "palisade-core",
        files: &[
            "client_ip.rs",
            "forwarded.rs",
            "paths.rs",
            "principal.rs",
            "proxies.rs",
            "request_id.rs",
            "target.rs",
        ],
        tests: &["client_ip", "rejection", "scope"],
    },
    Subject {
        package: "palisade-ratelimit",
        files: &[
            "limit/exact_log.rs",
            "limit/fixed_window.rs",
            "limit/rate.rs",
            "limit/rule.rs",
            "limit/rules.rs",
            "limit/sliding_window.rs",
            "limit/token_bucket.rs",
            "policy/block.rs",
            "policy/counted.rs",
            "policy/key.rs",
            "policy/route.rs",
            "policy/select.rs",
            "store/entry.rs",
            "store/set.rs",
            "store/shard.rs",
        ],
        tests: &["answers", "keys", "limits"],
    },
    Subject {
        package: "palisade-breaker",
        files: &[
            "classify/grpc.rs",
            "classify/http.rs",
            "classify/origin.rs",
            "retry/budget.rs",
            "retry/judge.rs",
            "state/grant.rs",
            "state/machine.rs",
            "state/open_time.rs",
            "state/plan.rs",
            "state/ramp.rs",
            "state/rules.rs",
            "state/trials.rs",
            "state/window.rs",
            "state/word.rs",
        ],
        tests: &["against_a_model", "keyed", "retry", "service", "state"],
    },
    Subject {
        package: "palisade-auth",
        files: &[
            "api_key/format.rs",
            "api_key/record.rs",
            "guard/mod.rs",
            "guard/step_up.rs",
            "jwt/claims.rs",
            "jwt/confirmation.rs",
            "jwt/der.rs",
            "jwt/issuer.rs",
            "jwt/json.rs",
            "jwt/parse.rs",
            "jwt/rules.rs",
            "jwt/token_type.rs",
            "jwt/trusted.rs",
            "jwt/verifier/mod.rs",
            "jwt/verify.rs",
            "revocation/memory.rs",
            "revocation/subject.rs",
            "roles.rs",
        ],
        tests: &["jwks", "layer", "sessions", "tokens", "vectors"],
    },
    Subject {
        package: "palisade-headers",
        files: &[
            "cookies/harden.rs",
            "cors/names.rs",
            "cors/origin_lookup.rs",
            "cors/policy.rs",
            "cross_origin/check.rs",
            "cross_origin/pattern.rs",
            "origin/host.rs",
            "origin/lookup.rs",
            "origin/mod.rs",
            "request_id/client.rs",
            "request_id/trace.rs",
        ],
        tests: &["cors", "layers", "observation", "request_id"],
    },
    Subject {
        package: "palisade-audit",
        files: &[
            "redact/json/number.rs",
            "redact/names.rs",
            "redact/signs.rs",
            "redact/values.rs",
            "redact/values/card.rs",
            "trail/recover.rs",
            "trail/seal.rs",
            "trail/tail.rs",
            "trail/verify.rs",
        ],
        tests: &["canaries", "seal", "trail"],
    },
    Subject {
        package: "palisade-crypto",
        files: &[
            "context.rs",
            "dictionary.rs",
            "format.rs",
            "json/scan.rs",
            "key.rs",
            "keyring.rs",
            "lengths.rs",
            "matcher.rs",
            "suite/legacy.rs",
            "suite/xaes.rs",
        ],
        tests: &["cipher", "layer"],
    },
    Subject {
        package: "palisade-secrets",
        files: &[
            "bearer/repeat.rs",
            "bearer/token.rs",
            "cache.rs",
            "generate.rs",
            "policy.rs",
            "secret.rs",
            "secrets.rs",
        ],
        tests: &["bearer", "forms", "sources"],
    },
    Subject {
        package: "palisade-client",
        files: &["attempt.rs", "guard.rs", "origin.rs", "proxy.rs"],
        tests: &["client"],
    },
    Subject {
        package: "palisade",
        files: &[
            "axum/serve/body.rs",
            "axum/serve/places.rs",
            "axum/serve/traffic.rs",
            "axum/serve/watch.rs",
            "config/changes.rs",
            "config/environment.rs",
            "config/explain.rs",
            "config/file/nearest.rs",
            "stack/filter.rs",
        ],
        tests: &["config", "listeners", "reload", "serve", "stack"],
    },
];
