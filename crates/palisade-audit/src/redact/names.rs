use std::collections::HashMap;

use super::Action;

/// Names whose values are secret or personal, by their words.
const SENSITIVE: &[&str] = &[
    // What proves who somebody is.
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "passcode",
    "secret",
    "token",
    "jwt",
    "bearer",
    "credential",
    "authorization",
    "cookie",
    "session_id",
    "session_key",
    "sessionid",
    "jsessionid",
    "phpsessid",
    "csrf",
    "xsrf",
    "api_key",
    "access_key",
    "private_key",
    "secret_key",
    "signing_key",
    "encryption_key",
    "master_key",
    "ssh_key",
    "account_key",
    "shared_key",
    "subscription_key",
    "connection_string",
    "otp",
    "totp",
    "mfa_code",
    "2fa_code",
    "pin_code",
    "verification_code",
    "backup_code",
    "recovery_code",
    "one_time_code",
    "security_answer",
    "mnemonic",
    "seed_phrase",
    "assertion",
    "signature",
    // Who somebody is.
    "email",
    "e_mail",
    "mail_address",
    "phone",
    "telephone",
    "mobile_number",
    "msisdn",
    "ssn",
    "social_security",
    "national_id",
    "tax_id",
    "passport",
    "driver_license",
    "drivers_license",
    "date_of_birth",
    "birth_date",
    "birthdate",
    "dob",
    // What somebody pays with.
    "credit_card",
    "debit_card",
    "card_number",
    "cc_number",
    "cvv",
    "cvv2",
    "cvc",
    "cvc2",
    "iban",
    "account_number",
    "routing_number",
    "sort_code",
    "bank_account",
];

/// Sensitive only as the whole name.
const WHOLE: &[&str] = &[
    "pass",
    "pin",
    "sid",
    "auth",
    "pan",
    "user_pass",
    "db_pass",
    "pw",
];

/// So long that they are found inside a longer word as well: `userpassword`.
const INSIDE: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "apikey",
    "accesskey",
    "privatekey",
    "secretkey",
    "clientsecret",
    "accesstoken",
    "refreshtoken",
    "idtoken",
    "authtoken",
    "creditcard",
    "cardnumber",
    "sessionid",
    "emailaddress",
    "phonenumber",
];

/// A name that ends with one of these tells about a secret and holds none: `token_type`, `password_policy`.
const ABOUT: &[&str] = &[
    "type",
    "count",
    "length",
    "len",
    "expiry",
    "expires",
    "expired",
    "ttl",
    "policy",
    "version",
    "limit",
    "usage",
    "enabled",
    "required",
    "verified",
    "strength",
    "algorithm",
    "alg",
    "format",
    "status",
    "size",
];

/// Numbers of the tokens of a language model: `max_tokens`, `promptTokens`.
const QUANTITIES: &[&str] = &[
    "max",
    "min",
    "total",
    "num",
    "number",
    "prompt",
    "completion",
    "input",
    "output",
    "used",
    "remaining",
    "cached",
];

/// Longer names are not taken apart; their values are masked.
const MAX_NAME: usize = 256;

/// Which names are sensitive.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    /// Words written together, in lower case.
    parts: HashMap<Box<str>, Action>,
    whole: HashMap<Box<str>, Action>,
    inside: Vec<&'static str>,
    longest: usize,
}

impl Names {
    pub(super) fn defaults() -> Self {
        let mut names = Self {
            inside: INSIDE.to_vec(),
            ..Self::default()
        };
        for name in SENSITIVE {
            names.set(name, Action::Mask);
        }
        for name in WHOLE {
            let (joined, _) = words(name);
            names.whole.insert(joined.into(), Action::Mask);
        }
        names
    }

    pub(super) fn set(&mut self, name: &str, action: Action) {
        let (joined, ends) = words(name);
        if joined.is_empty() {
            return;
        }
        self.longest = self.longest.max(ends.len());
        self.whole.remove(joined.as_str());
        self.parts.insert(joined.into(), action);
    }

