//! Deserialises a tree. No error repeats a value, and each has the path of what it is about.

use std::collections::btree_map;
use std::fmt;

use serde::de::value::{StrDeserializer, StringDeserializer};
use serde::de::{
    self, DeserializeSeed, Deserializer, Expected, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use super::document::{Node, Value};
use super::nearest::nearest;
use super::place::{Path, Step};

/// The reason for which a value could not be read.
#[derive(Debug)]
pub(super) struct ReadError {
    /// The path of the value, once it is known.
    pub(super) path: Option<Path>,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Reason(String),
    /// A key that the model does not know; one that it does and that is like it.
    UnknownKey(Option<&'static str>),
    /// A key that the model needs.
    Missing(&'static str),
}

impl ReadError {
    const fn new(kind: Kind) -> Self {
        Self { path: None, kind }
    }

    fn reason(reason: String) -> Self {
        Self::new(Kind::Reason(reason))
    }

    fn at(mut self, path: impl FnOnce() -> Path) -> Self {
        self.path.get_or_insert_with(path);
        self
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Reason(reason) => f.write_str(reason),
            Kind::Missing(key) => write!(f, "needs {key}"),
            Kind::UnknownKey(Some(near)) => write!(f, "is no setting; did you mean {near}?"),
            Kind::UnknownKey(None) => f.write_str("is no setting"),
        }
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::reason(message.to_string())
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::reason(format!(
            "is {}, must be {}",
            kind_of(unexpected),
            wanted(expected)
        ))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::reason(format!("must be {}", wanted(expected)))
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::reason(format!("has {length} items, must be {}", wanted(expected)))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let mut reason = format!("must be {}", expected.join(", "));
        if let Some(near) = nearest(variant, expected.iter().copied()) {
            reason += &format!("; did you mean {near}?");
        }
        Self::reason(reason)
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Kind::UnknownKey(nearest(field, expected.iter().copied())))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Kind::Missing(field))
    }
}

/// The kind of a value, as TOML calls it.
const fn kind_of(unexpected: Unexpected<'_>) -> &'static str {
    match unexpected {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a whole number",
        Unexpected::Float(_) => "a number with a fraction",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a table",
        _ => "a text",
    }
}

/// The kind of value that a model wants, in words for who never saw it.
fn wanted(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    let known = match text.as_str() {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number from 0",
        "f32" | "f64" => "a number",
        "a string" => "a text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a table",
        other if other.starts_with("struct ") => "a table",
        other if other.starts_with("enum ") || other == "variant identifier" => "one of its words",
        _ => return text,
    };
    known.to_owned()
}

/// A value and its path, on the stack of whoever reads it.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    node: &'a Node,
    trail: &'a Trail<'a>,
}

pub(super) struct Trail<'a>(Option<(&'a Trail<'a>, TrailStep<'a>)>);

#[derive(Clone, Copy)]
enum TrailStep<'a> {
    Key(&'a str),
    Index(usize),
}

impl Trail<'_> {
    pub(super) const ROOT: Self = Self(None);

    fn path(&self) -> Path {
        let Some((before, step)) = &self.0 else {
            return Path::default();
        };
        before.path().join(match step {
            TrailStep::Key(key) => Step::Key((*key).to_owned()),
            TrailStep::Index(index) => Step::Index(*index),
        })
    }
}

impl<'a> At<'a> {
    pub(super) const fn root(node: &'a Node) -> Self {
        Self {
            node,
            trail: &Trail::ROOT,
        }
    }
}

impl<'de> Deserializer<'de> for At<'_> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::Text(text) => visitor.visit_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Flag(flag) => visitor.visit_bool(*flag),
            Value::Removed => Err(ReadError::reason("cannot be read".to_owned())),
            Value::Other(kind) => Err(ReadError::reason(format!("is {kind}"))),
            Value::List(list) => visitor.visit_seq(Items {
                list,
                next: 0,
                trail: self.trail,
            }),
            Value::Table(table) => visitor.visit_map(Entries {
                entries: table.iter(),
                value: None,
                trail: self.trail,
            }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    /// Every variant of the models is a word.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::Text(text) => {
                let word: StrDeserializer<'_, ReadError> = text.as_str().into_deserializer();
                word.deserialize_enum(name, variants, visitor)
            }
            _ => Err(ReadError::reason(format!(
                "must be {}",
                variants.join(", ")
            ))),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

struct Items<'a> {
    list: &'a [Node],
    next: usize,
    trail: &'a Trail<'a>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ReadError> {
        while let Some(node) = self.list.get(self.next) {
            let trail = Trail(Some((self.trail, TrailStep::Index(self.next))));
            self.next += 1;
            if node.value == Value::Removed {
                continue;
            }
            let at = At {
                node,
                trail: &trail,
            };
            let item = seed.deserialize(at);
            return item.map(Some).map_err(|error| error.at(|| trail.path()));
        }
        Ok(None)
    }
}

struct Entries<'a> {
    entries: btree_map::Iter<'a, String, Node>,
    value: Option<(&'a str, &'a Node)>,
    trail: &'a Trail<'a>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        for (key, node) in self.entries.by_ref() {
            if node.value == Value::Removed {
                continue;
            }
            self.value = Some((key, node));
            let trail = Trail(Some((self.trail, TrailStep::Key(key))));
            let read: StringDeserializer<ReadError> = key.clone().into_deserializer();
            let read = seed.deserialize(read);
            return read.map(Some).map_err(|error| error.at(|| trail.path()));
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let Some((key, node)) = self.value.take() else {
            return Err(ReadError::reason("has no value".to_owned()));
        };
        let trail = Trail(Some((self.trail, TrailStep::Key(key))));
        let at = At {
            node,
            trail: &trail,
        };
        seed.deserialize(at)
            .map_err(|error| error.at(|| trail.path()))
    }
}
