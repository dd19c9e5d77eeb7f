//! Reads a compact JWS (RFC 7515, section 7.1) strictly, before any cryptography.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::json::{Names, Text, Unique};
use crate::Refusal;

/// The longest token that is looked at, in bytes. Servers commonly cap a header there too, and the work on a token
/// that nobody signed stays small.
pub(crate) const MAX_TOKEN_LEN: usize = 8 * 1024;

/// The longest `kid`, in bytes; real ones are thumbprints, UUIDs or short names.
const MAX_KID_LEN: usize = 256;

/// The parts of a compact JWS, still encoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Compact<'a> {
    pub(crate) signing_input: &'a [u8],
    pub(crate) header: &'a [u8],
    pub(crate) payload: &'a [u8],
    pub(crate) signature: &'a [u8],
}

impl<'a> Compact<'a> {
    /// Splits exactly three segments, none of them empty.
    pub(crate) fn split(token: &'a [u8]) -> Result<Self, Refusal> {
        if token.len() > MAX_TOKEN_LEN {
            return Err(Refusal::TokenTooLong);
        }
        let mut dots = memchr::memchr_iter(b'.', token);
        let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
            return Err(Refusal::TokenMalformed);
        };
        let compact = Self {
            signing_input: &token[..second],
            header: &token[..first],
            payload: &token[first + 1..second],
            signature: &token[second + 1..],
        };
        if compact.header.is_empty() || compact.payload.is_empty() {
            return Err(Refusal::TokenMalformed);
        }
        // Its own code, because a stripped signature is an attack rather than an accident.
        if compact.signature.is_empty() {
            return Err(Refusal::BadSignature);
        }
        Ok(compact)
    }
}

/// Decodes base64url without padding; anything else, unused bits that are set included, is refused.
pub(crate) fn decode(segment: &[u8]) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD
        .decode(segment)
        .map_err(|_| Refusal::TokenMalformed)
}

/// Encodes as base64url without padding.
pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The members of a JOSE header that matter here. `jku`, `jwk`, `x5u`, `x5c` and the like are not even kept.
#[derive(Debug, PartialEq)]
pub(crate) struct Header<'a> {
    pub(crate) alg: Option<Algorithm>,
    pub(crate) kid: Option<Text<'a>>,
    pub(crate) typ: Option<Text<'a>>,
    extended: bool,
}

impl<'a> Header<'a> {
    pub(crate) fn parse(json: &'a [u8]) -> Result<Self, Refusal> {
        let header: Self = serde_json::from_slice(json).map_err(|_| Refusal::TokenMalformed)?;
        if header.extended {
            return Err(Refusal::ExtensionRefused);
        }
        if header
            .kid
            .as_ref()
            .is_some_and(|kid| kid.0.len() > MAX_KID_LEN)
        {
            return Err(Refusal::TokenMalformed);
        }
        Ok(header)
    }

    /// Whether `typ` is this media type; `application/` may be left out (RFC 7515, section 4.1.9), case is nothing.
    pub(crate) fn is_type(&self, wanted: &str) -> bool {
        const PREFIX: &str = "application/";
        let Some(typ) = &self.typ else { return false };
        let short = match typ.0.get(..PREFIX.len()) {
            Some(start) if start.eq_ignore_ascii_case(PREFIX) => &typ.0[PREFIX.len()..],
            _ => &typ.0,
        };
        short.eq_ignore_ascii_case(wanted)
    }
}

