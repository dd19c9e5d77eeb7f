//! Hashes of passwords as text: PHC strings for argon2, Werkzeug's form for PBKDF2 and scrypt, bcrypt's own. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// The cost of argon2 (RFC 9106).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cost {
    /// KiB of memory.
    pub(super) memory: u32,
    /// Passes over it.
    pub(super) passes: u32,
    /// Lanes.
    pub(super) lanes: u32,
}

/// A stored hash.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stored {
    Argon2id {
        cost: Cost,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    Pbkdf2Sha256 {
        rounds: std::num::NonZeroU32,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    Pbkdf2Sha512 {
        rounds: std::num::NonZeroU32,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    #[cfg(feature = "password-legacy")]
    Scrypt {
        log_n: u8,
        r: u32,
        p: u32,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    #[cfg(feature = "password-legacy")]
    Bcrypt(String),
    /// bcrypt of a digest, for which 72 bytes are enough however long the password is.
    #[cfg(feature = "password-legacy")]
    Prehashed { by: Prehash, hash: String },
}

/// The digest that bcrypt was given.
#[cfg(feature = "password-legacy")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Prehash {
    /// The hexadecimal SHA-256 of the password, as Django makes it.
    Hex,
    /// The HMAC-SHA-256 of the password under the salt's text, in base64, as passlib makes it.
    Keyed(String),
}

/// The most that a stored hash may ask for, so that nobody who can write one can take the service down: 256 MiB, 16
/// passes, 16 lanes, and two million rounds.
const MAX: Cost = Cost {
    memory: 256 * 1024,
    passes: 16,
    lanes: 16,
};
pub(super) const MAX_ROUNDS: u32 = 2_000_000;

impl Stored {
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() > 512 {
            return None;
        }
        match text.strip_prefix("$argon2id$v=19$") {
            Some(rest) => argon2id(rest),
            None => werkzeug(text).or_else(|| legacy(text)),
        }
    }
}

fn argon2id(rest: &str) -> Option<Stored> {
    let mut parts = rest.split('$');
    let (cost, salt, hash) = (parts.next()?, parts.next()?, parts.next()?);
    let mut costs = cost.split(',');
    let cost = Cost {
        memory: number(costs.next()?.strip_prefix("m=")?)?,
        passes: number(costs.next()?.strip_prefix("t=")?)?,
        lanes: number(costs.next()?.strip_prefix("p=")?)?,
    };
    let fits = (8..=MAX.memory).contains(&cost.memory)
        && (1..=MAX.passes).contains(&cost.passes)
        && (1..=MAX.lanes).contains(&cost.lanes)
        && cost.memory >= 8 * cost.lanes;
    let salt = STANDARD_NO_PAD.decode(salt).ok()?;
    let hash = STANDARD_NO_PAD.decode(hash).ok()?;
    let form = parts.next().is_none() && costs.next().is_none();
    let sizes = (8..=64).contains(&salt.len()) && (16..=64).contains(&hash.len());
    (fits && form && sizes).then_some(Stored::Argon2id { cost, salt, hash })
}

/// `pbkdf2:sha256:600000$salt$hex`, or the same with `sha512`.
fn werkzeug(text: &str) -> Option<Stored> {
    let (function, rest) = text.strip_prefix("pbkdf2:")?.split_once(':')?;
    let mut parts = rest.split('$');
    let (rounds, salt, hash) = (parts.next()?, parts.next()?, parts.next()?);
    let rounds = number(rounds).filter(|rounds| *rounds <= MAX_ROUNDS)?;
    let (rounds, hash) = (rounds.try_into().ok()?, hex(hash)?);
    if salt.is_empty() || parts.next().is_some() {
        return None;
    }
    let salt = salt.as_bytes().to_vec();
    match (function, hash.len()) {
        ("sha256", 32) => Some(Stored::Pbkdf2Sha256 { rounds, salt, hash }),
        ("sha512", 64) => Some(Stored::Pbkdf2Sha512 { rounds, salt, hash }),
        _ => None,
    }
}

#[cfg(not(feature = "password-legacy"))]
const fn legacy(_text: &str) -> Option<Stored> {
    None
}

#[cfg(feature = "password-legacy")]
fn legacy(text: &str) -> Option<Stored> {
    match text.strip_prefix("scrypt:") {
        Some(rest) => scrypt(rest),
        None => bcrypt(text),
    }
}

/// Werkzeug's `scrypt:32768:8:1$salt$hex`, up to 128 MiB of memory and four times that of work.
#[cfg(feature = "password-legacy")]
fn scrypt(rest: &str) -> Option<Stored> {
    let mut parts = rest.split('$');
    let (cost, salt, hash) = (parts.next()?, parts.next()?, parts.next()?);
    let mut costs = cost.split(':');
    let n = number(costs.next()?)?;
    let (r, p) = (number(costs.next()?)?, number(costs.next()?)?);
    let form = parts.next().is_none() && costs.next().is_none();
    let stored = scrypt_within(n, r, p, salt.as_bytes(), hex(hash)?)?;
    form.then_some(stored)
}

/// scrypt of up to 128 MiB of memory and four times that of work.
#[cfg(feature = "password-legacy")]
pub(super) fn scrypt_within(n: u32, r: u32, p: u32, salt: &[u8], hash: Vec<u8>) -> Option<Stored> {
    const MEMORY: u64 = 128 * 1024 * 1024;
    let fits = n.is_power_of_two() && n > 1 && (1..=16).contains(&r) && (1..=16).contains(&p);
    let memory = u64::from(n) * u64::from(r) * 128;
    let small = memory <= MEMORY && memory.saturating_mul(p.into()) <= 4 * MEMORY;
    let sizes = (32..=64).contains(&hash.len()) && !salt.is_empty();
    (fits && small && sizes).then_some(Stored::Scrypt {
        log_n: n.trailing_zeros().try_into().ok()?,
        r,
        p,
        salt: salt.to_vec(),
        hash,
    })
}

/// `$2b$12$` and 53 characters, of a cost up to 15, which takes some two seconds.
#[cfg(feature = "password-legacy")]
fn bcrypt(text: &str) -> Option<Stored> {
    let version = ["$2a$", "$2b$", "$2y$"];
    let rest = version
        .iter()
        .find_map(|version| text.strip_prefix(version))?;
    let (cost, rest) = rest.split_once('$')?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/');
    let cost_fits = cost.len() == 2 && (4..=15).contains(&cost.parse::<u8>().ok()?);
    (cost_fits && rest.len() == 53 && rest.bytes().all(plain))
        .then(|| Stored::Bcrypt(text.to_owned()))
}

/// Decimal digits without a sign or leading zeros.
pub(super) fn number(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    plain.then(|| text.parse().ok()).flatten()
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| {
        let digits = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(digits, 16).ok()
    };
    let is_hex = text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| text.as_bytes().chunks(2).map(pair).collect())?
}

