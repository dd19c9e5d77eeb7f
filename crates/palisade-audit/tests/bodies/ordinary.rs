//! Ordinary bodies: the members of public interfaces with values as these have them, made from a seed.

use serde_json::{Map, Value, json};

use crate::values::Seeded;

/// The shapes, and the members of each with their kinds.
const SHAPES: &str = include_str!("shapes.txt");

/// The endings of names, each with the kind of its values.
const ENDINGS: &[(&str, &str)] = &[
    ("_id", "uuid"),
    ("_id", "id"),
    ("Id", "snowflake"),
    ("_number", "order"),
    ("Number", "serial"),
    ("_name", "name"),
    ("Name", "sentence"),
    ("_count", "count"),
    ("_total", "price"),
    ("_url", "url"),
    ("_at", "time"),
    ("_on", "date"),
    ("Timestamp", "millis"),
    ("_hash", "sha256"),
    ("Digest", "digest"),
    ("_ratio", "fraction"),
    ("_enabled", "flag"),
    ("_label", "slug"),
    ("Version", "version"),
    ("_size", "count"),
    ("_preview", "thumbnail"),
    ("_position", "coordinate"),
    ("", "word"),
    ("s", "count"),
];

/// A body of the shape, or one of the names of the grammar.
pub(crate) fn body(seeded: &mut Seeded, nth: usize) -> Value {
    let shapes: Vec<&str> = SHAPES.split("\n\n").skip(1).collect();
    let mut body = Value::Object(Map::new());
    if let Some(shape) = shapes.get(nth % (shapes.len() + 2)) {
        for line in shape.lines().filter(|line| !line.starts_with('#')) {
            let (path, kind) = line.rsplit_once(' ').unwrap();
            put(seeded, &mut body, path, kind);
        }
    } else {
        for _ in 0..30 {
            let (ending, kind) = seeded.of(ENDINGS);
            let name = format!("{}{ending}", seeded.noun());
            let value = seeded.value(kind);
            body[name] = value;
        }
    }
    body
}

/// Puts a value of the kind at the path.
fn put(seeded: &mut Seeded, at: &mut Value, path: &str, kind: &str) {
    let (name, rest) = match path.split_once('.') {
        // Names with dots are one level of their own, as in OpenTelemetry's attributes.
        Some((name, rest)) => (name, Some(rest)),
        None => (path, None),
    };
    let (name, is_list) = match name.strip_suffix("[]") {
        Some(name) => (name, true),
        None => (name, false),
    };
    let slot = at
        .as_object_mut()
        .unwrap()
        .entry(name)
        .or_insert(Value::Null);
    if is_list {
        if slot.is_null() {
            let item = if rest.is_some() {
                json!({})
            } else {
                Value::Null
            };
            *slot = Value::Array(vec![item; 2]);
        }
        for item in slot.as_array_mut().unwrap() {
            match rest {
                Some(rest) => put(seeded, item, rest, kind),
                None => *item = seeded.value(kind),
            }
        }
    } else if let Some(rest) = rest {
        if slot.is_null() {
            *slot = json!({});
        }
        put(seeded, slot, rest, kind);
    } else {
        *slot = seeded.value(kind);
    }
}

/// The values of a body with their paths.
pub(crate) fn leaves(body: &Value, path: &str, into: &mut Vec<(String, Value)>) {
    match body {
        Value::Object(members) => {
            for (name, value) in members {
                leaves(value, &format!("{path}.{name}"), into);
            }
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| leaves(item, &format!("{path}[]"), into)),
        value => into.push((path.to_owned(), value.clone())),
    }
}
