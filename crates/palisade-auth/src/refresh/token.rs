//! The text of a refresh token: which family, a secret, and a MAC over both.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use palisade_core::random;
use ring::hmac;

use super::family::Choice;
use crate::AuthError;
use crate::digest::{Digest, sha256};
use crate::jwt::hmac::Secrets;

pub(crate) type FamilyId = [u8; 16];

const PREFIX: &str = "rt_";
const SECRET: usize = 32;
const TAG: usize = 32;
const BODY: usize = 16 + SECRET;

#[derive(Clone)]
pub(super) struct Token {
    pub(super) family: FamilyId,
    secret: [u8; SECRET],
    /// The place of the key that the MAC of its text was made with.
    made_with: usize,
}

/// The possible successors of a token.
pub(super) struct Successors {
    tokens: [Option<Token>; 2],
    pub(super) digests: (Digest, Option<Digest>),
}

impl Successors {
    fn new(first: Token, other: Option<Token>) -> Self {
        let digests = (first.digest(), other.as_ref().map(Token::digest));
        Self {
            tokens: [Some(first), other],
            digests,
        }
    }

    /// The one that was chosen.
    pub(super) fn take(mut self, choice: Choice) -> Option<Token> {
        self.tokens[match choice {
            Choice::First => 0,
            Choice::Other => 1,
        }]
        .take()
    }
}

impl Token {
    /// The first token of a new family.
    pub(super) fn first() -> Result<Self, AuthError> {
        Ok(Self {
            family: random::bytes()?,
            secret: random::bytes()?,
            made_with: 0,
        })
    }

    /// The token that follows this one, by each of our keys: always the same, and out of reach for whoever lacks this
    /// token or our key. So it can be given out twice without being kept anywhere.
    ///
    /// The first is that by the key which this one was made with: instances that disagree on which key is the current
    /// one agree on it. The other may have been given out for a copy of this token with another MAC.
    pub(super) fn successors(&self, keys: &Secrets) -> Successors {
        let by = |key: &hmac::Key| {
            let tag = hmac::sign(key, &labelled(b"successor", &self.body()));
            Self {
                family: self.family,
                secret: sha256(tag.as_ref()),
                made_with: 0,
            }
        };
        let mut all = keys.all().map(by);
        match (all.next(), all.next(), self.made_with) {
            (Some(current), Some(previous), 0) => Successors::new(current, Some(previous)),
            (Some(current), Some(previous), _) => Successors::new(previous, Some(current)),
            (Some(current), None, _) => Successors::new(current, None),
            // There always is a current key.
            (None, ..) => Successors::new(self.clone(), None),
        }
    }

    /// The digest that is kept of it.
    pub(super) fn digest(&self) -> Digest {
        sha256(&self.secret)
    }

    /// The name of the family's session, for `sid`. Not a secret.
    pub(super) fn session(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.family)
    }

    pub(super) fn to_text(&self, keys: &Secrets) -> String {
        let body = self.body();
        let tag = sha256(mac(keys, b"token", &body).as_ref());
        let mut text = String::with_capacity(PREFIX.len() + (BODY + TAG) * 4 / 3 + 1);
        text.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string([&body[..], &tag[..]].concat(), &mut text);
        text
    }

    /// `None` for whatever was not made with our key: no store is asked about it.
    pub(super) fn from_text(text: &str, keys: &Secrets) -> Option<Self> {
        let text = text.strip_prefix(PREFIX)?;
        // Longer than any; do not decode what cannot be one.
        if text.len() > 2 * (BODY + TAG) {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (body, tag) = bytes.split_first_chunk::<BODY>()?;
        let tag: &Digest = tag.try_into().ok()?;
        let made_with = keys.all().position(|key| {
            let expected = sha256(hmac::sign(key, &labelled(b"token", body)).as_ref());
            crate::digest::same_digest(&expected, tag)
        })?;
        let (family, secret) = body.split_first_chunk()?;
        Some(Self {
            family: *family,
            secret: secret.try_into().ok()?,
            made_with,
        })
    }

    fn body(&self) -> [u8; BODY] {
        let mut body = [0; BODY];
        body[..16].copy_from_slice(&self.family);
        body[16..].copy_from_slice(&self.secret);
        body
    }
}

/// The family of a session.
pub(super) fn family_of(session: &str) -> Option<FamilyId> {
    URL_SAFE_NO_PAD.decode(session).ok()?.try_into().ok()
}

fn mac(keys: &Secrets, label: &[u8], body: &[u8; BODY]) -> hmac::Tag {
    hmac::sign(keys.signing(), &labelled(label, body))
}

/// The label keeps these MACs apart from each other and from the signatures of tokens under the same key.
fn labelled(label: &[u8], body: &[u8]) -> Vec<u8> {
    [b"palisade-auth: refresh ", label, b"\0", body].concat()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::HmacKeys;

    fn keys() -> Arc<Secrets> {
        secrets("kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu")
    }

    fn secrets(current: &str) -> Arc<Secrets> {
        HmacKeys::current(current).unwrap().secrets()
    }

    #[test]
    fn only_our_own_tokens_are_read() {
        let token = Token::first().unwrap();
        let text = token.to_text(&keys());
        assert_eq!(
            Token::from_text(&text, &keys()).unwrap().body(),
            token.body()
        );
        let other = HmacKeys::current("Zt9QwL3nVb6YxK1rMd8FpS5gHc2JeU7o").unwrap();
        assert!(Token::from_text(&text, &other.secrets()).is_none());
        let rotated = other.previous("kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu").unwrap();
        assert!(Token::from_text(&text, &rotated.secrets()).is_some());
        for position in 0..text.len() {
            let mut changed = text.clone();
            let other = if &text[position..=position] == "A" {
                "B"
            } else {
                "A"
            };
            changed.replace_range(position..=position, other);
            assert!(
                Token::from_text(&changed, &keys()).is_none(),
                "at {position}"
            );
        }
        for bad in [
            "",
            "rt_",
            "rt_AAAA",
            &text[1..],
            &text[..text.len() - 1],
            &"rt_A".repeat(99),
        ] {
            assert!(Token::from_text(bad, &keys()).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_successor_is_always_the_same_and_needs_token_and_key() {
        let token = Token::first().unwrap();
        let first = |token: &Token, keys: &Secrets| {
            token.successors(keys).take(Choice::First).unwrap().secret
        };
        assert_eq!(first(&token, &keys()), first(&token, &keys()));
        assert_ne!(first(&token, &keys()), token.secret);
        let other = secrets("Zt9QwL3nVb6YxK1rMd8FpS5gHc2JeU7o");
        assert_ne!(first(&token, &keys()), first(&token, &other));
    }
}
