use std::borrow::Cow;

use serde_json::Value;

use super::memo::Memo;
use super::{Action, MASK, Redactor, Unreadable, query, value, values};
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
    scratch: Vec<u8>,
}

impl Cleaner {
    pub(super) fn new(redactor: Redactor) -> Self {
        Self {
            redactor,
            memo: Memo::default(),
            scratch: Vec::new(),
        }
    }

    /// Appends a JSON body on one line, with sensitive values replaced at any depth.
    ///
    /// # Errors
    ///
    /// Refuses what is no JSON (RFC 8259) or nested deeper than 64; `out` is as it was before then.
    pub fn json(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Unreadable> {
        let before = out.len();
        super::json::write(self, body, out).inspect_err(|_| out.truncate(before))
    }

    /// Appends a form (`application/x-www-form-urlencoded`) or a query with sensitive values replaced.
    ///
    /// The result is not made safe for a line of a log; a client may have put anything into it.
    pub fn form(&mut self, body: &[u8], out: &mut Vec<u8>) {
        query::write(self, out, body);
    }

    pub(super) fn decide(&mut self, name: &[u8]) -> Option<Action> {
        self.memo.decide(&self.redactor.names, name)
    }

    /// Appends a text that has no name, as a JSON string.
    pub(crate) fn text(&mut self, out: &mut Vec<u8>, text: &[u8]) {
        out.push(b'"');
        let mut clean = std::mem::take(&mut self.scratch);
        clean.clear();
        if query::in_urls(self, &mut clean, text) {
            self.scrubbed(out, &clean);
        } else {
            self.scrubbed(out, text);
        }
        self.scratch = clean;
        out.push(b'"');
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

    /// Appends a value by its name; a dropped one leaves an empty string, because its name already stands there.
    pub(crate) fn named(&mut self, out: &mut Vec<u8>, name: &str, value: &[u8]) {
        match self.decide(name.as_bytes()) {
            None | Some(Action::Keep) => self.text(out, value),
            Some(action) => {
                out.push(b'"');
                self.replace(out, action, value);
                out.push(b'"');
            }
        }
    }

    /// Appends what stands in the place of a value, which needs no escape.
    pub(super) fn replace(&self, out: &mut Vec<u8>, action: Action, value: &[u8]) {
        match action {
            Action::Mask | Action::Keep => out.extend_from_slice(MASK.as_bytes()),
            Action::Tokenize => self.redactor.token(out, value),
            Action::Drop => {}
        }
    }

    /// Appends a query string.
    pub(crate) fn query(&mut self, out: &mut Vec<u8>, query: &[u8]) {
        let mut clean = std::mem::take(&mut self.scratch);
        clean.clear();
        query::write(self, &mut clean, query);
        self.text(out, &clean);
        self.scratch = clean;
    }

    /// Appends the details of a record as an object.
    pub(crate) fn details(&mut self, out: &mut Vec<u8>, details: &[(Cow<'static, str>, Value)]) {
        let members = details.iter().map(|(name, value)| (name.as_ref(), value));
        value::object(self, out, members);
    }
}
