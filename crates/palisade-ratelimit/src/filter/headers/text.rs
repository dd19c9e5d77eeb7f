use std::ops::Range;

use bytes::Bytes;
use http::HeaderValue;

/// Room for two whole numbers, and for an item with a policy's name and two whole numbers.
const ROOM: usize = 160;

/// Texts of several field values in one piece of memory, which the values share.
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

    /// The values of these texts, with one allocation for all.
    pub(super) fn values<const N: usize>(self, texts: [Range<usize>; N]) -> [HeaderValue; N] {
        let shared = Bytes::from_owner(self);
        texts.map(|text| {
            HeaderValue::from_maybe_shared(shared.slice(text))
                .unwrap_or_else(|_| HeaderValue::from_static(""))
        })
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}