    pub(super) fn len(&self) -> usize {
        self.parts.len() + self.whole.len()
    }

    pub(super) fn decide(&self, name: &str) -> Option<Action> {
        if name.len() > MAX_NAME && !self.parts.is_empty() {
            return Some(Action::Mask);
        }
        let (joined, ends) = words(name);
        if let Some(action) = self
            .parts
            .get(joined.as_str())
            .or(self.whole.get(joined.as_str()))
        {
            return Some(*action);
        }
        if is_about(&joined, &ends) {
            return None;
        }
        let found = self.run_of_words(&joined, &ends);
        found.or_else(|| {
            let inside = self.inside.iter().find(|known| joined.contains(**known))?;
            Some(self.parts.get(*inside).copied().unwrap_or(Action::Mask))
        })
    }

    /// The longest run of words that is on the list, so that what was set for a longer name wins.
    fn run_of_words(&self, joined: &str, ends: &[usize]) -> Option<Action> {
        // One more than listed: digits that follow a word are a word of their own.
        for count in (1..=(self.longest + 1).min(ends.len())).rev() {
            for last in count - 1..ends.len() {
                let start = (last + 1)
                    .checked_sub(count + 1)
                    .map_or(0, |before| ends[before]);
                let run = &joined[start..ends[last]];
                let singular = run.strip_suffix('s').unwrap_or(run);
                if let Some(action) = self.parts.get(run).or(self.parts.get(singular)) {
                    return Some(*action);
                }
            }
        }
        None
    }
}

fn is_about(joined: &str, ends: &[usize]) -> bool {
    let [.., before, end] = ends else {
        return false;
    };
    let last = &joined[*before..*end];
    let first = &joined[..ends.first().copied().unwrap_or(0)];
    ABOUT.contains(&last)
        || (joined.contains("tokens") && QUANTITIES.contains(&first))
        || (matches!(last, "at" | "in" | "on")
            && [
                "expires", "verified", "created", "updated", "issued", "changed", "used", "rotated",
            ]
            .iter()
            .any(|verb| joined[..*before].ends_with(verb)))
}

/// The words of a name in lower case, written together, and where each ends.
fn words(name: &str) -> (String, Vec<usize>) {
    #[derive(PartialEq, Clone, Copy)]
    enum Kind {
        Lower,
        Upper,
        Digit,
        Gap,
    }
    let mut joined = String::with_capacity(name.len());
    let mut ends = Vec::new();
    let mut before = Kind::Gap;
    let mut chars = name.chars().peekable();
    while let Some(found) = chars.next() {
        let kind = match found {
            'A'..='Z' => Kind::Upper,
            '0'..='9' => Kind::Digit,
            'a'..='z' => Kind::Lower,
            _ if found.is_alphabetic() => Kind::Lower,
            _ => Kind::Gap,
        };
        let next_is_lower = chars.peek().is_some_and(char::is_ascii_lowercase);
        let starts = match (before, kind) {
            (Kind::Lower | Kind::Digit, Kind::Upper) => true,
            // The last capital of several begins the next word: `APIKey`.
            (Kind::Upper, Kind::Upper) => next_is_lower,
            (Kind::Upper | Kind::Lower, Kind::Digit) | (Kind::Digit, Kind::Lower) => true,
            (_, Kind::Gap) => true,
            _ => false,
        };
        if starts && ends.last().copied().unwrap_or(0) < joined.len() {
            ends.push(joined.len());
        }
        if kind != Kind::Gap {
            joined.push(found.to_ascii_lowercase());
        }
        before = kind;
    }
    if ends.last().copied().unwrap_or(0) < joined.len() {
        ends.push(joined.len());
    }
    (joined, ends)
}

/// What was decided about names before. Names are few and come again.
///
/// Each name has two places, where a later one pushes the earlier out: what a client makes up cannot make looking up
/// slow, nor take more memory.
pub(super) struct Memo {
    places: Box<[[Option<Known>; 2]]>,
}

struct Known {
    name: Box<[u8]>,
    decided: Option<Action>,
}

