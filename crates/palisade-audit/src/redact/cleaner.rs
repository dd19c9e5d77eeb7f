use super::Redactor;
use super::action::{Action, MASK};
use super::decision_cache::{Decided, DecisionCache};
use super::layers::Layer;
use super::path::{Censor, Step};
use super::replacements::{Replacement, Replacements};

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
    decisions: DecisionCache,
    pub(super) replacements: Replacements,
    pub(super) layers: [Layer; 2],
    /// The way to the value at hand, where anything is redacted by its path.
    steps: Vec<Step>,
}

impl Redactor {
    /// Returns a copy at work, which remembers the names that it has seen.
    #[must_use]
    pub fn cleaner(&self) -> Cleaner {
        Cleaner {
            redactor: self.clone(),
            decisions: DecisionCache::default(),
            replacements: Replacements::default(),
            layers: Default::default(),
            steps: Vec::new(),
        }
    }
}

impl Cleaner {
    /// Returns the treatment of the value of a name.
    pub(super) fn decide(&mut self, name: &[u8]) -> Option<Action> {
        self.know(name).action
    }

    /// Returns the decision about a name.
    pub(super) fn know(&mut self, name: &[u8]) -> Decided {
        self.decisions.decide(&self.redactor.names, name)
    }

    /// Begins at the root of a document.
    pub(super) fn at_the_root(&mut self) {
        self.steps.clear();
    }

    /// Goes to a member of the object at hand.
    pub(super) fn enter_member(&mut self, name: &[u8]) {
        if !self.redactor.paths.is_empty() {
            let name = String::from_utf8_lossy(name).into_owned();
            self.steps.push(Step::Name(name));
        }
    }

    /// Goes to an item of the array at hand.
    pub(super) fn enter_item(&mut self, nth: usize) {
        if !self.redactor.paths.is_empty() {
            self.steps.push(Step::Item(nth));
        }
    }

    /// Goes back to the object or array.
    pub(super) fn leave(&mut self) {
        self.steps.pop();
    }

    /// Returns the censor of the value at hand, if it is redacted by its path.
    pub(super) fn censor(&self) -> Option<Censor> {
        self.redactor.paths.find(&self.steps).cloned()
    }

    /// Appends what a censor makes of a value, as a JSON string.
    pub(super) fn censored(
        &mut self,
        out: &mut Vec<u8>,
        censor: &Censor,
        value: &str,
        is_scalar: bool,
    ) {
        let text = censor.replace(value, is_scalar);
        self.text(out, text.as_bytes());
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
                Replacement::Token(token) => out.extend_from_slice(&token),
                Replacement::Mask | Replacement::Nothing => out.extend_from_slice(MASK.as_bytes()),
            },
            Action::Drop => {}
        }
    }

    /// The token of a value, or the mask where there is no key.
    pub(super) fn token(&self, value: &[u8]) -> Replacement {
        self.redactor
            .token(value)
            .map_or(Replacement::Mask, Replacement::Token)
    }
}
