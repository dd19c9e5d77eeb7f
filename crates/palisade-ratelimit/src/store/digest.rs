//! Keys as they are kept: an address as itself, anything longer as a keyed digest of 128 bits.

use std::fmt;
use std::net::IpAddr;

use palisade_core::random;

/// A key that is ready to be looked up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct HashedKey {
    pub(crate) low: u64,
    pub(crate) high: u64,
    /// Its position in a table: a keyed hash, so that nobody outside can make keys collide.
    pub(crate) slot_hash: u64,
    /// Whether the client merely claims it.
    pub(crate) claimed: bool,
}

impl HashedKey {
    /// A few characters that tell keys apart in logs and lead back to none.
    pub(crate) fn short(&self) -> ShortDigest {
        ShortDigest((self.slot_hash ^ self.slot_hash >> 32) as u32)
    }
}

impl fmt::Debug for HashedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HashedKey({})", self.short())
    }
}

/// Eight hexadecimal digits of a keyed hash.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ShortDigest(u32);

impl fmt::Display for ShortDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// Makes [`HashedKey`]s with keys of its own, drawn at random, or with keys that all instances share.
#[derive(Clone)]
pub(crate) struct Hasher {
    digest: [u64; 2],
    slot_hasher: SlotHasher,
    #[cfg(feature = "redis")]
    shared: Option<SharedKeys>,
}

impl Hasher {
    pub(crate) fn new() -> Result<Self, random::RandomError> {
        #[cfg(not(loom))]
        let draw = || random::bytes().map(u64::from_le_bytes);
        // Loom runs a program again and again, and it has to be the same one.
        #[cfg(loom)]
        let draw = || Ok::<_, random::RandomError>(0x9e37_79b9_7f4a_7c15_u64);
        Ok(Self {
            digest: [draw()?, draw()?],
            slot_hasher: SlotHasher([draw()?, draw()?]),
            #[cfg(feature = "redis")]
            shared: None,
        })
    }

    /// The same, but with digests that other instances make too.
    #[cfg(feature = "redis")]
    pub(crate) fn sharing(self, shared: SharedKeys) -> Self {
        Self {
            shared: Some(shared),
            ..self
        }
    }

    pub(crate) const fn slot_hasher(&self) -> SlotHasher {
        self.slot_hasher
    }

    /// An address is its own key, a v4 one in its v4-mapped form.
    #[inline]
    pub(crate) fn address(&self, ip: IpAddr) -> HashedKey {
        let bits = match ip {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
            IpAddr::V6(v6) => v6.to_bits(),
        };
        self.place(bits as u64, (bits >> 64) as u64)
    }

    /// The digest of a key that is made of parts; `kind` keeps keys of different kinds apart.
    pub(crate) fn text(&self, kind: u8, parts: [&[u8]; 2]) -> HashedKey {
        #[cfg(feature = "redis")]
        if let Some(shared) = &self.shared {
            let [low, high] = shared.text(kind, parts);
            return self.place(low, high);
        }
        let mut hash = Sip::new(self.digest);
        // The length of the first part makes the pair unambiguous.
        hash.word(u64::from(kind) << 56 | parts[0].len() as u64);
        let [low, high] = hash.finish(parts);
        self.place(low, high)
    }

    #[inline]
    fn place(&self, low: u64, high: u64) -> HashedKey {
        HashedKey {
            low,
            high,
            slot_hash: self.slot_hasher.hash(low, high),
            claimed: false,
        }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher([redacted])")
    }
}

/// Makes digests that are the same in every instance.
#[cfg(feature = "redis")]
#[derive(Clone)]
pub(crate) struct SharedKeys(ring::hmac::Key);

#[cfg(feature = "redis")]
impl SharedKeys {
    /// Under a key that everybody knows: no more than a hash.
    pub(crate) fn plain() -> Self {
        Self::keyed(b"palisade-ratelimit")
    }

    pub(crate) fn keyed(secret: &[u8]) -> Self {
        Self(ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret))
    }

    fn text(&self, kind: u8, parts: [&[u8]; 2]) -> [u64; 2] {
        let mut hash = ring::hmac::Context::with_key(&self.0);
        hash.update(&[kind]);
        hash.update(&(parts[0].len() as u64).to_le_bytes());
        hash.update(parts[0]);
        hash.update(parts[1]);
        let tag = hash.sign();
        let (words, _) = tag.as_ref().as_chunks::<8>();
        let word = |at: usize| words.get(at).map_or(0, |word| u64::from_le_bytes(*word));
        [word(0), word(1)]
    }
}

/// Hashes digests to slots: two folded multiplications under random keys.
///
/// Weaker than the digest, and it may be: a key has 14 possible slots wherever it lies, so that nobody gains time by
/// making keys collide, and a key in debt is the last to be pushed out.
#[derive(Clone, Copy)]
pub(crate) struct SlotHasher([u64; 2]);

impl SlotHasher {
    #[inline]
    pub(crate) fn hash(self, low: u64, high: u64) -> u64 {
        let [first, second] = self.0;
        fold(fold(low ^ first, high ^ second) ^ second, first)
    }
}

/// The halves of the product, one over the other.
#[inline]
fn fold(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    product as u64 ^ (product >> 64) as u64
}

impl fmt::Debug for SlotHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SlotHasher([redacted])")
    }
}

/// SipHash-2-4 (Aumasson and Bernstein, 2012), with 128 bits of result.
///
/// Written out because the standard library's has 64 bits alone, and a digest that stands for a credential should not
/// collide within reach of an attacker.
#[derive(Clone, Copy)]
struct Sip {
    v: [u64; 4],
    words: u64,
}

