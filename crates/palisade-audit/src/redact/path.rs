//! Values that are redacted by their place.

use std::fmt;
use std::sync::Arc;

use palisade_core::Problems;

use super::action::MASK;
use crate::AuditError;

/// The replacement for a value that was found by its path; see [`Redactor::path`](super::Redactor::path).
#[derive(Clone)]
pub struct Censor(Kind);

#[derive(Clone)]
enum Kind {
    Mask,
    Drop,
    KeepFirst(usize),
    KeepLast(usize),
    With(Arc<dyn Fn(&str) -> String + Send + Sync>),
}

impl Censor {
    /// Puts [`MASK`] in the place of the value.
    #[must_use]
    pub const fn mask() -> Self {
        Self(Kind::Mask)
    }

    /// Takes the value out with its name; an item of an array is masked, so that the others keep their places.
    #[must_use]
    pub const fn drop() -> Self {
        Self(Kind::Drop)
    }

    /// Keeps the first `characters` of a text or number, and puts `****` in the place of the rest. A value that is
    /// not at least twice as long is masked as a whole, as are objects and arrays.
    #[must_use]
    pub const fn keep_first(characters: usize) -> Self {
        Self(Kind::KeepFirst(characters))
    }

    /// Keeps the last `characters` of a text or number, such as the last four digits of a card, and puts `****` in the
    /// place of the rest. A value that is not at least twice as long is masked as a whole, as are objects and arrays.
    #[must_use]
    pub const fn keep_last(characters: usize) -> Self {
        Self(Kind::KeepLast(characters))
    }

    /// Puts what `replace` makes of the value in its place: of a text the text, of anything else its JSON. What it
    /// returns becomes a text, in which secrets of a known form are masked like everywhere.
    ///
    /// It is called on the writer's thread, for each such value.
    #[must_use]
    pub fn with(replace: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self(Kind::With(Arc::new(replace)))
    }

    pub(super) const fn is_drop(&self) -> bool {
        matches!(self.0, Kind::Drop)
    }

    /// Returns the replacement for a value; `is_scalar` when it is neither an object nor an array.
    pub(super) fn replace(&self, value: &str, is_scalar: bool) -> String {
        let (count, is_first) = match &self.0 {
            Kind::Mask | Kind::Drop => return MASK.to_owned(),
            Kind::With(replace) => return replace(value),
            Kind::KeepFirst(count) => (*count, true),
            Kind::KeepLast(count) => (*count, false),
        };
        let len = value.chars().count();
        if !is_scalar || len < count.saturating_mul(2).max(1) {
            return MASK.to_owned();
        }
        if is_first {
            let kept: String = value.chars().take(count).collect();
            format!("{kept}****")
        } else {
            let kept: String = value.chars().skip(len - count).collect();
            format!("****{kept}")
        }
    }
}

impl fmt::Debug for Censor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Mask => "Mask",
            Kind::Drop => "Drop",
            Kind::KeepFirst(_) => "KeepFirst",
            Kind::KeepLast(_) => "KeepLast",
            Kind::With(_) => "With",
        })
    }
}

/// A step on the way to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Name(String),
    Item(usize),
}

/// A step that a path asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    Step(Step),
    Any,
}

/// The values that are redacted by their place.
#[derive(Debug, Clone, Default)]
pub(super) struct Paths(Vec<(Vec<Wanted>, Censor)>);

