//! Regularities that no random generator produces: walks over the keyboard, and alphabets that advance by a fixed step.

/// The keys of a US keyboard, row by row, without and with Shift.
const ROWS: [&[u8]; 8] = [
    b"`1234567890-=",
    b"~!@#$%^&*()_+",
    b"qwertyuiop[]\\",
    b"QWERTYUIOP{}|",
    b"asdfghjkl;'",
    b"ASDFGHJKL:\"",
    b"zxcvbnm,./",
    b"ZXCVBNM<>?",
];

/// No more of a secret is looked at, so that the time does not depend on how long it is.
const LOOKED_AT: usize = 256;
/// The longest column or block that a pattern is repeated by.
const LONGEST_PERIOD: usize = 12;
/// Fewer pairs say nothing.
const FEWEST_PAIRS: usize = 16;

/// Whether most of a secret follows one pattern.
///
/// The shares are such that of 10^9 random secrets over any alphabet, decimal digits included, none is likely to be
/// caught.
pub(super) fn is_pattern(secret: &[u8]) -> bool {
    let secret = &secret[..secret.len().min(LOOKED_AT)];
    let keys: Vec<Option<Key>> = secret.iter().map(|byte| key_of(*byte)).collect();
    is_walk(&keys)
        || (1..=LONGEST_PERIOD).any(|period| advances(&keys, period))
        || is_stepping(secret)
}

/// The row and the column of a key.
type Key = (i8, i8);

const fn key_of(byte: u8) -> Option<Key> {
    KEYS[byte as usize]
}

/// The key that writes each character.
const KEYS: [Option<Key>; 256] = {
    let mut keys = [None; 256];
    let mut row = 0;
    while row < ROWS.len() {
        let mut column = 0;
        while column < ROWS[row].len() {
            // The rows below the digits begin one key further to the right.
            let indent = if row < 2 { 0 } else { 1 };
            keys[ROWS[row][column] as usize] = Some((row as i8 / 2, column as i8 + indent));
            column += 1;
        }
        row += 1;
    }
    keys
};

/// The pairs of characters that are `period` apart, as far as both are on the keyboard.
fn moves(keys: &[Option<Key>], period: usize) -> impl Iterator<Item = Key> + '_ {
    let pairs = keys.iter().zip(keys.iter().skip(period));
    pairs.filter_map(|pair| match pair {
        (Some(from), Some(to)) => Some((to.0 - from.0, to.1 - from.1)),
        _ => None,
    })
}

/// From key to neighbouring key, four times of five: `qwertyuiop`, `zaq12wsxcde3`.
fn is_walk(keys: &[Option<Key>]) -> bool {
    let pairs = keys.len().saturating_sub(1);
    let steps = moves(keys, 1).filter(|(down, right)| down.abs() <= 1 && right.abs() <= 1);
    pairs >= FEWEST_PAIRS && steps.count() * 5 > pairs * 4
}

/// The same block again, or the next one on the keyboard: `1qaz2wsx3edc`, `test1test1test2`.
fn advances(keys: &[Option<Key>], period: usize) -> bool {
    let pairs = keys.len().saturating_sub(period);
    if pairs < FEWEST_PAIRS {
        return false;
    }
    // Four rows lie at most 3 apart, 14 columns at most 13.
    let mut counts = [0_usize; 7 * 27];
    for (down, right) in moves(keys, period) {
        let place = (i16::from(down) + 3) * 27 + i16::from(right) + 13;
        if let Some(count) = usize::try_from(place)
            .ok()
            .and_then(|place| counts.get_mut(place))
        {
            *count += 1;
        }
    }
    counts.iter().any(|count| count * 5 >= pairs * 3)
}

/// Two alphabets woven into each other, each advancing by three to five letters, as a key generator on the web makes
/// what it calls encryption keys: `NcRfUjXn2r5u8x/A?D(G+KbPdSgVkYp3`.
fn is_stepping(secret: &[u8]) -> bool {
    let pairs = secret.len().saturating_sub(2);
    let steps = secret
        .iter()
        .zip(secret.iter().skip(2))
        .filter(|(from, to)| {
            from.is_ascii_alphabetic()
                && to.is_ascii_alphabetic()
                && (3..=5).contains(&(i16::from(**to) - i16::from(**from)))
        });
    pairs >= FEWEST_PAIRS && steps.count() * 2 >= pairs
}
