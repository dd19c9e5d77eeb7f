use super::Redactor;
use super::action::{Action, MASK};
use super::finds::{Finds, Put};
use super::layers::Layer;
use super::memo::Memo;

/// A [`Redactor`] at work; see [`Redactor::cleaner`].
///
/// # Example
///
/// ```
/// use palisade_audit::Redactor;
///
/// let mut cleaner = Redactor::defaults().cleaner();
/// let mut out = Vec::new();
/// cleaner.json(br#"{"room":7,"guest":{"email":"a@b.c"}}"#, &mut out)?;
/// assert_eq!(out, br#"{"room":7,"guest":{"email":"[redacted]"}}"#);
/// # Ok::<(), palisade_audit::Unreadable>(())
/// ```
#[derive(Debug)]
pub struct Cleaner {
    redactor: Redactor,
    memo: Memo,
    pub(super) finds: Finds,
    pub(super) layers: [Layer; 2],
}

impl Redactor {
    /// Returns a copy at work, which remembers the names that it has seen.
    #[must_use]
    pub fn cleaner(&self) -> Cleaner {
        Cleaner {
            redactor: self.clone(),
            memo: Memo::default(),
            finds: Finds::default(),
            layers: Default::default(),
        }
    }
}

impl Cleaner {
    pub(super) fn decide(&mut self, name: &[u8]) -> Option<Action> {
        self.memo.decide(&self.redactor.names, name)
    }

    /// Whether secrets are known by their form.
    pub(super) fn finds_values(&self) -> bool {
        self.redactor.finds_values
    }

    /// Whether a text that is no value of a known name can hold anything that is taken out.
    pub(super) fn looks_at_texts(&self) -> bool {
        self.redactor.finds_values || self.redactor.names.len() > 0
    }

    /// Appends what stands in the place of a value, which needs no escape.
    pub(super) fn replace(&self, out: &mut Vec<u8>, action: Action, value: &[u8]) {
        match action {
            Action::Mask | Action::Keep => out.extend_from_slice(MASK.as_bytes()),
            Action::Tokenize => match self.token(value) {
                Put::Token(token) => out.extend_from_slice(&token),
                Put::Mask | Put::Nothing => out.extend_from_slice(MASK.as_bytes()),
            },
            Action::Drop => {}
        }
    }

    /// The token of a value, or the mask where there is no key.
    pub(super) fn token(&self, value: &[u8]) -> Put {
        self.redactor.token(value).map_or(Put::Mask, Put::Token)
    }
}
