//! Hashes in the forms of Django and passlib, which wrap the same functions otherwise. Pure.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::phc::{MAX_ROUNDS, Stored, number};

/// A hash of one of the other forms. Those of SHA-1, MD5, DES and `crypt`, and passwords in the open, are none.
pub(super) fn parse(text: &str) -> Option<Stored> {
    if text.len() > 512 {
        return None;
    }
    django(text).or_else(|| passlib(text))
}

/// `NAME$...`, where argon2 and bcrypt follow in their own forms.
fn django(text: &str) -> Option<Stored> {
    let (name, rest) = text.split_once('$')?;
    match name {
        "pbkdf2_sha256" => {
            let [rounds, salt, hash] = fields(rest)?;
            pbkdf2(rounds, salt.as_bytes(), &STANDARD.decode(hash).ok()?)
        }
        "argon2" => match Stored::parse(&format!("${rest}"))? {
            argon2 @ Stored::Argon2id { .. } => Some(argon2),
            _ => None,
        },
        #[cfg(feature = "password-legacy")]
        "bcrypt" => legacy::bcrypt(rest),
        #[cfg(feature = "password-legacy")]
        "bcrypt_sha256" => legacy::prehashed(legacy::Prehash::Hex, rest),
        #[cfg(feature = "password-legacy")]
        "scrypt" => {
            let [n, salt, r, p, hash] = fields(rest)?;
            legacy::scrypt([n, r, p], salt.as_bytes(), STANDARD.decode(hash).ok()?)
        }
        _ => None,
    }
}

/// `$NAME$...`, with `.` in the place of `+` in PBKDF2's base64.
fn passlib(text: &str) -> Option<Stored> {
    let (name, rest) = text.strip_prefix('$')?.split_once('$')?;
    let decoded = |text: &str| STANDARD_NO_PAD.decode(text.replace('.', "+")).ok();
    match name {
        "pbkdf2-sha256" | "pbkdf2-sha512" => {
            let [rounds, salt, hash] = fields(rest)?;
            let stored = pbkdf2(rounds, &decoded(salt)?, &decoded(hash)?)?;
            let long = matches!(stored, Stored::Pbkdf2Sha512 { .. });
            (long == name.ends_with("512")).then_some(stored)
        }
        #[cfg(feature = "password-legacy")]
        "scrypt" => {
            let [costs, salt, hash] = fields(rest)?;
            legacy::scrypt_phc(costs, &STANDARD_NO_PAD.decode(salt).ok()?, hash)
        }
        #[cfg(feature = "password-legacy")]
        "bcrypt-sha256" => {
            let [costs, salt, hash] = fields(rest)?;
            let rounds = costs.strip_prefix("v=2,t=2b,r=")?;
            let whole = format!("$2b${:02}${salt}{hash}", number(rounds)?);
            legacy::prehashed(legacy::Prehash::Keyed(salt.into()), &whole)
        }
        _ => None,
    }
}

/// The function is known by the length of its output.
fn pbkdf2(rounds: &str, salt: &[u8], hash: &[u8]) -> Option<Stored> {
    let rounds = number(rounds).filter(|rounds| *rounds <= MAX_ROUNDS)?;
    let (rounds, salt, hash) = (rounds.try_into().ok()?, salt.to_vec(), hash.to_vec());
    match (salt.is_empty(), hash.len()) {
        (false, 32) => Some(Stored::Pbkdf2Sha256 { rounds, salt, hash }),
        (false, 64) => Some(Stored::Pbkdf2Sha512 { rounds, salt, hash }),
        _ => None,
    }
}

/// Exactly so many fields.
fn fields<const N: usize>(text: &str) -> Option<[&str; N]> {
    text.split('$').collect::<Vec<_>>().try_into().ok()
}

#[cfg(feature = "password-legacy")]
mod legacy {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD_NO_PAD;

    pub(super) use super::super::phc::Prehash;
    use super::super::phc::{Stored, number, scrypt_within};

    pub(super) fn bcrypt(text: &str) -> Option<Stored> {
        match Stored::parse(text)? {
            bcrypt @ Stored::Bcrypt(_) => Some(bcrypt),
            _ => None,
        }
    }

    pub(super) fn prehashed(by: Prehash, text: &str) -> Option<Stored> {
        match Stored::parse(text)? {
            Stored::Bcrypt(hash) => Some(Stored::Prehashed { by, hash }),
            _ => None,
        }
    }

    pub(super) fn scrypt([n, r, p]: [&str; 3], salt: &[u8], hash: Vec<u8>) -> Option<Stored> {
        scrypt_within(number(n)?, number(r)?, number(p)?, salt, hash)
    }

    /// `ln=16,r=8,p=1`.
    pub(super) fn scrypt_phc(costs: &str, salt: &[u8], hash: &str) -> Option<Stored> {
        let mut costs = costs.split(',');
        let log_n = number(costs.next()?.strip_prefix("ln=")?)?;
        let r = number(costs.next()?.strip_prefix("r=")?)?;
        let p = number(costs.next()?.strip_prefix("p=")?)?;
        let hash = STANDARD_NO_PAD.decode(hash).ok()?;
        let n = 1_u32.checked_shl(log_n)?;
        let stored = scrypt_within(n, r, p, salt, hash)?;
        costs.next().is_none().then_some(stored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_that_are_weak_or_malformed_are_none() {
        let (short, long) = (STANDARD.encode([9; 32]), STANDARD_NO_PAD.encode([9; 64]));
        for bad in [
            String::new(),
            "$".to_owned(),
            "plain".to_owned(),
            "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99".to_owned(),
            "$1$salt$qJH7.N4xYta3aEG/dfqo/0".to_owned(),
            "$6$salt$hash".to_owned(),
            "pbkdf2_sha1$1000$salt$dGhlIGhhc2ggb2Ygc2hh".to_owned(),
            format!("pbkdf2_sha256$2000001$salt${short}"),
            format!("pbkdf2_sha256$01000$salt${short}"),
            format!("pbkdf2_sha256$1000$${short}"),
            format!("pbkdf2_sha256$1000$salt${short}$x"),
            format!("pbkdf2_sha256$1000$salt${}", &short[..40]),
            format!("$pbkdf2-sha256$1000$c2FsdA${long}"),
            format!("$pbkdf2-sha1$1000$c2FsdA${long}"),
            format!("argon2$pbkdf2:sha256:1000$salt${}", "9".repeat(64)),
            format!("bcrypt$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ${short}"),
            format!("scrypt$16384$salt$8$65${short}"),
            format!("scrypt$16383$salt$8$1${short}"),
            format!("scrypt$2097152$salt$8$1${short}"),
            format!("$scrypt$ln=40,r=8,p=1$c2FsdA${}", &short[..43]),
            format!("$scrypt$ln=32,r=8,p=1$c2FsdA${}", &short[..43]),
            "$bcrypt-sha256$v=1,t=2b,r=12$n79VH.0Q2TMWmt3Oqt9uku$Kq4Noyk3094Y2QlB8NdRT8SvGiI4ft2"
                .to_owned(),
            "x".repeat(513),
        ] {
            assert_eq!(parse(&bad), None, "{bad}");
        }
        let django = format!("pbkdf2_sha256$1000$salt${short}");
        assert!(parse(&django).is_some());
        assert!(parse(&format!("$pbkdf2-sha512$1000$c2FsdA${long}")).is_some());
    }
}
