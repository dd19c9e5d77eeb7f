//! What a secret must be like to be accepted at the start.

use palisade_core::{Problems, secret as weak};
use secrecy::ExposeSecret;

use crate::Secret;

/// What one required secret must be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    min_len: usize,
}

impl Rule {
    /// At least this many bytes.
    #[must_use]
    pub const fn min_len(bytes: usize) -> Self {
        Self { min_len: bytes }
    }

    /// The rule for a name: 12 bytes for a password, 32 for a key or a secret, 16 for anything else.
    ///
    /// 32 bytes is what HMAC-SHA256 and AES-256 want of a key (RFC 7518, section 3.2).
    #[must_use]
    pub fn for_name(name: &str) -> Self {
        let name = name.to_ascii_uppercase();
        Self::min_len(if name.contains("PASSWORD") {
            12
        } else if name.ends_with("KEY") || name.contains("SECRET") {
            32
        } else {
            16
        })
    }

    /// What is wrong with a value, for an operator to read.
    pub(crate) fn judge(self, value: &str) -> Option<String> {
        match url_password(value) {
            // Of a URL the password alone is secret; one without is somebody else's concern.
            Some(None) => None,
            Some(Some(password)) => weak::check(password.as_bytes(), 12)
                .err()
                .map(|weakness| format!("holds a password that {weakness}")),
            None => weak::check(value.as_bytes(), self.min_len)
                .err()
                .map(|weakness| weakness.to_string()),
        }
    }
}

/// `Some` if the value is a URL with an authority, and then its password.
fn url_password(value: &str) -> Option<Option<&str>> {
    let (scheme, rest) = value.split_once("://")?;
    if !scheme
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    Some(
        user.and_then(|user| user.split_once(':'))
            .map(|(_, password)| password),
    )
}

/// Judges the secrets that were found, each by its rule and all of them together.
pub(crate) fn judge(found: &[(&str, Rule, Secret)], problems: &mut Problems) {
    for (position, (name, rule, secret)) in found.iter().enumerate() {
        if let Some(reason) = rule.judge(secret.expose_secret()) {
            problems.push(*name, reason);
        }
        let twin = found[..position]
            .iter()
            .find(|(_, _, earlier)| earlier.same_value(secret));
        if let Some((earlier, _, _)) = twin {
            problems.push(*name, format!("has the same value as {earlier}"));
        }
    }
}

/// In development bad secrets are told of, and nothing more.
pub(crate) fn warn(problems: &Problems) {
    for problem in problems.iter() {
        tracing::warn!(
            target: "palisade_secrets",
            secret = problem.field,
            reason = problem.reason,
            "a secret that production would refuse"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_follow_the_names() {
        for (name, len) in [
            ("JWT_SECRET_KEY", 32),
            ("ENCRYPTION_KEY", 32),
            ("session_secret", 32),
            ("DB_PASSWORD", 12),
            ("SECRET_PASSWORD", 12),
            ("CRM_BEARER_TOKEN", 16),
        ] {
            assert_eq!(Rule::for_name(name), Rule::min_len(len), "{name}");
        }
    }

    #[test]
    fn of_a_url_the_password_is_judged() {
        let rule = Rule::for_name("DATABASE_URL");
        let reason = rule.judge("postgres://app:changeme@db/app").unwrap();
        assert!(reason.starts_with("holds a password that is a well-known placeholder"));
        assert_eq!(
            rule.judge("postgres://app:kD2vGq0yX8mT@db:5432/app?x=@y"),
            None
        );
        assert_eq!(rule.judge("postgres://db/app"), None);
        assert!(rule.judge("db/app").is_some());
    }
}
