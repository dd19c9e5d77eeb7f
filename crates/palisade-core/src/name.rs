use std::collections::HashSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// The name of a policy, a breaker or a service, as its operator configured it.
///
/// Names are few, live as long as the process, and are copied on hot paths, into metrics and into log lines. So each
/// distinct name is kept once and for ever, and a `Name` is a pointer to it. Never make one from what a client sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(&'static str);

impl Name {
    /// The name for `text`, kept for the rest of the process.
    #[must_use]
    pub fn new(text: &str) -> Self {
        static KEPT: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.get_or_insert_default();
        if let Some(known) = kept.get(text) {
            return Self(known);
        }
        let fresh: &'static str = Box::leak(text.into());
        kept.insert(fresh);
        Self(fresh)
    }

    /// A name known when compiling.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(text)
    }

    /// The text of the name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_kept_once() {
        let first = Name::new("billing");
        let again = Name::from(String::from("billing"));
        assert!(std::ptr::eq(first.as_str(), again.as_str()));
        assert_eq!(first, Name::from_static("billing"));
    }
}
