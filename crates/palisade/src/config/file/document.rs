use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::place::{Path, Place, Step};

/// A value, and where it stands.
#[derive(Clone)]
pub(in crate::config) struct Node {
    pub(in crate::config) place: Place,
    pub(in crate::config) value: Value,
}

#[derive(Clone, PartialEq)]
pub(in crate::config) enum Value {
    /// A value that could not be read, and is left out from then on.
    Removed,
    Text(String),
    Integer(i64),
    Float(f64),
    Flag(bool),
    /// A date or time, which no setting takes, or a number that no integer holds.
    Other(&'static str),
    List(Vec<Node>),
    Table(BTreeMap<String, Node>),
}

impl PartialEq for Node {
    /// Whether both say the same, wherever.
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Default for Node {
    fn default() -> Self {
        Self {
            place: Place::Nowhere,
            value: Value::Table(BTreeMap::new()),
        }
    }
}

impl Node {
    pub(in crate::config) const fn new(place: Place, value: Value) -> Self {
        Self { place, value }
    }

    /// The value in this one after a step.
    pub(in crate::config) fn child(&self, step: &Step) -> Option<&Self> {
        match (&self.value, step) {
            (Value::Table(table), Step::Key(key)) => table.get(key),
            (Value::List(list), Step::Index(index)) => list.get(*index),
            _ => None,
        }
    }

    pub(in crate::config) fn child_mut(&mut self, step: &Step) -> Option<&mut Self> {
        match (&mut self.value, step) {
            (Value::Table(table), Step::Key(key)) => table.get_mut(key),
            (Value::List(list), Step::Index(index)) => list.get_mut(*index),
            _ => None,
        }
    }

    pub(in crate::config) fn find(&self, path: &Path) -> Option<&Self> {
        path.0.iter().try_fold(self, |node, step| node.child(step))
    }

    pub(in crate::config) fn find_mut(&mut self, path: &Path) -> Option<&mut Self> {
        path.0
            .iter()
            .try_fold(self, |node, step| node.child_mut(step))
    }

    /// The table at a path of keys, which is made where it is not there; `None` where something else is.
    pub(in crate::config) fn table_at(
        &mut self,
        path: &Path,
        place: Place,
    ) -> Option<&mut BTreeMap<String, Self>> {
        let mut node = self;
        for step in &path.0 {
            if let (Value::Table(table), Step::Key(key)) = (&mut node.value, step) {
                let made = || Self::new(place, Value::Table(BTreeMap::new()));
                table.entry(key.clone()).or_insert_with(made);
            }
            node = node.child_mut(step)?;
        }
        match &mut node.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The place of the value at a path, or of the nearest one around it that has a place.
    pub(in crate::config) fn place_of(&self, path: &Path) -> Place {
        let mut node = self;
        let mut place = node.place;
        for step in &path.0 {
            let Some(child) = node.child(step) else {
                break;
            };
            node = child;
            if node.place != Place::Nowhere {
                place = node.place;
            }
        }
        place
    }

    /// Every value in this one, itself first, with its path from `at`.
    pub(in crate::config) fn each(&self, at: &Path, visit: &mut dyn FnMut(&Path, &Self)) {
        visit(at, self);
        match &self.value {
            Value::Table(table) => {
                for (key, node) in table {
                    node.each(&at.key(key), visit);
                }
            }
            Value::List(list) => {
                for (index, node) in list.iter().enumerate() {
                    node.each(&at.join(Step::Index(index)), visit);
                }
            }
            _ => {}
        }
    }
}

/// The tree of a text in TOML, and every mistake in its syntax with its line.
///
/// The reasons are TOML's own, without the lines that its errors show: those may hold a secret.
pub(in crate::config) fn parse(text: &str) -> (Node, Vec<(usize, String)>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let lines = Lines::of(text);
    let mistakes = errors.iter().map(|error| {
        let line = error.span().map_or(1, |span| lines.of_offset(span.start));
        (line, reason(error.message()))
    });
    let mistakes = mistakes.collect();
    let root = Node {
        place: Place::Nowhere,
        value: of_table(table.get_ref(), &lines),
    };
    (root, mistakes)
}

/// A message of TOML's parser, of which the first line says what is wrong.
fn reason(message: &str) -> String {
    let first = message.lines().next().unwrap_or_default();
    format!("is not TOML: {first}")
}

fn of_table(table: &DeTable<'_>, lines: &Lines) -> Value {
    let entries = table.iter().map(|(key, value)| {
        let place = Place::Line(lines.of_offset(key.span().start));
        let value = of_value(value.get_ref(), lines);
        (key.get_ref().to_string(), Node::new(place, value))
    });
    Value::Table(entries.collect())
}

fn of_value(value: &DeValue<'_>, lines: &Lines) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => {
            let parsed = i64::from_str_radix(number.as_str(), number.radix());
            parsed.map_or(Value::Other("a number that is too large"), Value::Integer)
        }
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .map_or(Value::Other("no number"), Value::Float),
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Datetime(_) => Value::Other("a date or time"),
        DeValue::Array(list) => {
            let nodes = list.iter().map(|item| {
                let place = Place::Line(lines.of_offset(item.span().start));
                Node::new(place, of_value(item.get_ref(), lines))
            });
            Value::List(nodes.collect())
        }
        DeValue::Table(table) => of_table(table, lines),
    }
}

/// The offsets at which the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let after_breaks = text.match_indices('\n').map(|(offset, _)| offset + 1);
        Self(std::iter::once(0).chain(after_breaks).collect())
    }

    fn of_offset(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset)
    }
}
