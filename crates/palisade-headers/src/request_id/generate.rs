use bytes::Bytes;
use http::HeaderValue;
use palisade_core::RequestId;
use palisade_core::time::UnixTime;

/// The format of fresh ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum IdFormat {
    /// UUID version 7 (RFC 9562, section 5.7), the default: 74 random bits behind the time in milliseconds, so that ids
    /// sort by their age in logs and databases.
    #[default]
    UuidV7,
    /// 128 random bits in 32 hexadecimal digits, which say nothing about when.
    Random,
}

impl IdFormat {
    /// A fresh id of this time, or none while the operating system gives no random bytes.
    #[inline]
    pub(super) fn make(self, now: UnixTime) -> Option<RequestId> {
        match self {
            Self::UuidV7 => {
                let random = palisade_core::random::bytes().ok()?;
                id(uuid_v7(now, random))
            }
            Self::Random => {
                let random: [u8; 16] = palisade_core::random::bytes().ok()?;
                let mut text = [0; 32];
                write_hex(&random, &mut text);
                id(text)
            }
        }
    }
}

/// The text in one piece of memory that scope and response share: bytes of a vector would move on being cloned first.
fn id<const N: usize>(text: [u8; N]) -> Option<RequestId> {
    let value = HeaderValue::from_maybe_shared(Bytes::from_owner(text)).ok()?;
    RequestId::from_value(value).ok()
}

/// The text of a UUID of this time with these bits.
fn uuid_v7(now: UnixTime, random: [u8; 10]) -> [u8; 36] {
    // A time after the year 10889 would need more than 48 bits; it wraps then.
    let millis = now.as_duration().as_millis() as u64;
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    bytes[6..].copy_from_slice(&random);
    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    let mut text = [b'-'; 36];
    write_hex(&bytes[..4], &mut text[..8]);
    write_hex(&bytes[4..6], &mut text[9..13]);
    write_hex(&bytes[6..8], &mut text[14..18]);
    write_hex(&bytes[8..10], &mut text[19..23]);
    write_hex(&bytes[10..], &mut text[24..]);
    text
}

#[inline]
fn write_hex(bytes: &[u8], out: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 0x0f)];
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use super::*;

    // RFC 9562, appendix A.6.
    #[test]
    fn a_uuid_is_that_of_the_standard() {
        let time = UnixTime::from_duration(Duration::from_millis(0x017F_22E2_79B0));
        let random = [0x0C, 0xC3, 0x18, 0xC4, 0xDC, 0x0C, 0x0C, 0x07, 0x39, 0x8F];
        let text = uuid_v7(time, random);
        assert_eq!(&text, b"017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    }

    #[test]
    fn fresh_ids_are_valid_and_differ() {
        for (format, len) in [(IdFormat::UuidV7, 36), (IdFormat::Random, 32)] {
            let ids: HashSet<String> = (0..10_000)
                .map(|_| {
                    format
                        .make(UnixTime::from_secs(1_800_000_000))
                        .unwrap()
                        .to_string()
                })
                .collect();
            assert_eq!(ids.len(), 10_000);
            assert!(ids.iter().all(|id| id.len() == len));
        }
    }

    #[test]
    fn later_uuids_sort_behind_earlier_ones() {
        let at = |secs| {
            let id = IdFormat::UuidV7.make(UnixTime::from_secs(secs));
            id.unwrap().to_string()
        };
        assert!(at(1_000) < at(1_001));
    }
}
