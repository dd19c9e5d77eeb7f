//! Texts of a record as JSON strings, with what is sensitive taken out.

use super::action::Action;
use super::cleaner::Cleaner;
use super::query;

impl Cleaner {
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

    /// Appends a query string.
    pub(crate) fn query(&mut self, out: &mut Vec<u8>, query: &[u8]) {
        let mut clean = std::mem::take(&mut self.scratch);
        clean.clear();
        query::write(self, &mut clean, query);
        self.text(out, &clean);
        self.scratch = clean;
    }
}