impl Memo {
    const PLACES: usize = 1_024;
    const MAX_NAME: usize = 64;

    pub(super) fn decide(&mut self, names: &Names, name: &[u8]) -> Option<Action> {
        let Some(places) = self.places.get_mut(place(name) % Self::PLACES) else {
            return names.decide(&String::from_utf8_lossy(name));
        };
        if let Some(known) = places.iter().flatten().find(|known| *known.name == *name) {
            return known.decided;
        }
        let decided = names.decide(&String::from_utf8_lossy(name));
        if name.len() <= Self::MAX_NAME {
            places.swap(0, 1);
            places[0] = Some(Known {
                name: name.into(),
                decided,
            });
        }
        decided
    }
}

/// FNV-1a over eight bytes at a time; only spreads names over places.
fn place(name: &[u8]) -> usize {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for chunk in name.chunks(8) {
        let mut word = [0; 8];
        for (to, from) in word.iter_mut().zip(chunk) {
            *to = *from;
        }
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x100_0000_01b3);
        hash ^= hash >> 29;
    }
    usize::try_from((hash ^ (hash >> 17)) & 0xffff).unwrap_or(0)
}

impl Default for Memo {
    fn default() -> Self {
        Self {
            places: (0..Self::PLACES).map(|_| [None, None]).collect(),
        }
    }
}

impl std::fmt::Debug for Memo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Memo")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_over_case_separators_and_camel_case() {
        let names = Names::defaults();
        for name in [
            "password",
            "PASSWORD",
            "user_password",
            "newPassword",
            "Password-Hash",
            "password_hash",
            "x-api-key",
            "apiKey",
            "APIKey",
            "apikey",
            "API_KEY",
            "clientSecret",
            "access_token",
            "accessToken",
            "id_token",
            "Authorization",
            "Proxy-Authorization",
            "set-cookie",
            "Cookie",
            "email",
            "e-mail",
            "guestEmail",
            "emails",
            "phone_number",
            "creditCard",
            "credit.card",
            "cvv2",
            "CVC",
            "ssn",
            "otp",
            "user[email]",
            "password1",
            "userpassword",
            "pass",
            "X-Amz-Security-Token",
            "aws_secret_access_key",
            "tokens",
        ] {
            assert_eq!(names.decide(name), Some(Action::Mask), "{name}");
        }
    }

    #[test]
    fn ordinary_names_and_names_about_secrets_stay() {
        let names = Names::defaults();
        for name in [
            "name",
            "room",
            "tokenizer",
            "secretary",
            "passenger",
            "compass",
            "token_type",
            "token_count",
            "password_policy",
            "email_verified",
            "max_tokens",
            "token_expires_in",
            "emailVerifiedAt",
            "microphone",
            "options",
            "shipping",
            "pinned",
            "authors",
            "spin",
            "side",
            "description",
            "company",
            "status_code",
        ] {
            assert_eq!(names.decide(name), None, "{name}");
        }
    }

    #[test]
    fn a_longer_name_that_was_set_wins() {
        let mut names = Names::defaults();
        names.set("public_token", Action::Keep);
        assert_eq!(names.decide("my_public_token"), Some(Action::Keep));
        assert_eq!(names.decide("my_token"), Some(Action::Mask));
    }

    #[test]
    fn remembered_decisions_are_those_of_the_list_whatever_came_before() {
        use proptest::prelude::*;
        let names = Names::defaults();
        let memo = std::cell::RefCell::new(Memo::default());
        proptest!(|(name in "(user|new|x)?[-_]?(token|password|room|email|[a-z]{1,6})[A-Z0-9]?")| {
            for _ in 0..2 {
                prop_assert_eq!(memo.borrow_mut().decide(&names, name.as_bytes()), names.decide(&name));
            }
        });
    }

    #[test]
    fn endless_names_are_masked_without_being_taken_apart() {
        assert_eq!(
            Names::defaults().decide(&"x".repeat(257)),
            Some(Action::Mask)
        );
    }
}
