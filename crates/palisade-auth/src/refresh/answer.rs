//! Answers of the script that uses a refresh token.

use redis::Value;

use crate::store::{number_of, text_of};

/// The word and the text of an answer.
pub(super) fn read(answer: &Value) -> Option<(&str, Option<&str>)> {
    let Value::Array(parts) = answer else {
        return None;
    };
    let outcome = parts.first().and_then(text_of)?;
    Some((outcome, parts.get(1).and_then(text_of)))
}

/// The time at which the family of a good answer began, in seconds; one that does not say so began long ago.
pub(super) fn began(answer: &Value) -> u64 {
    let Value::Array(parts) = answer else {
        return 0;
    };
    parts.get(2).and_then(number_of).unwrap_or(0)
}
