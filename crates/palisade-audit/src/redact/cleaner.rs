use super::action::{Action, MASK};
use super::memo::Memo;
use super::{Redactor, values};
use crate::format::json;

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
    pub(super) scratch: Vec<u8>,
}

impl Redactor {
    /// A copy at work, which remembers the names that it has seen.
    #[must_use]
    pub fn cleaner(&self) -> Cleaner {
        Cleaner {
            redactor: self.clone(),
            memo: Memo::default(),
            scratch: Vec::new(),
        }
    }
}

impl Cleaner {
    pub(super) fn decide(&mut self, name: &[u8]) -> Option<Action> {
        self.memo.decide(&self.redactor.names, name)
    }

    /// Appends the inside of a JSON string, with secrets masked that are known by their form.
    pub(super) fn scrubbed(&self, out: &mut Vec<u8>, text: &[u8]) {
        let mut done = 0;
        if self.redactor.finds_values {
            values::find(text, |secret| {
                json::escaped(out, &text[done..secret.start]);
                out.extend_from_slice(MASK.as_bytes());
                done = secret.end;
            });
        }
        json::escaped(out, &text[done..]);
    }

    /// Appends what stands in the place of a value, which needs no escape.
    pub(super) fn replace(&self, out: &mut Vec<u8>, action: Action, value: &[u8]) {
        match action {
            Action::Mask | Action::Keep => out.extend_from_slice(MASK.as_bytes()),
            Action::Tokenize => self.redactor.token(out, value),
            Action::Drop => {}
        }
    }
}