/// The algorithm by its registered name; `none` is not one. `Ed25519` is `EdDSA` with the only curve that is known here
/// (RFC 9864, section 2.2).
fn algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "Ed25519" => Some(Algorithm::EdDSA),
        _ => name.parse().ok(),
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JOSE header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Header<'de>, A::Error> {
        let mut header = Header {
            alg: None,
            kid: None,
            typ: None,
            extended: false,
        };
        let mut algorithm_seen = false;
        let mut others = Names::default();
        while let Some(name) = members.next_key::<Text<'de>>()? {
            match &*name.0 {
                "alg" if !algorithm_seen => {
                    algorithm_seen = true;
                    header.alg = algorithm(&members.next_value::<Text<'de>>()?.0);
                }
                "kid" if header.kid.is_none() => header.kid = Some(members.next_value()?),
                "typ" if header.typ.is_none() => header.typ = Some(members.next_value()?),
                "alg" | "kid" | "typ" => return Err(A::Error::custom("a member is named twice")),
                "crit" | "b64" | "zip" => {
                    header.extended = true;
                    members.next_value::<IgnoredAny>()?;
                    others.push(name);
                }
                _ => {
                    members.next_value_seed(Unique)?;
                    others.push(name);
                }
            }
        }
        if !algorithm_seen {
            return Err(A::Error::missing_field("alg"));
        }
        if !others.all_differ() {
            return Err(A::Error::custom("a member is named twice"));
        }
        Ok(header)
    }
}

impl<'de> Deserialize<'de> for Header<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

