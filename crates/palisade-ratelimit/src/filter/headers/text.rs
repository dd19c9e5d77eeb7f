use std::ops::Range;

use bytes::Bytes;
use http::HeaderValue;

/// Room for two whole numbers, and for an item with a policy's name and two whole numbers.
const ROOM: usize = 160;

/// Texts of several field values in one piece of memory.
pub(super) struct Text {
    bytes: [u8; ROOM],
    len: usize,
}

impl Text {
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; ROOM],
            len: 0,
        }
    }

    /// Adds a text in parts; one for which there is no room is cut.
    pub(super) fn push(&mut self, parts: &[&str]) -> Range<usize> {
        let start = self.len;
        for part in parts {
            let room = &mut self.bytes[self.len..];
            let fits = part.len().min(room.len());
            room[..fits].copy_from_slice(&part.as_bytes()[..fits]);
            self.len += fits;
        }
        start..self.len
    }

    /// The texts in memory that values share, with one allocation for all.
    pub(super) fn share(self) -> SharedText {
        SharedText(Bytes::from_owner(self))
    }
}

/// Texts that values are made of.
pub(super) struct SharedText(Bytes);

impl SharedText {
    /// The value of one of the texts.
    #[inline]
    pub(super) fn value(&self, text: Range<usize>) -> HeaderValue {
        HeaderValue::from_maybe_shared(self.0.slice(text))
            .unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}
