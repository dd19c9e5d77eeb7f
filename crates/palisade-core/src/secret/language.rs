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
/// 13 bits, for a text whose very build is that of a phrase. Random texts over the alphabets of generators are hardly ever
/// built so, but for groups of small letters: of those, six by six, one of 3 * 10^7 is taken for written.
const ENOUGH_OF_A_PHRASE: i32 = 1_300;
/// The characters between the words of a phrase.
const MARKS: &[u8] = b" -_.,:/+!";
/// The most digits of a year or a number in a phrase.
const MAX_DIGITS: usize = 4;
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
    let enough = match is_phrase(secret) {
        true => ENOUGH_OF_A_PHRASE,
        false => ENOUGH,
    };
    // Digits are read as letters among letters alone: of decimals alone they would make words out of nothing.
    weigh(secret.iter().copied()) >= enough
        || (letters * 3 >= secret.len() * 2
            && weigh(secret.iter().map(|byte| letter_behind(*byte))) >= enough)
}

/// Whether it may stand in a phrase of words alone: no alphabet of generators has the space and lacks digits.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' ' | b',' | b'.') || byte.is_ascii_alphabetic()
}

/// Whether it is built as a phrase: at least two words with marks between, and numbers among or behind them.
fn is_phrase(secret: &[u8]) -> bool {
    let parts = secret.split(|byte| MARKS.contains(byte));
    let mut words = 0;
    for part in parts.filter(|part| !part.is_empty()) {
        let digits = part.iter().rev().take_while(|byte| byte.is_ascii_digit());
        let letters = &part[..part.len() - digits.count()];
        if part.len() - letters.len() > MAX_DIGITS || !(letters.is_empty() || is_word(letters)) {
            return false;
        }
        words += usize::from(letters.len() > 1);
    }
    words >= 2
}

/// Letters of one case but for the first, with a vowel among them.
fn is_word(letters: &[u8]) -> bool {
    let has_vowel = letters
        .iter()
        .any(|letter| b"aeiouyAEIOUY".contains(letter));
    let Some((_, rest)) = letters.split_first() else {
        return false;
    };
    has_vowel
        && letters.iter().all(u8::is_ascii_alphabetic)
        && (rest.iter().all(u8::is_ascii_lowercase) || letters.iter().all(u8::is_ascii_uppercase))
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
