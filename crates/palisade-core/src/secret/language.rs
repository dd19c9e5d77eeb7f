//! Distinguishes written text from letters drawn at random.

use super::vocabulary::letter_behind;

/// The hundred most frequent pairs of letters in English (P. Norvig, "English Letter Frequency Counts: Mayzner
/// Revisited", 2012). Three pairs of four are among them, of random letters one of seven; the other languages that are
/// written in Latin letters lie near English.
const FREQUENT: &str = "th he in er an re on at en nd ti es or te of ed is it al ar st to nt ng se ha as ou io le ve co \
    me de hi ri ro ic ne ea ra ce li ch ll be ma si om ur ca el ta la ns di fo ho pe ec pr no ct us ac ot il tr ly nc et ut ss so \
    rs un lo wa ge ie wh ee wi em ad ol rt po we na ul ni ts mo";

/// The weight of a frequent pair for text, in hundredths of a bit: log2 of 0.76 to 0.148.
const FOR: i32 = 236;
/// The weight of any other pair against it: log2 of 0.24 to 0.852.
const AGAINST: i32 = -183;
/// 32 bits: of 4 * 10^9 texts of random letters one is taken for written (A. Wald, "Sequential Analysis", 1947).
const ENOUGH: i32 = 3_200;
/// No more of a secret is looked at.
const LOOKED_AT: usize = 256;

/// Whether a secret consists of words, whichever they are. What hides letters behind digits is read back.
pub(super) fn is_written(secret: &[u8]) -> bool {
    let secret = &secret[..secret.len().min(LOOKED_AT)];
    let letters = secret
        .iter()
        .filter(|byte| byte.is_ascii_alphabetic())
        .count();
    if secret.len() >= 16 && secret.contains(&b' ') && secret.iter().all(|byte| is_plain(*byte)) {
        return true;
    }
    // Digits are read as letters among letters alone: of decimals alone they would make words out of nothing.
    weigh(secret.iter().copied()) >= ENOUGH
        || (letters * 3 >= secret.len() * 2
            && weigh(secret.iter().map(|byte| letter_behind(*byte))) >= ENOUGH)
}

/// Whether it may stand in a phrase of words alone: no alphabet of generators has the space and lacks digits.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' ' | b',' | b'.') || byte.is_ascii_alphabetic()
}

/// The weight of all pairs of adjacent letters.
fn weigh(text: impl Iterator<Item = u8>) -> i32 {
    let mut before = None;
    let mut weight = 0;
    for byte in text {
        let letter = byte
            .is_ascii_alphabetic()
            .then(|| byte.to_ascii_lowercase());
        if let (Some(first), Some(second)) = (before, letter) {
            weight += if is_frequent(first, second) {
                FOR
            } else {
                AGAINST
            };
        }
        before = letter;
    }
    weight
}

const fn is_frequent(first: u8, second: u8) -> bool {
    FOLLOWERS[(first - b'a') as usize] & 1 << (second - b'a') != 0
}

/// For each letter those that follow it frequently, a bit each.
const FOLLOWERS: [u32; 26] = {
    let pairs = FREQUENT.as_bytes();
    let mut followers = [0; 26];
    let mut at = 0;
    while at + 1 < pairs.len() {
        followers[(pairs[at] - b'a') as usize] |= 1 << (pairs[at + 1] - b'a');
        at += 3;
    }
    followers
};
