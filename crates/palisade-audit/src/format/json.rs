//! JSON written by hand: one line, whatever the text holds.

use std::net::IpAddr;

use palisade_core::time::UnixTime;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Bytes that are copied as they are: visible ASCII but for the quote and the backslash.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0x20;
    while byte < 0x7f {
        plain[byte] = byte != b'"' as usize && byte != b'\\' as usize;
        byte += 1;
    }
    plain
};

/// Appends `text` as a JSON string.
///
/// Beyond what JSON asks for, everything is escaped that could make a reader of the log see another text than is
/// there: control characters (C0, DEL, C1 with U+0085), line and paragraph separators, zero-width and bidirectional
/// controls, tags and interlinear annotation. Bytes that are no UTF-8 become U+FFFD.
pub(crate) fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    escaped(out, text);
    out.push(b'"');
}

/// The inside of [`string`].
pub(crate) fn escaped(out: &mut Vec<u8>, mut text: &[u8]) {
    loop {
        let plain = text
            .iter()
            .position(|byte| !PLAIN[usize::from(*byte)])
            .unwrap_or(text.len());
        out.extend_from_slice(&text[..plain]);
        text = &text[plain..];
        let Some(first) = text.first() else { return };
        let used = if first.is_ascii() {
            ascii(out, *first);
            1
        } else {
            beyond_ascii(out, text)
        };
        text = &text[used..];
    }
}

fn ascii(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        _ => unit(out, byte.into()),
    }
}

/// Writes the character that `text` begins with; returns how many bytes it took.
fn beyond_ascii(out: &mut Vec<u8>, text: &[u8]) -> usize {
    let start = &text[..text.len().min(4)];
    let valid = match std::str::from_utf8(start) {
        Ok(valid) => valid,
        Err(error) => std::str::from_utf8(&start[..error.valid_up_to()]).unwrap_or_default(),
    };
    let Some(found) = valid.chars().next() else {
        out.extend_from_slice("\u{fffd}".as_bytes());
        return 1;
    };
    let mut units = [0; 2];
    if deceives(found) {
        found
            .encode_utf16(&mut units)
            .iter()
            .for_each(|code| unit(out, *code));
    } else {
        out.extend_from_slice(&text[..found.len_utf8()]);
    }
    found.len_utf8()
}

const fn deceives(found: char) -> bool {
    matches!(found,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn unit(out: &mut Vec<u8>, code: u16) {
    out.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        out.push(HEX[usize::from(code >> shift & 0xf)]);
    }
}

/// Appends `,"name":`; `name` must need no escape.
pub(crate) fn key(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Appends `,"name":{...}`; every member that `members` writes begins with a comma.
pub(crate) fn object(out: &mut Vec<u8>, name: &str, members: impl FnOnce(&mut Vec<u8>)) {
    key(out, name);
    out.push(b'{');
    let start = out.len();
    members(out);
    // The first member's comma; objects here are short.
    if out.len() > start {
        out.remove(start);
    }
    out.push(b'}');
}

/// Appends `,"name":["one","two"]` for texts of our own that need no escape.
pub(crate) fn list(out: &mut Vec<u8>, name: &str, items: &[&str]) {
    key(out, name);
    out.push(b'[');
    for (nth, item) in items.iter().enumerate() {
        if nth > 0 {
            out.push(b',');
        }
        out.push(b'"');
        out.extend_from_slice(item.as_bytes());
        out.push(b'"');
    }
    out.push(b']');
}

/// Appends `,"name":"text"`.
pub(crate) fn text(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    key(out, name);
    string(out, value);
}

/// Appends `,"name":"text"` for a text of our own that needs no escape.
pub(crate) fn word(out: &mut Vec<u8>, name: &str, value: &str) {
    key(out, name);
    out.push(b'"');
    out.extend_from_slice(value.as_bytes());
    out.push(b'"');
}

/// Appends `,"name":123`.
pub(crate) fn count(out: &mut Vec<u8>, name: &str, value: u64) {
    key(out, name);
    number(out, value);
}

/// Appends a number in decimal digits.
pub(crate) fn number(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends bytes in hexadecimal, in lower case.
pub(crate) fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + 2 * bytes.len(), 0);
    let digits = out.get_mut(start..).unwrap_or_default();
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        let number = usize::from(*byte);
        pair.copy_from_slice(&[HEX[number >> 4], HEX[number & 0xf]]);
    }
}

