use std::fmt;

use http::HeaderValue;

/// The id of one request: 1 to 128 characters of `[A-Za-z0-9._-]`.
///
/// Safe to copy into headers, log lines and file names, whoever chose it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RequestId(HeaderValue);

/// The bytes that an id may have.
const ID_CHARACTERS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let character = byte as u8;
        table[byte] = character.is_ascii_alphanumeric() || matches!(character, b'.' | b'_' | b'-');
        byte += 1;
    }
    table
};

/// A text that cannot be a request id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a request id is 1 to 128 characters of A-Z, a-z, 0-9, '.', '_' and '-'")]
pub struct InvalidRequestId;

impl RequestId {
    /// The longest id that is accepted, in characters.
    pub const MAX_LEN: usize = 128;

    /// An id from a header's bytes; it is checked, and shares the header's memory.
    ///
    /// # Errors
    ///
    /// Refuses anything outside `[A-Za-z0-9._-]{1,128}`.
    pub fn from_header(value: &HeaderValue) -> Result<Self, InvalidRequestId> {
        if Self::is_valid(value.as_bytes()) {
            Ok(Self(value.clone()))
        } else {
            Err(InvalidRequestId)
        }
    }

    /// An id from text.
    ///
    /// # Errors
    ///
    /// Refuses anything outside `[A-Za-z0-9._-]{1,128}`.
    pub fn new(text: &str) -> Result<Self, InvalidRequestId> {
        if !Self::is_valid(text.as_bytes()) {
            return Err(InvalidRequestId);
        }
        HeaderValue::from_str(text)
            .map(Self)
            .map_err(|_| InvalidRequestId)
    }

    /// An id from a header's value, which it takes over.
    ///
    /// # Errors
    ///
    /// Refuses anything outside `[A-Za-z0-9._-]{1,128}`.
    pub fn from_value(value: HeaderValue) -> Result<Self, InvalidRequestId> {
        if Self::is_valid(value.as_bytes()) {
            Ok(Self(value))
        } else {
            Err(InvalidRequestId)
        }
    }

    fn is_valid(bytes: &[u8]) -> bool {
        // A fold without a way out: it is asked for every request, nearly always of 32 or 36 good characters.
        (1..=Self::MAX_LEN).contains(&bytes.len())
            && bytes.iter().fold(true, |valid, byte| {
                valid & ID_CHARACTERS[usize::from(*byte)]
            })
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only visible ASCII gets in, for which this does not fail.
        self.0.to_str().unwrap_or_default()
    }

    /// The id as the value of a header.
    #[must_use]
    pub const fn as_header(&self) -> &HeaderValue {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({self})")
    }
}

/// A position in a distributed trace, as in the `traceparent` header of W3C Trace Context (level 1, section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceParent {
    /// Shared by the whole trace; never all zero.
    pub trace_id: [u8; 16],
    /// The caller's own span; never all zero.
    pub parent_id: [u8; 8],
    /// Bit 0: the caller may have recorded the trace.
    pub flags: u8,
}

impl TraceParent {
    /// Reads `00-<32 hex>-<16 hex>-<2 hex>`, in lower case; later versions may carry more behind another `-`.
    ///
    /// Answers `None` for everything that the specification calls invalid, which starts a new trace.
    #[must_use]
    pub fn parse(header: &[u8]) -> Option<Self> {
        let (known, rest) = header.split_at_checked(55)?;
        if known[2] != b'-' || known[35] != b'-' || known[52] != b'-' {
            return None;
        }
        let [version] = hex::<1>(&known[..2])?;
        let complete = if version == 0 {
            rest.is_empty()
        } else {
            rest.first().is_none_or(|next| *next == b'-')
        };
        let parsed = Self {
            trace_id: hex(&known[3..35])?,
            parent_id: hex(&known[36..52])?,
            flags: hex::<1>(&known[53..55])?[0],
        };
        let valid =
            version != 0xff && complete && parsed.trace_id != [0; 16] && parsed.parent_id != [0; 8];
        valid.then_some(parsed)
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("00-")?;
        self.trace_id
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("-")?;
        self.parent_id
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "-{:02x}", self.flags)
    }
}

fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? * 16 + digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_and_plain() {
        assert_eq!(RequestId::new("01J-a_b.c").unwrap().as_str(), "01J-a_b.c");
        assert!(RequestId::new(&"x".repeat(128)).is_ok());
        let long = "x".repeat(129);
        for bad in ["", "a b", "a\tb", "ä", "a\"b", "../etc", long.as_str()] {
            assert_eq!(RequestId::new(bad), Err(InvalidRequestId), "{bad:?}");
            if let Ok(value) = HeaderValue::from_str(bad) {
                assert_eq!(RequestId::from_header(&value), Err(InvalidRequestId));
                assert_eq!(RequestId::from_value(value), Err(InvalidRequestId));
            }
        }
    }

    #[test]
    fn an_id_is_seen_in_debug_output() {
        let id = RequestId::new("01J-a_b.c").unwrap();
        assert_eq!(format!("{id:?}"), "RequestId(01J-a_b.c)");
    }

    // The examples of W3C Trace Context, sections 3.2.4 and 3.2.2.
    #[test]
    fn trace_parents_follow_the_specification() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let parsed = TraceParent::parse(text.as_bytes()).unwrap();
        assert_eq!(parsed.flags, 1);
        assert_eq!(parsed.to_string(), text);
        let later = format!("cc{}-what-the-future-brings", &text[2..]);
        assert_eq!(TraceParent::parse(later.as_bytes()), Some(parsed));
    }

    #[test]
    fn invalid_trace_parents_are_ignored() {
        for bad in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-extra",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.extra",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7_01",
        ] {
            assert_eq!(TraceParent::parse(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
