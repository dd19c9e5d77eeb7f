//! Documents that are already a [`Value`].

use serde_json::Value;

use crate::fields::{Step, push_step};
use crate::json::MAX_DEPTH;
use crate::matcher::{Level, Matcher};
use crate::sealer::Sealer;
use crate::session::Session;
use crate::{Context, Error, FieldCipher, Fields};

impl FieldCipher {
    /// Seals the fields of a document in place, and says how many there were.
    ///
    /// Each is bound to its own path after the path of `place`, with `[]` for any element of an array: elements may
    /// change places. A field that is already sealed is sealed again. Either every field is sealed or, with an error,
    /// none.
    ///
    /// # Errors
    ///
    /// [`Error::Field`] with the path, or [`Error::TooDeep`] below 127 levels.
    ///
    /// # Example
    ///
    /// ```
    /// use palisade_crypto::{Context, FieldCipher, Fields, Key, Keyring};
    /// use serde_json::json;
    ///
    /// let cipher = FieldCipher::new(Keyring::single(Key::generate()?)?);
    /// let original = json!({"name": "Ann", "email": "a@b.c", "cards": [{"credit_card": 4111}]});
    /// let mut user = original.clone();
    /// let fields = Fields::DEFAULT_SENSITIVE;
    /// assert_eq!(cipher.encrypt_fields(&mut user, &fields, &Context::new("users"))?, 2);
    /// assert_eq!(user["name"], "Ann");
    /// assert!(user["email"].as_str().is_some_and(|email| email.starts_with("pl1.")));
    ///
    /// cipher.decrypt_fields(&mut user, &fields, &Context::new("users"))?;
    /// assert_eq!(user, original);
    /// # Ok::<(), palisade_crypto::Error>(())
    /// ```
    pub fn encrypt_fields(
        &self,
        document: &mut Value,
        fields: &Fields,
        place: &Context<'_>,
    ) -> Result<usize, Error> {
        let session = self.session();
        let mut sealer = Sealer::new(&session);
        replace_fields(document, fields, place, |value, place| {
            let mut sealed = String::new();
            sealer.seal_value(value, place, &mut sealed)?;
            Ok(Some(Value::String(sealed)))
        })
    }

    /// Opens the fields of a document in place, and says how many there were.
    ///
    /// # Errors
    ///
    /// [`Error::Field`] with the path of the first field that does not open, or [`Error::TooDeep`]; the document is
    /// then as it was.
    pub fn decrypt_fields(
        &self,
        document: &mut Value,
        fields: &Fields,
        place: &Context<'_>,
    ) -> Result<usize, Error> {
        let session = self.session();
        replace_fields(document, fields, place, |value, place| {
            open_field(&session, value, place)
        })
    }
}

fn open_field(
    session: &Session<'_>,
    value: &Value,
    place: &Context<'_>,
) -> Result<Option<Value>, Error> {
    match value {
        Value::String(text) => session.open_value(text, place),
        _ if session.plaintext_allowed() => Ok(None),
        _ => Err(Error::NotSealed),
    }
}

/// First finds what every field becomes, then puts it there, so that an error leaves the document whole.
pub(crate) fn replace_fields(
    document: &mut Value,
    fields: &Fields,
    place: &Context<'_>,
    mut become_what: impl FnMut(&Value, &Context<'_>) -> Result<Option<Value>, Error>,
) -> Result<usize, Error> {
    let mut replacements = Vec::new();
    let mut path = place.path_text().to_owned();
    walk(document, fields, &mut path, &mut |value, path| {
        let replacement = become_what(value, &place.path(path)).map_err(|error| error.at(path))?;
        replacements.push(replacement);
        Ok(())
    })?;
    let count = replacements.iter().flatten().count();
    let mut replacements = replacements.into_iter();
    walk(document, fields, &mut path, &mut |value, _| {
        if let Some(replacement) = replacements.next().flatten() {
            *value = replacement;
        }
        Ok(())
    })?;
    Ok(count)
}

type Visit<'a> = dyn FnMut(&mut Value, &str) -> Result<(), Error> + 'a;

fn walk(
    document: &mut Value,
    fields: &Fields,
    path: &mut String,
    visit: &mut Visit<'_>,
) -> Result<(), Error> {
    let mut matcher = Matcher::new(fields);
    let root = matcher.root();
    descend(document, root, &mut matcher, path, 0, visit)
}

fn descend(
    value: &mut Value,
    (level, hit): (Level, bool),
    matcher: &mut Matcher<'_>,
    path: &mut String,
    depth: usize,
    visit: &mut Visit<'_>,
) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(Error::TooDeep { limit: MAX_DEPTH });
    }
    if hit {
        return visit(value, path);
    }
    let len = path.len();
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let below = matcher.step(&level, Step::Name(name));
                push_step(path, Step::Name(name));
                descend(member, below, matcher, path, depth + 1, visit)?;
                path.truncate(len);
            }
        }
        Value::Array(elements) => {
            for element in elements {
                let below = matcher.step(&level, Step::Element);
                push_step(path, Step::Element);
                descend(element, below, matcher, path, depth + 1, visit)?;
                path.truncate(len);
            }
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_127_levels_deep_at_most() {
        let array: fn(Value) -> Value = |value| Value::Array(vec![value]);
        let object: fn(Value) -> Value = |value| serde_json::json!({ "a": value });
        for wrapped in [array, object] {
            let nested = |levels: usize| {
                let value = (0..levels).fold(Value::Null, |value, _| wrapped(value));
                let fields = Fields::DEFAULT_SENSITIVE;
                walk(&mut { value }, &fields, &mut String::new(), &mut |_, _| {
                    Ok(())
                })
            };
            assert!(nested(127).is_ok());
            assert!(matches!(nested(128), Err(Error::TooDeep { limit: 127 })));
        }
    }
}
