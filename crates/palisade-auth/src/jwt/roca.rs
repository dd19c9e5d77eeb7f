//! RSA moduli that Infineon's library made, and that can be factored (CVE-2017-15361; Nemec et al., "The Return of
//! Coppersmith's Attack", ACM CCS 2017, section 3).

/// Both primes of such a key are powers of this number modulo the product of the first primes, and so is their product.
const GENERATOR: u32 = 65_537;

/// The largest of the 126 primes that all keys of 2048 bits and more are made with. A modulus of any other origin meets
/// them all by chance less than once in 2^100 keys.
const LARGEST: u32 = 701;

/// Whether a modulus, in big-endian bytes, has the form. Most others are known by the first few primes.
pub(super) fn has_roca(modulus: &[u8]) -> bool {
    !modulus.is_empty()
        && (3..=LARGEST)
            .step_by(2)
            .filter(|number| is_prime(*number))
            .all(|prime| is_power(remainder(modulus, prime), prime))
}

fn is_prime(odd: u32) -> bool {
    (3..odd)
        .step_by(2)
        .take_while(|divisor| divisor * divisor <= odd)
        .all(|divisor| !odd.is_multiple_of(divisor))
}

fn remainder(number: &[u8], divisor: u32) -> u32 {
    let digit = |rest: u32, byte: &u8| (rest * 256 + u32::from(*byte)) % divisor;
    number.iter().fold(0, digit)
}

/// Whether some power of the generator leaves this remainder.
fn is_power(wanted: u32, prime: u32) -> bool {
    let step = GENERATOR % prime;
    let powers = std::iter::successors(Some(1), |power| Some(power * step % prime));
    // They repeat after `prime - 1` at the latest (Fermat).
    powers.take(prime as usize).any(|power| power == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the tests of the authors' own detector (crocs-muni/roca, `mod03.txt`): of a key that can be factored.
    const WEAK: &str = "9dcd7420e420c270a68060eb8b5aa7457a9f6648f86fafed2775cc1f79ae962f1e63f1b9e51c55f9ea6fdc7332e9b0058c9ff2eb1fc89855029cf6aafe21e689feb38ac9ffb12f1ce371bb5d0e9aae64161abce74b4244bf68f1edb4411f756a097c8929c14740245ea355f8332d1aa36bb50c7dcb4505da8de02e4e53d38f8df06097da7524df0df93db48eac8cc4af2d3a16257eb2b2adca6ba464e5974fa92550d31b1babf161e7692d00b86e3dd886ecab4abfbe1a8f8cc263ff4af55cdb45f4249a5193925f5e983d762f0b6800943eb0267b08f42ed311ce1f5c86eacbc8ce4d3cb7a2fee1ef5641423a1cf4114e5ecf50034a60a412523af9e6f4aa11";

    /// The same (`mod04.txt`): of one that cannot.
    const SOUND: &str = "af659676197f1db06da7ac111a0a0ec175b8b7ef07192ffcd1f6b854c327785f1a7fd3db7da45cd4a31b2b2e5ce0d823a68e28c8adf1747316becce1fe5768064039ad2062260c8d1a34e0586dce9bc13090fcc9fb8b8b2c08ed3ae8d61b29818a669689a7d9c1dab053b557fb8d3f9c44faad3e18c55e739b00d3c9126558bc8e980cd2af377126ef5b1374136774b8bd370e3c1c149db395c8f99696b628b105946fea20106fe24d103ac062661a9248e8c3f628e00b308d33953aabe555132e218e74ef4b578716b4fe7cf340e8e604a319bf6e9951e1942601d34291032db54999d09e5d036dde3544ad35256bbb97d5e3fffd38166c21eae9199548853b";

    fn bytes(hex: &str) -> Vec<u8> {
        let pairs = hex.as_bytes().chunks(2);
        let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        pairs.map(byte).collect()
    }

    #[test]
    fn published_moduli_are_told_apart() {
        let mut weak = bytes(WEAK);
        assert_eq!(weak.len(), 256);
        assert!(has_roca(&weak));
        weak[255] ^= 2;
        assert!(!has_roca(&weak), "its neighbour");
        assert!(!has_roca(&bytes(SOUND)));
    }

    #[test]
    fn there_are_126_primes_to_701() {
        let odd = (3..=LARGEST).step_by(2).filter(|number| is_prime(*number));
        assert_eq!(odd.count() + 1, 126);
    }

    #[test]
    fn powers_and_remainders_are_those_of_arithmetic() {
        // 65537 mod 11 = 10: its powers are 10 and 1.
        let of_11: Vec<u32> = (0..11).filter(|rest| is_power(*rest, 11)).collect();
        assert_eq!(of_11, [1, 10]);
        assert_eq!(remainder(&[1, 0, 1], 701), 344);
        assert!(!has_roca(&[]));
    }
}
