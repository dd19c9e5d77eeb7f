use http::{HeaderName, HeaderValue, header};

use super::csp::Csp;
use super::nonce::CHARS;

/// A policy made ready for sending.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    pub(super) name: HeaderName,
    /// The value without a nonce, for responses whose handler read none.
    pub(super) fixed: HeaderValue,
    /// The texts around the nonce, where the policy has one.
    around: Option<Vec<Box<str>>>,
}

impl Prepared {
    pub(super) fn enforced(policy: &Csp) -> Self {
        Self::new(header::CONTENT_SECURITY_POLICY, policy)
    }

    pub(super) fn reported(policy: &Csp) -> Self {
        Self::new(header::CONTENT_SECURITY_POLICY_REPORT_ONLY, policy)
    }

    fn new(name: HeaderName, policy: &Csp) -> Self {
        if !policy.problems().is_empty() {
            tracing::warn!(
                target: crate::TARGET,
                header = name.as_str(),
                "the policy is sent without its mistakes: {}",
                policy.problems()
            );
        }
        let around = policy.around_nonce();
        let fixed = policy.without_nonce().to_string();
        Self {
            name,
            // Every word of a policy is visible ASCII.
            fixed: HeaderValue::from_str(&fixed)
                .unwrap_or(HeaderValue::from_static("default-src 'none'")),
            around: (around.len() > 1).then(|| around.into_iter().map(Into::into).collect()),
        }
    }

    pub(super) const fn has_nonce(&self) -> bool {
        self.around.is_some()
    }

    /// The policy with this nonce in it.
    pub(super) fn with_nonce(&self, nonce: &[u8; CHARS]) -> Option<HeaderValue> {
        let around = self.around.as_ref()?;
        let texts: usize = around.iter().map(|text| text.len()).sum();
        let mut value = Vec::with_capacity(texts + CHARS * (around.len() - 1));
        for (at, text) in around.iter().enumerate() {
            if at > 0 {
                value.extend_from_slice(nonce);
            }
            value.extend_from_slice(text.as_bytes());
        }
        HeaderValue::from_maybe_shared(bytes::Bytes::from(value)).ok()
    }
}
