//! Texts that are encoded, once or several times, and where their bytes were.

/// So often may a text be encoded; one that still is, is masked as a whole.
pub(super) const DEEPEST: usize = 8;

/// A text of which one layer of encoding was undone.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) text: Vec<u8>,
    /// The offset of each byte in the text as it was sent, and the length of that text.
    places: Vec<usize>,
}

impl Layer {
    /// Returns the place of a part of this layer in the text as it was sent.
    pub(super) fn place(&self, part: std::ops::Range<usize>) -> std::ops::Range<usize> {
        let at = |nth: usize| self.places.get(nth).or(self.places.last()).copied();
        at(part.start).unwrap_or(0)..at(part.end).unwrap_or(0)
    }
}

/// Undoes one layer of `from`, whose own bytes began at `outer` where that is a layer itself. Answers whether there was
/// anything to undo.
pub(super) fn undo(from: &[u8], outer: Option<&Layer>, to: &mut Layer) -> bool {
    to.text.clear();
    to.places.clear();
    let mut changed = false;
    let mut at = 0;
    while at < from.len() {
        let (found, used) = one(&from[at..]);
        let place = outer.map_or(at, |outer| outer.place(at..at).start);
        for byte in found.bytes() {
            to.text.push(byte);
            to.places.push(place);
        }
        changed |= used > 1;
        at += used;
    }
    let end = outer.map_or(from.len(), |outer| {
        outer.places.last().copied().unwrap_or(0)
    });
    to.places.push(end);
    changed
}

/// One byte, or what an escape of one character stands for.
enum One {
    Byte(u8),
    Char([u8; 4], usize),
}

impl One {
    fn bytes(&self) -> impl Iterator<Item = u8> {
        let (bytes, len) = match self {
            Self::Byte(byte) => ([*byte, 0, 0, 0], 1),
            Self::Char(bytes, len) => (*bytes, *len),
        };
        bytes.into_iter().take(len)
    }
}

/// Reads the first character or escape of a text; returns it with its length in bytes.
fn one(text: &[u8]) -> (One, usize) {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    match text {
        [b'%', high, low, ..] => {
            if let (Some(high), Some(low)) = (digit(*high), digit(*low)) {
                // Two hexadecimal digits are one byte.
                return (One::Byte((high << 4 | low) as u8), 3);
            }
        }
        [b'\\', b'u', digits @ ..] => {
            let code = digits.get(..4).and_then(|digits| {
                digits
                    .iter()
                    .try_fold(0, |code, byte| Some(code << 4 | digit(*byte)?))
            });
            if let Some(code) = code {
                let found = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                let mut bytes = [0; 4];
                let len = found.encode_utf8(&mut bytes).len();
                return (One::Char(bytes, len), 6);
            }
        }
        [b'\\', escape, ..] => {
            let plain = match escape {
                b'"' | b'\'' | b'\\' | b'/' => *escape,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'b' => 8,
                b'f' => 12,
                _ => return (One::Byte(b'\\'), 1),
            };
            return (One::Byte(plain), 2);
        }
        _ => {}
    }
    (One::Byte(text.first().copied().unwrap_or(0)), 1)
}
