use crate::redact::action::MASK;
use crate::redact::cleaner::Cleaner;
use crate::redact::values;

impl Cleaner {
    /// Appends a number, `true`, `false` or `null`; the number of a payment card becomes a text.
    pub(in crate::redact) fn number(&mut self, out: &mut Vec<u8>, scalar: &[u8]) {
        let is_long = scalar.len() >= values::SHORTEST_CARD;
        if is_long && self.finds_values() && values::is_card(scalar) {
            out.push(b'"');
            out.extend_from_slice(MASK.as_bytes());
            out.push(b'"');
        } else {
            out.extend_from_slice(scalar);
        }
    }
}

/// RFC 8259, section 6.
pub(super) fn is_number(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(text);
    if whole == 0 || (whole > 1 && text[0] == b'0') {
        return false;
    }
    let mut rest = &text[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let len = digits(fraction);
        if len == 0 {
            return false;
        }
        rest = &fraction[len..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = match exponent {
            [b'+' | b'-', rest @ ..] => rest,
            all => all,
        };
        let len = digits(exponent);
        if len == 0 {
            return false;
        }
        rest = &exponent[len..];
    }
    rest.is_empty()
}
