//! The rules by which a secret is accepted at the start.

mod connection;

use palisade_core::{Problems, secret as weak};
use secrecy::ExposeSecret;

use crate::Secret;

/// The requirements for one secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    min_len: usize,
}

impl Rule {
    /// Requires at least this many bytes.
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

    /// Returns the reason to refuse a value, for an operator to read.
    pub(crate) fn judge(self, value: &str) -> Option<String> {
        let Some(inside) = connection::passwords(value) else {
            return weak::check(value.as_bytes(), self.min_len)
                .err()
                .map(|weakness| weakness.to_string());
        };
        match inside {
            Err(reason) => Some(reason.to_owned()),
            // Of a URL the password alone is secret; one without is somebody else's concern.
            Ok(passwords) => passwords.iter().find_map(|password| {
                weak::check(password.as_bytes(), 12)
                    .err()
                    .map(|weakness| format!("holds a password that {weakness}"))
            }),
        }
    }
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
        for weak in [
            "postgres://app:changeme@db/app",
            "postgres://app:chang%65me@db/app",
            "postgres://db/app?user=app&password=changeme",
            "postgres://db/app?sslmode=require&PASSWORD=change%4De#x",
            "jdbc:postgresql://db/app?password=changeme",
            "host=db user=app password=changeme",
            "Server=db;Database=app;Pwd='changeme'",
            "https://hooks.example/x?token=changeme",
        ] {
            let reason = rule.judge(weak).unwrap_or_default();
            let expected = "holds a password that is a well-known placeholder";
            assert!(reason.starts_with(expected), "{weak}: {reason}");
        }
        for good in [
            "postgres://app:kD2vGq0yX8mT@db:5432/app?x=@y",
            "postgres://app:p%40%2F%3F%23kD2vGq0y@db/app",
            "postgres://db/app",
            "postgres://db:5432,[::1]:5433/app?user=me@corp",
            "postgres://[2001:db8::1]/app",
            "host=db user=app password=kD2vGq0yX8mT",
            "https://app:8080/@scope/package",
        ] {
            assert_eq!(rule.judge(good), None, "{good}");
        }
        assert!(rule.judge("db/app").is_some());
    }

    #[test]
    fn a_url_with_a_raw_sign_in_its_password_is_refused_for_that() {
        let rule = Rule::for_name("DATABASE_URL");
        for sign in ['/', '?', '#'] {
            for password in [
                format!("change{sign}me"),
                format!("kD2vGq{sign}0yX8mT5cWb"),
                // What stands before the sign looks like a port.
                format!("7{sign}changeme"),
                format!("kD@vGq{sign}0yX8mT5cWb"),
            ] {
                let url = format!("postgres://app:{password}@db:5432/app");
                let reason = rule.judge(&url).unwrap_or_default();
                assert!(reason.contains("percent-encode"), "{url}: {reason}");
            }
        }
    }
}
