//! Problems of a part, as the crates name them, under the keys and lines of the file.

use palisade_core::{Problem, Problems};

use super::error::Mistake;
use super::file::{Node, Path, Place, Step, Value};
use super::model::{Config, Origin};
use super::variables::is_name;

impl Config {
    /// The mistakes that the problems of a section are, such as `limits.clients`: each with the line, the key and no value.
    ///
    /// For what code builds of a section by itself.
    #[must_use]
    pub fn explain(&self, section: &str, problems: &Problems) -> Vec<Mistake> {
        self.origin.explain(&Path::of(section), problems)
    }
}

impl Origin {
    pub(super) fn explain(&self, section: &Path, problems: &Problems) -> Vec<Mistake> {
        let texts = texts_in(self.root.find(section));
        let mistake = |problem: &Problem| {
            let (path, rest) = locate(&self.root, section, &problem.field);
            // What the path does not say of the field, the reason does.
            let reason = match rest.is_empty() {
                true => problem.reason.clone(),
                false => format!("{rest}: {}", problem.reason),
            };
            self.mistake(&path, without(&texts, reason))
        };
        problems.iter().map(mistake).collect()
    }

    pub(super) fn mistake(&self, path: &Path, reason: String) -> Mistake {
        let place = self.root.place_of(path);
        Mistake::new(self.file.clone(), place, path.clone(), reason)
    }

    /// A mistake that is about no value of the tree.
    pub(super) fn mistake_at(&self, place: Place, reason: &str) -> Mistake {
        Mistake::new(self.file.clone(), place, Path::default(), reason.to_owned())
    }
}

/// The path of a field as a crate names it, as far as the tree has it, by its steps, or by a text that it quotes; and what
/// is left of the field.
fn locate(root: &Node, section: &Path, field: &str) -> (Path, String) {
    let mut path = section.clone();
    let steps = steps(field);
    let mut known = 0;
    for step in &steps {
        let next = path.join(step.clone());
        // A policy is named by its name and not by its number.
        let named = || match step {
            Step::Key(text) => by_text(root, &path, text),
            Step::Index(_) => None,
        };
        match root.find(&next).map(|_| next).or_else(named) {
            Some(found) => path = found,
            None => break,
        }
        known += 1;
    }
    if let Some(found) = quoted(field).and_then(|text| by_text(root, &path, text)) {
        return (found, String::new());
    }
    let rest = Path(steps.into_iter().skip(known).collect());
    (path, rest.to_string())
}

/// The place below `path` whose text or whose key this is, or of the table whose `name` or `preset` it is.
fn by_text(root: &Node, path: &Path, text: &str) -> Option<Path> {
    let mut found = None;
    root.find(path)?.each(path, &mut |at, node| {
        let is_text = matches!(&node.value, Value::Text(value) if value == text);
        let is_key = at != path && matches!(at.0.last(), Some(Step::Key(key)) if key == text);
        if found.is_none() && (is_text || is_key) {
            found = Some((at.clone(), is_text));
        }
    });
    let (mut found, is_text) = found?;
    if let Some(Step::Key(key)) = found.0.last()
        && is_text
        && (key == "name" || key == "preset")
    {
        found.0.pop();
    }
    Some(found)
}

/// The steps of a field such as `policies[0].limits[1].per`.
fn steps(field: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for part in field.split('.') {
        let mut parts = part.split('[');
        if let Some(key) = parts.next().filter(|key| !key.is_empty()) {
            // Some fields quote the value that they are about.
            let key = key.split(" \"").next().unwrap_or(key);
            steps.push(Step::Key(key.to_owned()));
        }
        for index in parts {
            if let Ok(index) = index.trim_end_matches(']').parse() {
                steps.push(Step::Index(index));
            }
        }
    }
    steps
}

/// The text in a field such as `trusted origin "null"`.
fn quoted(field: &str) -> Option<&str> {
    let (_, rest) = field.split_once('"')?;
    rest.rsplit_once('"').map(|(text, _)| text)
}

/// Every text of a part, the longest first, but for the names of variables.
fn texts_in(part: Option<&Node>) -> Vec<String> {
    let mut texts = Vec::new();
    if let Some(part) = part {
        part.each(&Path::default(), &mut |at, node| {
            let names_variable = matches!(at.0.last(), Some(Step::Key(key)) if key == "env");
            if let Value::Text(text) = &node.value
                && !(names_variable && is_name(text))
            {
                texts.push(text.clone());
            }
        });
    }
    texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
    texts
}

/// The length from which a text is taken out of a reason wherever it stands; shorter ones only where they are quoted.
const TELLING: usize = 6;

/// A reason without the texts of the file: one that stands in the wrong place may be a secret.
fn without(texts: &[String], mut reason: String) -> String {
    const INSTEAD: &str = "the value";
    for text in texts.iter().filter(|text| !text.is_empty()) {
        for quoted in [
            format!("{text:?}"),
            format!("'{text}'"),
            format!("`{text}`"),
        ] {
            reason = reason.replace(&quoted, INSTEAD);
        }
        if text.len() >= TELLING {
            reason = reason.replace(text.as_str(), INSTEAD);
            // As text is shown in `Debug`.
            reason = reason.replace(&text.escape_debug().to_string(), INSTEAD);
        }
        for item in text.split(',').map(str::trim) {
            if item.len() >= TELLING {
                reason = reason.replace(item, INSTEAD);
            }
        }
    }
    reason
}