impl Sip {
    #[inline]
    fn new([k0, k1]: [u64; 2]) -> Self {
        let v = [
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ];
        let mut wide = Self { v, words: 0 };
        wide.v[1] ^= 0xee;
        wide
    }

    #[inline]
    fn round(&mut self) {
        let [v0, v1, v2, v3] = &mut self.v;
        *v0 = v0.wrapping_add(*v1);
        *v2 = v2.wrapping_add(*v3);
        *v1 = v1.rotate_left(13) ^ *v0;
        *v3 = v3.rotate_left(16) ^ *v2;
        *v0 = v0.rotate_left(32);
        *v2 = v2.wrapping_add(*v1);
        *v0 = v0.wrapping_add(*v3);
        *v1 = v1.rotate_left(17) ^ *v2;
        *v3 = v3.rotate_left(21) ^ *v0;
        *v2 = v2.rotate_left(32);
    }

    #[inline]
    fn word(&mut self, word: u64) {
        self.compress(word);
        self.words += 1;
    }

    #[inline]
    fn compress(&mut self, word: u64) {
        self.v[3] ^= word;
        for _ in 0..2 {
            self.round();
        }
        self.v[0] ^= word;
    }

    #[inline]
    fn last_rounds(&mut self) -> u64 {
        for _ in 0..4 {
            self.round();
        }
        self.v[0] ^ self.v[1] ^ self.v[2] ^ self.v[3]
    }

    /// The 128-bit result over the words so far and these parts, as if they were one text.
    fn finish(mut self, parts: [&[u8]; 2]) -> [u64; 2] {
        let mut pending = [0; 8];
        let mut filled = 0;
        let mut len = self.words * 8;
        for part in parts {
            len += part.len() as u64;
            let mut rest = part;
            if filled > 0 {
                let taken = rest.len().min(8 - filled);
                pending[filled..filled + taken].copy_from_slice(&rest[..taken]);
                filled += taken;
                rest = &rest[taken..];
                if filled < 8 {
                    continue;
                }
                self.compress(u64::from_le_bytes(pending));
            }
            let (words, tail) = rest.as_chunks::<8>();
            for word in words {
                self.compress(u64::from_le_bytes(*word));
            }
            pending = [0; 8];
            pending[..tail.len()].copy_from_slice(tail);
            filled = tail.len();
        }
        pending[filled..].fill(0);
        self.compress(len << 56 | u64::from_le_bytes(pending));
        self.v[2] ^= 0xee;
        let low = self.last_rounds();
        self.v[1] ^= 0xdd;
        [low, self.last_rounds()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of the reference implementation's vectors: bytes 0 to 15.
    const KEY: [u64; 2] = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];

    fn wide(parts: [&[u8]; 2]) -> [u8; 16] {
        let [low, high] = Sip::new(KEY).finish(parts);
        let mut out = [0; 16];
        out[..8].copy_from_slice(&low.to_le_bytes());
        out[8..].copy_from_slice(&high.to_le_bytes());
        out
    }

    #[test]
    fn the_wide_digest_is_siphash_2_4_128() {
        // vectors_sip128 of the reference implementation: inputs of 0 and 1 bytes, 00 01 02 ...
        assert_eq!(
            wide([b"", b""]),
            [
                0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55,
                0x02, 0x93
            ]
        );
        assert_eq!(
            wide([&[0], b""]),
            [
                0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22,
                0xfc, 0x45
            ]
        );
    }

    #[test]
    fn neighbours_lie_far_apart() {
        let slot_hasher = Hasher::new().unwrap().slot_hasher();
        // By 64 shards, and by 64 sets as a shard counts them: 1,024 each if spread evenly.
        let (mut shards, mut sets) = ([0_u32; 64], [0_u32; 64]);
        for number in 0..65_536 {
            let slot_hash = slot_hasher.hash(0xffff_0a00_0000 + number, 0);
            shards[(slot_hash >> 58) as usize] += 1;
            sets[(slot_hash as u32 >> 26) as usize] += 1;
        }
        for count in shards.into_iter().chain(sets) {
            assert!((800..1_250).contains(&count), "{shards:?} {sets:?}");
        }
    }

    #[test]
    fn where_the_parts_are_cut_does_not_change_the_hash_of_the_text() {
        let text: Vec<u8> = (0..40).collect();
        for cut in 0..=text.len() {
            let (left, right) = text.split_at(cut);
            assert_eq!(wide([left, right]), wide([&text, b""]), "cut at {cut}");
        }
    }

    #[test]
    fn keys_of_different_kinds_and_cuts_differ() {
        let hasher = Hasher::new().unwrap();
        let base = hasher.text(1, [b"ab", b"c"]);
        assert_ne!(base, hasher.text(2, [b"ab", b"c"]));
        assert_ne!(base, hasher.text(1, [b"a", b"bc"]));
        assert_eq!(base, hasher.text(1, [b"ab", b"c"]));
    }

    #[test]
    fn a_mapped_address_is_the_same_key_as_its_v4_form() {
        let hasher = Hasher::new().unwrap();
        let v4 = hasher.address("203.0.113.7".parse().unwrap());
        assert_eq!(v4, hasher.address("::ffff:203.0.113.7".parse().unwrap()));
        assert_ne!(v4, hasher.address("203.0.113.8".parse().unwrap()));
    }

    #[test]
    fn nothing_of_a_key_shows_in_its_debug_form() {
        let hasher = Hasher::new().unwrap();
        let shown = format!(
            "{:?} {:?}",
            hasher,
            hasher.address("203.0.113.7".parse().unwrap())
        );
        assert!(!shown.contains("203"), "{shown}");
    }
}