/// The PHC string of an argon2id hash.
pub(super) fn text(cost: Cost, salt: &[u8], hash: &[u8]) -> String {
    let Cost {
        memory,
        passes,
        lanes,
    } = cost;
    format!(
        "$argon2id$v=19$m={memory},t={passes},p={lanes}${}${}",
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(hash)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phc_string_is_read_back() {
        let cost = Cost {
            memory: 19_456,
            passes: 2,
            lanes: 1,
        };
        let text = text(cost, &[7; 16], &[9; 32]);
        assert!(
            text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{text}"
        );
        let stored = Stored::parse(&text);
        assert_eq!(
            stored,
            Some(Stored::Argon2id {
                cost,
                salt: vec![7; 16],
                hash: vec![9; 32]
            })
        );
    }

    #[test]
    fn what_would_cost_too_much_or_is_not_a_hash_is_refused() {
        let salt = STANDARD_NO_PAD.encode([7; 16]);
        let hash = STANDARD_NO_PAD.encode([9; 32]);
        for cost in [
            "m=4294967295,t=2,p=1",
            "m=262145,t=2,p=1",
            "m=19456,t=17,p=1",
            "m=19456,t=2,p=17",
            "m=19456,t=0,p=1",
            "m=8,t=1,p=2",
            "m=019456,t=2,p=1",
            "m=-1,t=2,p=1",
            "t=2,m=19456,p=1",
            "m=19456,t=2",
            "m=19456,t=2,p=1,x=1",
            "",
        ] {
            let text = format!("$argon2id$v=19${cost}${salt}${hash}");
            assert_eq!(Stored::parse(&text), None, "{cost}");
        }
        let good = format!("$argon2id$v=19$m=19456,t=2,p=1${salt}${hash}");
        assert!(Stored::parse(&good).is_some());
        let hex = "9".repeat(64);
        for bad in [
            String::new(),
            "plain text".to_owned(),
            good.replace("v=19", "v=16"),
            good.replace("argon2id", "argon2d"),
            format!("{good}$x"),
            good.replace(&hash, "AAAA"),
            format!("$argon2id$v=19$m=19456,t=2,p=1$$ {hash}"),
            format!("pbkdf2:sha256:2000001$salt${hex}"),
            format!("pbkdf2:sha256:0$salt${hex}"),
            format!("pbkdf2:sha256:1000$${hex}"),
            format!("pbkdf2:sha1:1000$salt${hex}"),
            "pbkdf2:sha256:1000$salt$zz".to_owned(),
            "pbkdf2:sha256:1000$salt$é".to_owned(),
        ] {
            assert_eq!(Stored::parse(&bad), None, "{bad}");
        }
    }
}
