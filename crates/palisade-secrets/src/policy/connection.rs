//! Passwords inside of URLs and connection strings.

use zeroize::Zeroizing;

/// Names of parameters whose values are secret, in lower case.
const SECRET_PARAMETERS: &[&str] = &[
    "access_token",
    "api_key",
    "apikey",
    "auth_token",
    "pass",
    "passwd",
    "password",
    "pwd",
    "secret",
    "sslpassword",
    "token",
];

const RAW: &str =
    "is a URL that can be read in two ways; percent-encode `/`, `?`, `#` and `@` in its password";

/// The secrets inside of a value, percent-decoded; `None` if it is neither a URL with an authority nor a connection
/// string with a password, so that all of it is the secret.
///
/// # Errors
///
/// The reason why the password of a URL cannot be told from the rest.
pub(super) fn passwords(value: &str) -> Option<Result<Vec<Zeroizing<String>>, &'static str>> {
    let value = value.trim();
    match value.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => Some(in_url(scheme, rest)),
        _ => in_pairs(value).map(Ok),
    }
}

/// RFC 3986, section 3.1, and the colons of `jdbc:postgresql`.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.:".contains(&byte))
}

fn in_url(scheme: &str, rest: &str) -> Result<Vec<Zeroizing<String>>, &'static str> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (Some(user), hosts),
        None => (None, authority),
    };
    // A password with a raw `/` ends the authority, and what stands before it looks like a port.
    if !hosts.split(',').all(has_good_port) {
        return Err(RAW);
    }
    let is_web = ["http", "https", "ws", "wss"].contains(&scheme.to_ascii_lowercase().as_str());
    if !is_web && authority.contains(':') && ends_user_info(tail) {
        return Err(RAW);
    }
    let in_user = user
        .and_then(|user| user.split_once(':'))
        .map(|(_, password)| decoded(password));
    let query = tail.split_once('?').map_or("", |(_, query)| query);
    let query = query.split('#').next().unwrap_or(query);
    let in_query = query.split(['&', ';']).filter_map(secret_pair).map(decoded);
    Ok(in_user.into_iter().chain(in_query).collect())
}

/// Nothing after the host, or a number (RFC 3986, section 3.2.3).
fn has_good_port(host: &str) -> bool {
    let after = match host.strip_prefix('[') {
        Some(address) => match address.split_once(']') {
            Some((_, after)) => after,
            None => return false,
        },
        None => host.find(':').map_or("", |colon| &host[colon..]),
    };
    match after.strip_prefix(':') {
        Some(port) => port.is_empty() || port.parse::<u16>().is_ok(),
        None => after.is_empty(),
    }
}

/// Whether what follows the authority holds an `@` that is not in the value of a parameter.
fn ends_user_info(tail: &str) -> bool {
    tail.split_once('@')
        .is_some_and(|(before, _)| !before.contains('='))
}

/// `host=db password=x` of libpq, or `Server=db;Password=x` of ADO.
fn in_pairs(value: &str) -> Option<Vec<Zeroizing<String>>> {
    let parts = || value.split(|mark: char| mark == ';' || mark.is_ascii_whitespace());
    if parts().filter(|part| part.contains('=')).count() < 2 {
        return None;
    }
    let found: Vec<_> = parts()
        .filter_map(secret_pair)
        .map(|text| Zeroizing::new(text.trim_matches(['\'', '"']).to_owned()))
        .collect();
    (!found.is_empty()).then_some(found)
}

fn secret_pair(pair: &str) -> Option<&str> {
    let (name, value) = pair.split_once('=')?;
    let name = name.trim().to_ascii_lowercase();
    SECRET_PARAMETERS
        .contains(&name.as_str())
        .then_some(value.trim())
}

/// RFC 3986, section 2.1; what is not well encoded stays as it is.
fn decoded(text: &str) -> Zeroizing<String> {
    let hex = |byte: &u8| char::from(*byte).to_digit(16);
    let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let byte = match after {
            [high, low, ..] if *first == b'%' => hex(high)
                .zip(hex(low))
                .and_then(|(high, low)| u8::try_from(high * 16 + low).ok()),
            _ => None,
        };
        out.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    Zeroizing::new(String::from_utf8_lossy(&out).into_owned())
}