impl Paths {
    pub(super) fn add(&mut self, path: &str, censor: Censor) -> Result<(), AuditError> {
        let Some(steps) = parse(path) else {
            let problem = format!("{path:?} is no path such as `guest.cards[*].number`");
            return Err(Problems::one("redact.path", problem).into());
        };
        self.0.push((steps, censor));
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The censor of the value that these steps lead to; of several the one that was added last.
    pub(super) fn find(&self, steps: &[Step]) -> Option<&Censor> {
        let leads = |wanted: &[Wanted]| {
            wanted.len() == steps.len()
                && wanted.iter().zip(steps).all(|(wanted, step)| match wanted {
                    Wanted::Any => true,
                    Wanted::Step(wanted) => wanted == step,
                })
        };
        let (_, censor) = self.0.iter().rev().find(|(wanted, _)| leads(wanted))?;
        Some(censor)
    }
}

/// Reads `name`, `.name`, `.*`, `[*]`, `[0]` and `["any name"]`.
fn parse(path: &str) -> Option<Vec<Wanted>> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let (step, behind) = match inside.strip_prefix('"') {
                Some(name) => {
                    let (name, behind) = name.split_once("\"]")?;
                    (Wanted::Step(Step::Name(name.to_owned())), behind)
                }
                None => {
                    let (index, behind) = inside.split_once(']')?;
                    let step = match index {
                        "*" => Wanted::Any,
                        index => Wanted::Step(Step::Item(index.parse().ok()?)),
                    };
                    (step, behind)
                }
            };
            steps.push(step);
            rest = behind;
            continue;
        }
        rest = match rest.strip_prefix('.') {
            Some(rest) if !steps.is_empty() => rest,
            Some(_) => return None,
            None if steps.is_empty() => rest,
            None => return None,
        };
        let (name, behind) = rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len()));
        if name.is_empty() {
            return None;
        }
        steps.push(match name {
            "*" => Wanted::Any,
            name => Wanted::Step(Step::Name(name.to_owned())),
        });
        rest = behind;
    }
    (!steps.is_empty()).then_some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Redactor;

    fn clean(redactor: &Redactor, body: &str) -> String {
        let mut out = Vec::new();
        redactor.cleaner().json(body.as_bytes(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_are_found_by_their_path() {
        let redactor = Redactor::insecure_none()
            .path("guest.name", Censor::mask())
            .and_then(|redactor| redactor.path("cards[*].number", Censor::keep_last(4)))
            .and_then(|redactor| redactor.path("list[1]", Censor::drop()))
            .and_then(|redactor| redactor.path("*.note", Censor::drop()))
            .and_then(|redactor| redactor.path(r#"["a.b"].c"#, Censor::keep_first(2)))
            .unwrap();
        assert_eq!(
            clean(
                &redactor,
                r#"{"name":"x","guest":{"name":{"first":"Ada"},"note":"y","room":7},
                    "cards":[{"number":"4111111111111111"},{"number":378282246310005},{"number":"123"},{"number":[1]}],
                    "list":[1,2,3],"note":"stays","a.b":{"c":"\u0041dam"},"deep":{"guest":{"name":"Ada"}}}"#
            ),
            r#"{"name":"x","guest":{"name":"[redacted]","room":7},"#.to_owned()
                + r#""cards":[{"number":"****1111"},{"number":"****0005"},{"number":"[redacted]"},{"number":"[redacted]"}],"#
                + r#""list":[1,"[redacted]",3],"note":"stays","a.b":{"c":"Ad****"},"deep":{"guest":{"name":"Ada"}}}"#
        );
    }

    #[test]
    fn a_closure_makes_what_takes_the_place_and_secrets_in_it_are_still_masked() {
        let redactor = Redactor::defaults()
            .path(
                "mail",
                Censor::with(|mail| mail.split('@').next_back().unwrap_or_default().to_owned()),
            )
            .and_then(|redactor| {
                redactor.path("size", Censor::with(|json| format!("{} bytes", json.len())))
            })
            .and_then(|redactor| redactor.path("leak", Censor::with(str::to_owned)))
            .unwrap();
        assert_eq!(
            clean(
                &redactor,
                r#"{"mail":"ada@example.org","size":{"a":[1]},"leak":"4111 1111 1111 1111\n"}"#
            ),
            r#"{"mail":"example.org","size":"9 bytes","leak":"[redacted]\n"}"#
        );
    }

    #[test]
    fn a_path_wins_over_a_name_and_the_later_over_the_earlier() {
        let redactor = Redactor::defaults()
            .path("card_number", Censor::mask())
            .and_then(|redactor| redactor.path("card_number", Censor::keep_last(4)))
            .unwrap();
        assert_eq!(
            clean(
                &redactor,
                r#"{"card_number":"4111111111111111","a":{"card_number":"4111111111111111"}}"#
            ),
            r#"{"card_number":"****1111","a":{"card_number":"[redacted]"}}"#
        );
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for path in [
            "", ".", "a.", ".a", "a..b", "a[", "a[]", "a[x]", "[\"a]", "a[0]b", "a.[0]",
        ] {
            let refused = Redactor::defaults().path(path, Censor::mask());
            assert!(refused.is_err(), "{path}");
        }
    }
}
