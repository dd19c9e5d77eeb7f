use std::borrow::Cow;

use serde_json::Value;

use super::action::{Action, MASK};
use super::cleaner::Cleaner;
use super::path::Censor;
use crate::format::json;

/// The deepest nesting of details; deeper values are masked rather than followed.
const MAX_DEPTH: usize = 32;

impl Cleaner {
    /// Appends the details of a record as an object.
    pub(crate) fn details(&mut self, out: &mut Vec<u8>, details: &[(Cow<'static, str>, Value)]) {
        let members = details.iter().map(|(name, value)| (name.as_ref(), value));
        object(self, out, members);
    }
}

/// Appends an object with the values of sensitive names replaced, at any depth.
fn object<'a>(
    redaction: &mut Cleaner,
    out: &mut Vec<u8>,
    members: impl Iterator<Item = (&'a str, &'a Value)>,
) {
    redaction.at_the_root();
    write_object(redaction, out, members, 0);
}

fn write_object<'a>(
    redaction: &mut Cleaner,
    out: &mut Vec<u8>,
    members: impl Iterator<Item = (&'a str, &'a Value)>,
    depth: usize,
) {
    out.push(b'{');
    let mut first = true;
    for (name, value) in members {
        let action = match value {
            // These say nothing about a secret but whether there is one.
            Value::Null | Value::Bool(_) => None,
            _ => redaction.decide(name.as_bytes()),
        };
        redaction.enter_member(name.as_bytes());
        let censor = redaction.censor();
        let is_dropped = match &censor {
            Some(censor) => censor.is_drop(),
            None => action == Some(Action::Drop),
        };
        if is_dropped {
            redaction.leave();
            continue;
        }
        if !first {
            out.push(b',');
        }
        first = false;
        redaction.text(out, name.as_bytes());
        out.push(b':');
        match (censor, action) {
            (Some(censor), _) => put(redaction, out, &censor, value),
            (None, None | Some(Action::Keep)) => write(redaction, out, value, depth + 1),
            (None, Some(action)) => {
                out.push(b'"');
                match value {
                    Value::String(text) => redaction.replace(out, action, text.as_bytes()),
                    Value::Number(number) => {
                        redaction.replace(out, action, number.to_string().as_bytes());
                    }
                    _ => redaction.replace(out, Action::Mask, b""),
                }
                out.push(b'"');
            }
        }
        redaction.leave();
    }
    out.push(b'}');
}

/// Appends what a censor makes of a value.
fn put(redaction: &mut Cleaner, out: &mut Vec<u8>, censor: &Censor, value: &Value) {
    match value {
        Value::String(text) => redaction.censored(out, censor, text, true),
        Value::Object(_) | Value::Array(_) => {
            redaction.censored(out, censor, &value.to_string(), false);
        }
        _ => redaction.censored(out, censor, &value.to_string(), true),
    }
}

fn write(redaction: &mut Cleaner, out: &mut Vec<u8>, value: &Value, depth: usize) {
    match value {
        Value::Object(_) | Value::Array(_) if depth > MAX_DEPTH => {
            json::string(out, MASK.as_bytes());
        }
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| (name.as_str(), value));
            write_object(redaction, out, members, depth);
        }
        Value::Array(items) => {
            out.push(b'[');
            for (nth, item) in items.iter().enumerate() {
                if nth > 0 {
                    out.push(b',');
                }
                redaction.enter_item(nth);
                match redaction.censor() {
                    Some(censor) => put(redaction, out, &censor, item),
                    None => write(redaction, out, item, depth + 1),
                }
                redaction.leave();
            }
            out.push(b']');
        }
        Value::String(text) => redaction.text(out, text.as_bytes()),
        Value::Number(number) => redaction.number(out, number.to_string().as_bytes()),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Null => out.extend_from_slice(b"null"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Redactor;

    #[test]
    fn sensitive_names_are_masked_at_any_depth() {
        let value = json!({
            "user": { "name": "Ada", "Password": "x", "emails": ["a@b.c"] },
            "list": [{ "apiKey": 12 }, "plain"],
            "password_set": true,
        });
        let mut out = Vec::new();
        let members = value.as_object().unwrap().iter();
        object(
            &mut Redactor::defaults().cleaner(),
            &mut out,
            members.map(|(name, value)| (name.as_str(), value)),
        );
        let clean: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(
            clean,
            json!({
                "user": { "name": "Ada", "Password": "[redacted]", "emails": "[redacted]" },
                "list": [{ "apiKey": "[redacted]" }, "plain"],
                "password_set": true,
            })
        );
    }

    #[test]
    fn details_are_redacted_by_path_as_well() {
        let redactor = Redactor::defaults()
            .path("card", Censor::keep_last(4))
            .and_then(|redactor| redactor.path("guests[*].name", Censor::drop()))
            .and_then(|redactor| redactor.path("list[0]", Censor::mask()))
            .unwrap();
        let details = [
            ("card".into(), json!(4_111_111_111_111_111_u64)),
            ("guests".into(), json!([{ "name": "Ada", "room": 7 }])),
            ("list".into(), json!([[1], 2])),
        ];
        let mut out = Vec::new();
        redactor.cleaner().details(&mut out, &details);
        let clean: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(
            clean,
            json!({ "card": "****1111", "guests": [{ "room": 7 }], "list": ["[redacted]", 2] })
        );
    }
}
