/// Whether a text is one scope (RFC 6749, section 3.3): what else a list of scopes would part, and a quoted list end.
pub(crate) fn is_scope(name: &str) -> bool {
    let allowed = |byte| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~');
    !name.is_empty() && name.bytes().all(allowed)
}