/// Whether a token has the three segments of a JSON Web Signature, whatever they hold.
#[cfg(feature = "introspection")]
pub(crate) fn is_compact(token: &[u8]) -> bool {
    token.iter().filter(|byte| **byte == b'.').count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(json: &str) -> Result<Header<'_>, Refusal> {
        Header::parse(json.as_bytes())
    }

    #[test]
    fn exactly_three_segments() {
        for token in [
            "",
            "a",
            "a.b",
            "a.b.c.d",
            "a.b.c.d.e",
            ".b.c",
            "a..c",
            "..",
            "a.b.c.",
        ] {
            assert_eq!(
                Compact::split(token.as_bytes()).err(),
                Some(Refusal::TokenMalformed),
                "{token:?}"
            );
        }
        assert_eq!(
            Compact::split(b"a.b.").err(),
            Some(Refusal::BadSignature),
            "a stripped signature"
        );
        let compact = Compact::split(b"he.pay.sig").unwrap();
        assert_eq!(compact.signing_input, b"he.pay");
        assert_eq!(compact.signature, b"sig");
    }

    #[test]
    fn a_token_over_8_kib_is_not_looked_at() {
        let fits = format!("a.{}.c", "b".repeat(MAX_TOKEN_LEN - 4));
        assert!(Compact::split(fits.as_bytes()).is_ok());
        let over = format!("a.{}.c", "b".repeat(MAX_TOKEN_LEN - 3));
        assert_eq!(
            Compact::split(over.as_bytes()).err(),
            Some(Refusal::TokenTooLong)
        );
    }

    #[test]
    fn base64url_is_strict() {
        assert_eq!(decode(b"-_8").unwrap(), [0xfb, 0xff]);
        // Padding, the other alphabet, white space, a length that cannot be, and unused bits that are set.
        for bad in ["-_8=", "+/8", "-_ 8", "-_8\n", "a", "abcde", "-_9"] {
            assert_eq!(
                decode(bad.as_bytes()),
                Err(Refusal::TokenMalformed),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn every_member_once() {
        for twice in [
            r#"{"alg":"HS256","alg":"HS256"}"#,
            r#"{"alg":"none","alg":"HS256"}"#,
            r#"{"alg":"HS256","\u0061lg":"none"}"#,
            r#"{"alg":"HS256","kid":"a","kid":"b"}"#,
            r#"{"alg":"HS256","typ":"JWT","typ":"at+jwt"}"#,
            r#"{"alg":"HS256","x":1,"x":1}"#,
            r#"{"alg":"HS256","jwk":{"k":1,"k":2}}"#,
        ] {
            assert_eq!(header(twice), Err(Refusal::TokenMalformed), "{twice}");
        }
    }

    #[test]
    fn extensions_are_refused_whatever_their_value() {
        for extended in [
            r#"{"alg":"HS256","crit":["exp"],"exp":1}"#,
            r#"{"alg":"HS256","crit":[]}"#,
            r#"{"alg":"HS256","crit":null}"#,
            r#"{"alg":"HS256","b64":true}"#,
            r#"{"alg":"HS256","zip":"DEF"}"#,
        ] {
            assert_eq!(
                header(extended),
                Err(Refusal::ExtensionRefused),
                "{extended}"
            );
        }
    }

    #[test]
    fn only_registered_algorithms_in_their_own_case_are_known() {
        for unknown in [
            "none", "None", "NONE", "nOnE", "hs256", "HS256 ", "ES512", "ES256K", "Ed448",
            "ed25519", "",
        ] {
            let json = format!(r#"{{"alg":"{unknown}"}}"#);
            assert_eq!(header(&json).unwrap().alg, None, "{unknown:?}");
        }
        assert_eq!(
            header(r#"{"alg":"EdDSA"}"#).unwrap().alg,
            Some(Algorithm::EdDSA)
        );
        assert_eq!(
            header(r#"{"alg":"Ed25519"}"#).unwrap().alg,
            Some(Algorithm::EdDSA)
        );
        assert_eq!(
            header("{}"),
            Err(Refusal::TokenMalformed),
            "alg is required"
        );
        assert_eq!(header(r#"{"alg":null}"#), Err(Refusal::TokenMalformed));
        assert_eq!(header(r#"{"alg":["HS256"]}"#), Err(Refusal::TokenMalformed));
    }

    #[test]
    fn types_match_without_their_prefix_and_in_any_case() {
        let typed = |typ: &str| {
            let json = format!(r#"{{"alg":"HS256","typ":"{typ}"}}"#);
            header(&json).unwrap().is_type("at+jwt")
        };
        assert!(typed("at+jwt") && typed("application/at+jwt") && typed("AT+JWT"));
        assert!(!typed("JWT") && !typed("xat+jwt") && !typed("application/application/at+jwt"));
        assert!(!header(r#"{"alg":"HS256"}"#).unwrap().is_type("at+jwt"));
    }

    // RFC 7515, section 4.1.9.
    #[test]
    fn a_type_is_a_media_type_whose_application_may_be_left_out() {
        let is_type = |typ: &str| {
            let json = format!(r#"{{"alg":"ES256","typ":"{typ}"}}"#);
            header(&json).unwrap().is_type("at+jwt")
        };
        for typ in [
            "at+jwt",
            "AT+JWT",
            "application/at+jwt",
            "Application/At+Jwt",
        ] {
            assert!(is_type(typ), "{typ}");
        }
        for typ in [
            "jwt",
            "",
            "applikation/at+jwt",
            "application+at+jwt",
            "text/at+jwt",
            "application/",
        ] {
            assert!(!is_type(typ), "{typ}");
        }
    }

    #[test]
    fn a_kid_over_256_bytes_is_refused() {
        let with_kid = |length: usize| {
            let json = format!(r#"{{"alg":"HS256","kid":"{}"}}"#, "k".repeat(length));
            header(&json).map(|header| header.kid.map(|kid| kid.0.len()))
        };
        assert_eq!(with_kid(256), Ok(Some(256)));
        assert_eq!(with_kid(257), Err(Refusal::TokenMalformed));
    }

    #[cfg(feature = "introspection")]
    #[test]
    fn a_token_with_two_dots_is_compact_and_an_opaque_one_is_not() {
        for (token, compact) in [
            ("header.payload.signature", true),
            ("..", true),
            ("", false),
            ("opaque", false),
            ("ab", false),
            ("a.b", false),
            // Five segments are an encrypted token (RFC 7516, section 7.1).
            ("a.b.c.d.e", false),
        ] {
            assert_eq!(is_compact(token.as_bytes()), compact, "{token}");
        }
    }
}
