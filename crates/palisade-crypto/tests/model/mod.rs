//! A slow and simple model of what the rewriter does, on top of serde_json, and documents to try it on.

use std::fmt;

use proptest::prelude::*;
use serde::de::{Deserializer as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The place of a field in a text, and its path.
#[derive(Debug, PartialEq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) path: String,
}

#[derive(Clone, PartialEq)]
enum Step {
    Name(String),
    Element,
}

/// The fields of a valid text, in order.
pub(crate) fn field_spans(text: &str, patterns: &[String]) -> Vec<Span> {
    let root: &RawValue = serde_json::from_str(text).unwrap();
    let mut spans = Vec::new();
    collect(text, root, &mut Vec::new(), patterns, &mut spans);
    spans
}

fn collect(
    text: &str,
    value: &RawValue,
    steps: &mut Vec<Step>,
    patterns: &[String],
    spans: &mut Vec<Span>,
) {
    if patterns.iter().any(|pattern| is_field(pattern, steps)) {
        let start = value.get().as_ptr() as usize - text.as_ptr() as usize;
        spans.push(Span {
            start,
            end: start + value.get().len(),
            path: path(steps),
        });
        return;
    }
    for (step, child) in children(value) {
        steps.push(step);
        collect(text, child, steps, patterns, spans);
        steps.pop();
    }
}

fn path(steps: &[Step]) -> String {
    steps
        .iter()
        .map(|step| match step {
            Step::Element => "/[]".to_owned(),
            Step::Name(name) => {
                let name = name.replace('~', "~0").replace('/', "~1");
                format!("/{}", name.replace('[', "~2").replace('*', "~3"))
            }
        })
        .collect()
}

fn is_field(pattern: &str, steps: &[Step]) -> bool {
    let pattern = match pattern.strip_prefix('/') {
        Some(steps) => steps.to_owned(),
        None => format!("**/{pattern}"),
    };
    let segments: Vec<&str> = pattern.split('/').collect();
    matches(&segments, steps)
}

fn matches(segments: &[&str], steps: &[Step]) -> bool {
    match segments {
        [] => steps.is_empty(),
        ["**", rest @ ..] => (0..=steps.len()).any(|skipped| matches(rest, &steps[skipped..])),
        [first, rest @ ..] => match steps {
            [] => false,
            [step, below @ ..] => {
                let fits = match (first, step) {
                    (&"*", _) | (&"[]", Step::Element) => true,
                    (&"[]", Step::Name(_)) => false,
                    (name, Step::Name(step)) => step == name,
                    (_, Step::Element) => false,
                };
                fits && matches(rest, below)
            }
        },
    }
}

/// Members, duplicates included, or elements.
fn children(value: &RawValue) -> Vec<(Step, &RawValue)> {
    struct Children;
    impl<'de> Visitor<'de> for Children {
        type Value = Vec<(Step, &'de RawValue)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("anything")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                all.push((Step::Name(name), value));
            }
            Ok(all)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some(value) = seq.next_element::<&RawValue>()? {
                all.push((Step::Element, value));
            }
            Ok(all)
        }
    }
    if !value.get().starts_with(['{', '[']) {
        return Vec::new();
    }
    serde_json::Deserializer::from_str(value.get())
        .deserialize_any(Children)
        .unwrap()
}

/// The text with every field that is a string written in serde_json's own way.
pub(crate) fn with_strings_normalised(text: &str, spans: &[Span]) -> String {
    let (mut out, mut copied) = (String::new(), 0);
    for span in spans {
        out.push_str(&text[copied..span.start]);
        let raw = &text[span.start..span.end];
        match serde_json::from_str::<String>(raw) {
            Ok(string) => out.push_str(&serde_json::to_string(&string).unwrap()),
            Err(_) => out.push_str(raw),
        }
        copied = span.end;
    }
    out + &text[copied..]
}

/// Names from a small set, so that patterns hit and duplicates happen.
fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "a",
        "b",
        "email",
        "em",
        "",
        "[]",
        "*",
        "a/b",
        "~",
        "\u{e9}",
        "\u{1f511}",
    ])
}

/// A string as JSON, each character plain or escaped.
fn quoted(text: &str, escape: u64) -> String {
    let mut out = String::from('"');
    for (position, character) in text.chars().enumerate() {
        let escaped = escape >> (position % 64) & 1 == 1;
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '/' if escaped => out.push_str("\\/"),
            _ if escaped || character < ' ' => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04X}"));
                }
            }
            _ => out.push(character),
        }
    }
    out + "\""
}

fn space() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "", "", " ", "\n", "\t\r\n  "])
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "null",
            "true",
            "false",
            "0",
            "-0",
            "1.0",
            "1.50e+2",
            "123",
            "-1E-7",
            "123456789012345678901234567890",
            "0.1000",
        ])
        .prop_map(str::to_owned),
        ("[ -~\u{e9}\u{2028}\u{1f511}\"\\\\\n\t]{0,12}", any::<u64>())
            .prop_map(|(text, escape)| quoted(&text, escape)),
    ]
}

/// A JSON text.
pub(crate) fn document() -> impl Strategy<Value = String> {
    let value = scalar().prop_recursive(5, 40, 6, |inner| {
        let member = (name(), any::<u64>(), space(), space(), inner.clone()).prop_map(
            |(name, escape, before, after, value)| {
                format!(
                    "{before}{}{after}:{before}{value}{after}",
                    quoted(name, escape)
                )
            },
        );
        let element = (space(), inner).prop_map(|(space, value)| format!("{space}{value}{space}"));
        prop_oneof![
            (prop::collection::vec(member, 1..6)).prop_map(|all| format!("{{{}}}", all.join(","))),
            (prop::collection::vec(element, 1..6)).prop_map(|all| format!("[{}]", all.join(","))),
            space().prop_map(|space| format!("{{{space}}}")),
            space().prop_map(|space| format!("[{space}]")),
        ]
    });
    (space(), value, space()).prop_map(|(before, value, after)| format!("{before}{value}{after}"))
}

/// Patterns without the escapes of their syntax, which the model does not know.
pub(crate) fn patterns() -> impl Strategy<Value = Vec<String>> {
    let segment = prop::sample::select(vec!["a", "b", "email", "em", "[]", "*", "**", "\u{e9}"]);
    let pattern =
        (any::<bool>(), prop::collection::vec(segment, 1..4)).prop_map(|(anchored, segments)| {
            let start = if anchored { "/" } else { "" };
            format!("{start}{}", segments.join("/"))
        });
    prop::collection::vec(pattern, 0..4)
}

/// A JSON text with a few bytes changed, taken out or put in.
pub(crate) fn almost_json() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        prop::sample::select(b"{}[]:,\"\\ 0123456789.eE+-truefalsn/ub\n\x00\x1f\x7f".to_vec()),
        any::<u8>(),
    ];
    let edit = (any::<prop::sample::Index>(), 0..3, byte);
    (document(), prop::collection::vec(edit, 0..3)).prop_map(|(text, edits)| {
        let mut text = text.into_bytes();
        for (place, kind, byte) in edits {
            let at = place.index(text.len() + 1);
            match kind {
                0 if at < text.len() => text[at] = byte,
                1 if at < text.len() => drop(text.remove(at)),
                _ => text.insert(at, byte),
            }
        }
        text
    })
}
