//! SHA-256, by which tokens and keys are known where they must not be kept.

use ring::digest;

/// SHA-256, by which tokens and keys are known where they must not be kept.
pub(crate) type Digest = [u8; 32];

pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

/// Whether two digests are the same, in a time that does not depend on where they differ.
pub(crate) fn same_digest(one: &Digest, other: &Digest) -> bool {
    let difference = one
        .iter()
        .zip(other)
        .fold(0_u8, |difference, (one, other)| difference | (one ^ other));
    std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_differ_wherever_they_differ() {
        let one = sha256(b"a");
        assert!(same_digest(&one, &sha256(b"a")));
        for position in 0..32 {
            let mut other = one;
            other[position] ^= 1;
            assert!(!same_digest(&one, &other));
        }
    }
}
