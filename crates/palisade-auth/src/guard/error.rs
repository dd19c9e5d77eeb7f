//! The error of a guard in its challenge.

use http::{HeaderValue, header};
use palisade_core::{Code, Rejection};

use crate::challenge::Offered;

/// The parameters of the error, and the challenge with them where `Bearer` alone is accepted, written once.
#[derive(Debug)]
pub(super) struct GuardError {
    text: Box<str>,
    bearer: Option<HeaderValue>,
}

impl GuardError {
    pub(super) fn new(text: String) -> Self {
        Self {
            bearer: HeaderValue::try_from(format!("Bearer {text}")).ok(),
            text: text.into(),
        }
    }

    pub(super) fn rejection(&self, code: Code, offered: Option<&Offered>) -> Rejection {
        let both = offered.and_then(|offered| offered.challenge(&self.text));
        let rejection = Rejection::new(code);
        match both.or_else(|| self.bearer.clone()) {
            Some(challenge) => rejection.header(header::WWW_AUTHENTICATE, challenge),
            None => rejection,
        }
    }
}
