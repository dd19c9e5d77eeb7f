//! Secrets that look random and stand in documentation, where everybody can read them.

/// Samples of standards, frameworks and tutorials from which services have been copied by the thousand.
const SAMPLES: &[&str] = &[
    // RFC 7515, appendix A.1.
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
    // RFC 7520, section 3.5.
    "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg",
    // FastAPI, "OAuth2 with Password (and hashing), Bearer with JWT tokens".
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    // Flask, "Quickstart: Sessions" and "Tutorial: Deploy to Production".
    "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
    // JWT.NET, README.
    "GQDstcKsx0NHjPOuXOYg5MbeJ1XT0uFiwDVvVBrk",
    // A tutorial of Spring Security with JWT, as hexadecimal digits.
    "404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970",
];

/// Whether everybody can read the secret in documentation, whatever its case and whatever surrounds it.
pub(super) fn is_published(secret: &[u8]) -> bool {
    let secret = secret.trim_ascii();
    SAMPLES
        .iter()
        .any(|sample| sample.as_bytes().eq_ignore_ascii_case(secret))
}
