//! The little of DER (ITU-T X.690) that keys need: `SEQUENCE { n INTEGER, e INTEGER }` of an RSA public key (RFC 8017,
//! A.1.1), and the private key of an elliptic curve (RFC 5915, section 3).

/// The modulus and the exponent, without leading zeros.
pub(super) fn rsa_public_key(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (content, rest) = element(0x30, der)?;
    let (modulus, content) = element(0x02, content)?;
    let (exponent, content) = element(0x02, content)?;
    (rest.is_empty() && content.is_empty()).then(|| (unsigned(modulus), unsigned(exponent)))
}

/// The private number and the public point of `SEQUENCE { 1 INTEGER, OCTET STRING, [0] curve OPTIONAL, [1] point
/// OPTIONAL }`; nothing without the point.
pub(super) fn ec_private_key(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (content, rest) = element(0x30, der)?;
    let (version, content) = element(0x02, content)?;
    let (private, content) = element(0x04, content)?;
    let content = element(0xa0, content).map_or(content, |(_, content)| content);
    let (tagged, content) = element(0xa1, content)?;
    let (bits, after) = element(0x03, tagged)?;
    // The first byte says how many bits at the end do not count.
    let (unused, point) = bits.split_first()?;
    let whole = version == [1] && *unused == 0;
    (whole && rest.is_empty() && content.is_empty() && after.is_empty()).then_some((private, point))
}

/// A positive number has a zero in front where its first bit would be taken for a sign.
fn unsigned(number: &[u8]) -> &[u8] {
    match number {
        [0, rest @ ..] => rest,
        number => number,
    }
}

/// The content of an element with this tag, and what follows it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let [found, first, rest @ ..] = der else {
        return None;
    };
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81 | 0x82 => {
            let (length, rest) = rest.split_at_checked(usize::from(*first & 0x0f))?;
            let length = length
                .iter()
                .fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
            (length, rest)
        }
        _ => return None,
    };
    if *found != tag {
        return None;
    }
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_number_and_a_point() {
        let der = [
            0x30, 0x10, 0x02, 1, 1, 0x04, 2, 7, 8, 0xa0, 1, 6, 0xa1, 4, 0x03, 2, 0, 9,
        ];
        assert_eq!(ec_private_key(&der), Some((&[7, 8][..], &[9][..])));
        for length in 0..der.len() {
            assert_eq!(ec_private_key(&der[..length]), None, "{length} bytes");
        }
        let without_point = [0x30, 0x07, 0x02, 1, 1, 0x04, 2, 7, 8];
        assert_eq!(ec_private_key(&without_point), None);
    }

    #[test]
    fn two_numbers_in_a_sequence() {
        let der = [0x30, 0x08, 0x02, 0x02, 0x00, 0xc3, 0x02, 0x02, 0x01, 0x01];
        assert_eq!(rsa_public_key(&der), Some((&[0xc3][..], &[1, 1][..])));
        for length in 0..der.len() {
            assert_eq!(rsa_public_key(&der[..length]), None, "{length} bytes");
        }
        assert_eq!(rsa_public_key(&[&der[..], &[0]].concat()), None);
        assert_eq!(
            rsa_public_key(&[0x30, 0x80, 0, 0]),
            None,
            "no length is left open"
        );
        assert_eq!(rsa_public_key(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
    }

    #[test]
    fn a_private_key_of_another_version_or_with_a_tail_is_none() {
        let der = [
            0x30, 0x10, 0x02, 1, 1, 0x04, 2, 7, 8, 0xa0, 1, 6, 0xa1, 4, 0x03, 2, 0, 9,
        ];
        let changed = |at: usize, byte: u8| {
            let mut der = der;
            der[at] = byte;
            der
        };
        assert_eq!(ec_private_key(&changed(4, 2)), None, "version 2");
        assert_eq!(
            ec_private_key(&changed(16, 1)),
            None,
            "bits that do not count"
        );
        assert_eq!(
            ec_private_key(&[&der[..], &[0]].concat()),
            None,
            "behind it"
        );
        let inside = [&[0x30, 0x11][..], &der[2..], &[0]].concat();
        assert_eq!(ec_private_key(&inside), None, "behind the point");
        let tagged = [&[0x30, 0x11][..], &der[2..12], &[0xa1, 5, 0x03, 2, 0, 9, 0]].concat();
        assert_eq!(ec_private_key(&tagged), None, "beside the point");
    }
}
