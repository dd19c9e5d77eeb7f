mod lists;

use std::collections::HashMap;

use self::lists::{ABOUT, INSIDE, LAST, PLACES, QUANTITIES, SENSITIVE, TAILS, WHOLE};
use super::action::Action;

/// Longer names are not taken apart; their values are masked.
const MAX_NAME: usize = 256;

/// The names that are sensitive.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    /// Words written together, in lower case.
    parts: HashMap<Box<str>, Action>,
    whole: HashMap<Box<str>, Action>,
    inside: Vec<&'static str>,
    last: &'static [&'static str],
    tails: &'static [&'static str],
    longest: usize,
}

impl Names {
    pub(super) fn defaults() -> Self {
        let mut names = Self {
            inside: INSIDE.to_vec(),
            ..Self::default()
        };
        for name in SENSITIVE {
            names.set(name, Action::Mask);
        }
        for name in WHOLE.iter().chain(LAST) {
            let (joined, _) = words(name);
            names.whole.insert(joined.into(), Action::Mask);
        }
        names.last = LAST;
        names.tails = TAILS;
        names
    }

    pub(super) fn set(&mut self, name: &str, action: Action) {
        let (joined, ends) = words(name);
        if joined.is_empty() {
            return;
        }
        self.longest = self.longest.max(ends.len());
        self.whole.remove(joined.as_str());
        self.parts.insert(joined.into(), action);
    }

    /// Returns how many names are sensitive by their words; without any of these there are no others.
    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }

    pub(super) fn decide(&self, name: &str) -> Option<Action> {
        if name.len() > MAX_NAME && !self.parts.is_empty() {
            return Some(Action::Mask);
        }
        let (joined, ends) = words(name);
        if let Some(action) = self
            .parts
            .get(joined.as_str())
            .or(self.whole.get(joined.as_str()))
        {
            return Some(*action);
        }
        if is_about(&joined, &ends) {
            return None;
        }
        let found = self.run_of_words(&joined, &ends);
        found.or_else(|| {
            let inside = self.inside.iter().find(|known| joined.contains(**known));
            let known = inside.or_else(|| self.at_the_end(&joined, &ends))?;
            Some(self.parts.get(*known).copied().unwrap_or(Action::Mask))
        })
    }

    fn at_the_end(&self, joined: &str, ends: &[usize]) -> Option<&&'static str> {
        let start = match ends {
            [.., before, _] => *before,
            _ => 0,
        };
        let word = joined.get(start..)?;
        let is_flag = matches!(joined.get(..2), Some("is")) && ends.first() == Some(&2);
        let last = self.last.iter().find(|known| **known == word && !is_flag);
        last.or_else(|| self.tails.iter().find(|known| word.ends_with(**known)))
    }

    /// The longest run of words that is on the list, so that what was set for a longer name wins.
    fn run_of_words(&self, joined: &str, ends: &[usize]) -> Option<Action> {
        // One more than listed: digits that follow a word are a word of their own.
        for count in (1..=(self.longest + 1).min(ends.len())).rev() {
            for last in count - 1..ends.len() {
                let start = (last + 1)
                    .checked_sub(count + 1)
                    .map_or(0, |before| ends[before]);
                let run = &joined[start..ends[last]];
                let singular = run.strip_suffix('s').unwrap_or(run);
                if let Some(action) = self.parts.get(run).or(self.parts.get(singular)) {
                    return Some(*action);
                }
            }
        }
        None
    }
}

fn is_about(joined: &str, ends: &[usize]) -> bool {
    let [.., before, end] = ends else {
        return false;
    };
    let last = &joined[*before..*end];
    let first = &joined[..ends.first().copied().unwrap_or(0)];
    let start = ends.iter().rev().nth(2).copied().unwrap_or(0);
    ABOUT.contains(&last)
        || (last == "token" && PLACES.contains(&&joined[start..*before]))
        || (joined.contains("tokens") && QUANTITIES.contains(&first))
        || (matches!(last, "at" | "in" | "on")
            && [
                "expires", "verified", "created", "updated", "issued", "changed", "used", "rotated",
            ]
            .iter()
            .any(|verb| joined[..*before].ends_with(verb)))
}

/// The words of a name in lower case, written together, and where each ends.
fn words(name: &str) -> (String, Vec<usize>) {
    #[derive(PartialEq, Clone, Copy)]
    enum Kind {
        Lower,
        Upper,
        Digit,
        Gap,
    }
    let mut joined = String::with_capacity(name.len());
    let mut ends = Vec::new();
    let mut before = Kind::Gap;
    let mut chars = name.chars().peekable();
    while let Some(found) = chars.next() {
        let kind = match found {
            '0'..='9' => Kind::Digit,
            _ if found.is_uppercase() => Kind::Upper,
            _ if found.is_alphabetic() => Kind::Lower,
            _ => Kind::Gap,
        };
        let next_is_lower = chars.peek().is_some_and(|next| next.is_lowercase());
        let starts = match (before, kind) {
            (Kind::Lower | Kind::Digit, Kind::Upper) => true,
            // The last capital of several begins the next word: `APIKey`.
            (Kind::Upper, Kind::Upper) => next_is_lower,
            (Kind::Upper | Kind::Lower, Kind::Digit) | (Kind::Digit, Kind::Lower) => true,
            (_, Kind::Gap) => true,
            _ => false,
        };
        if starts && ends.last().copied().unwrap_or(0) < joined.len() {
            ends.push(joined.len());
        }
        if kind != Kind::Gap {
            if found.is_ascii() {
                joined.push(found.to_ascii_lowercase());
            } else {
                joined.extend(found.to_lowercase());
            }
        }
        before = kind;
    }
    if ends.last().copied().unwrap_or(0) < joined.len() {
        ends.push(joined.len());
    }
    (joined, ends)
}

#[cfg(test)]
mod tests;
