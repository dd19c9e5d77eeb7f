use std::borrow::Cow;

use serde_json::Value;

use super::action::{Action, MASK};
use super::cleaner::Cleaner;
use crate::format::json;

/// How deep details may be nested; what lies deeper is masked rather than followed.
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
        if action == Some(Action::Drop) {
            continue;
        }
        if !first {
            out.push(b',');
        }
        first = false;
        redaction.text(out, name.as_bytes());
        out.push(b':');
        match action {
            None | Some(Action::Keep) => write(redaction, out, value, depth + 1),
            Some(action) => {
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
    }
    out.push(b'}');
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
                write(redaction, out, item, depth + 1);
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
}