/// Appends `,"name":"address"`.
pub(crate) fn ip(out: &mut Vec<u8>, name: &str, ip: IpAddr) {
    key(out, name);
    out.push(b'"');
    match ip {
        IpAddr::V4(v4) => {
            for (nth, octet) in v4.octets().into_iter().enumerate() {
                if nth > 0 {
                    out.push(b'.');
                }
                number(out, octet.into());
            }
        }
        IpAddr::V6(v6) => {
            use std::io::Write;
            // Writing to a `Vec` does not fail.
            let _ = write!(out, "{v6}");
        }
    }
    out.push(b'"');
}

/// Writes times; most fall into the same second as the one before, whose text is kept.
#[derive(Debug, Default)]
pub(crate) struct TimeText {
    second: Option<u64>,
    text: Vec<u8>,
}

impl TimeText {
    /// Appends the RFC 3339 form in UTC with milliseconds.
    pub(crate) fn write(&mut self, out: &mut Vec<u8>, at: UnixTime) {
        if self.second != Some(at.as_secs()) {
            self.text.clear();
            at.write_rfc3339(&mut self.text);
            // Without the `Z`, behind which the milliseconds go.
            self.text.pop();
            self.second = Some(at.as_secs());
        }
        out.extend_from_slice(&self.text);
        let millis = at.as_duration().subsec_millis();
        out.push(b'.');
        for unit in [100, 10, 1] {
            out.push(b'0' + (millis / unit % 10) as u8);
        }
        out.push(b'Z');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &[u8]) -> String {
        let mut out = Vec::new();
        string(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_could_forge_or_hide_text_is_escaped() {
        assert_eq!(written(b"a\"b\\c"), r#""a\"b\\c""#);
        assert_eq!(written(b"one\r\ntwo"), r#""one\r\ntwo""#);
        assert_eq!(
            written(b"\x1b[31m\x07\x7f\x00"),
            r#""\u001b[31m\u0007\u007f\u0000""#
        );
        assert_eq!(
            written("\u{85}\u{9b}31m".as_bytes()),
            r#""\u0085\u009b31m""#
        );
        assert_eq!(written("\u{2028}\u{2029}".as_bytes()), r#""\u2028\u2029""#);
        assert_eq!(
            written("\u{202e}gpj\u{2066}\u{200b}\u{feff}".as_bytes()),
            r#""\u202egpj\u2066\u200b\ufeff""#
        );
        // U+E0041 as a surrogate pair: 0xE0041 - 0x10000 = 0xD0041, high 0xD800 + 0x340, low 0xDC00 + 0x41.
        assert_eq!(written("\u{e0041}".as_bytes()), r#""\udb40\udc41""#);
    }

    #[test]
    fn other_text_stays_readable() {
        assert_eq!(written("Grüße, 日本 🦀".as_bytes()), "\"Grüße, 日本 🦀\"");
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert_eq!(written(b"a\xffb\xe2\x82"), "\"a\u{fffd}b\u{fffd}\u{fffd}\"");
    }

    #[test]
    fn any_bytes_come_back_as_a_parser_reads_them() {
        use proptest::prelude::*;
        proptest!(|(text in any::<String>())| {
            let line = written(text.as_bytes());
            let safe = |found: char| found >= ' ' && found != '\u{7f}' && !deceives(found);
            prop_assert!(line.chars().all(safe));
            prop_assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
        });
    }

    #[test]
    fn times_have_milliseconds_in_utc() {
        let mut time = TimeText::default();
        let mut out = Vec::new();
        // RFC 3339, section 5.8, first example: 1985-04-12T23:20:50.52Z.
        for millis in [482_196_050_520_u64, 482_196_050_007, 482_196_051_000] {
            time.write(
                &mut out,
                UnixTime::from_duration(std::time::Duration::from_millis(millis)),
            );
        }
        assert_eq!(
            out,
            b"1985-04-12T23:20:50.520Z1985-04-12T23:20:50.007Z1985-04-12T23:20:51.000Z"
        );
    }

    #[test]
    fn numbers_are_whole() {
        let mut out = Vec::new();
        for value in [0, 7, 10, u64::MAX] {
            number(&mut out, value);
            out.push(b' ');
        }
        assert_eq!(out, b"0 7 10 18446744073709551615 ");
    }
}
