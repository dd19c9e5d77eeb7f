//! Text that was written as hexadecimal digits or base64, which makes it no better a secret.

/// Returns the secret decoded, where that is text. Random bytes are not: of 16 of them one in 10^7 texts is
/// printable throughout, and it would still have to be weak.
pub(super) fn text_in(secret: &[u8]) -> Option<Vec<u8>> {
    let secret = secret.trim_ascii();
    let digits = secret.strip_prefix(b"0x").unwrap_or(secret);
    [from_hex(digits), from_base64(secret)]
        .into_iter()
        .flatten()
        .find(|text| text.len() >= SHORTEST && text.iter().all(|byte| is_printable(*byte)))
}

/// A shorter text may be printable by accident.
const SHORTEST: usize = 16;

const fn is_printable(byte: u8) -> bool {
    byte.is_ascii_graphic() || byte.is_ascii_whitespace()
}

fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16)?).ok();
    let pairs = text.chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    pairs.collect()
}

/// Either alphabet of RFC 4648, with or without padding.
fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let unpadded = text.strip_suffix(b"==").or(text.strip_suffix(b"="));
    let text = unpadded.unwrap_or(text);
    let mut decoded = Vec::with_capacity(text.len() * 3 / 4);
    let (mut held, mut bits) = (0_u32, 0);
    for byte in text {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        held = (held << 6 | u32::from(value)) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            decoded.push((held >> bits) as u8);
        }
    }
    Some(decoded)
}
