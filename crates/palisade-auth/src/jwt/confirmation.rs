use std::fmt;

use palisade_core::ClientCertificate;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::json::{Names, Text, TextOrOther, Unique};
use super::parse::{decode, encode};
use crate::Refusal;
use crate::digest::Digest;

const KEY: &str = "jkt";
const CERTIFICATE: &str = "x5t#S256";

/// The key that a token is bound to (`cnf`; RFC 7800): whoever presents the token must prove to have it.
///
/// [`Dpop::confirm`](crate::Dpop::confirm) makes one of a DPoP proof, [`certificate`](Self::certificate) of a client's
/// certificate; [`TokenIssuer::issue_bound`](crate::TokenIssuer::issue_bound) writes it into a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// The thumbprint of a public key (RFC 9449, section 6.1).
    key: Option<Digest>,
    /// The thumbprint of a certificate (RFC 8705, section 3.1).
    certificate: Option<Digest>,
    /// Whether it asks for something that cannot be proved here.
    other: bool,
}

/// The keys that the sender of a request has proved to have.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Possession {
    /// The key of the DPoP proof; `None` unless the token came with the scheme `DPoP`.
    pub(crate) key: Option<Digest>,
    pub(crate) certificate: Option<Digest>,
}

impl Confirmation {
    /// Asks for the certificate that the client presented in its TLS handshake (RFC 8705, section 3).
    #[must_use]
    pub const fn certificate(certificate: &ClientCertificate) -> Self {
        Self {
            key: None,
            certificate: Some(certificate.thumbprint()),
            other: false,
        }
    }

    pub(crate) const fn of_key(thumbprint: Digest) -> Self {
        Self {
            key: Some(thumbprint),
            certificate: None,
            other: false,
        }
    }

    pub(crate) fn to_claim(&self) -> Value {
        let members = [(KEY, self.key), (CERTIFICATE, self.certificate)];
        let members = members.into_iter();
        let given = members.filter_map(|(name, thumbprint)| {
            Some((name.to_owned(), Value::from(encode(thumbprint?))))
        });
        Value::Object(given.collect::<Map<_, _>>())
    }

    /// The keys that it asks for, as text that is the same for the same keys; `None` for what nobody can prove here.
    pub(crate) fn name(&self) -> Option<String> {
        let asks = self.key.is_some() || self.certificate.is_some();
        (asks && !self.other).then(|| self.to_claim().to_string())
    }

    /// Asks for what nobody can prove here.
    const fn unknown() -> Self {
        Self {
            key: None,
            certificate: None,
            other: true,
        }
    }

    fn is_met_by(&self, shown: &Possession) -> bool {
        let certified = self.certificate.is_none() || self.certificate == shown.certificate;
        !self.other && self.key == shown.key && certified
    }
}

impl Possession {
    /// Whether a token that is bound to this may be presented so. With the scheme `DPoP` it must be bound to the key of the
    /// proof (RFC 9449, section 7.1), and without to none (section 7.2).
    #[inline]
    pub(crate) fn check(&self, bound_to: Option<&Confirmation>) -> Result<(), Refusal> {
        let fits = match bound_to {
            None => self.key.is_none(),
            Some(confirmation) => confirmation.is_met_by(self),
        };
        match fits {
            true => Ok(()),
            false => Err(Refusal::SenderConstrained),
        }
    }
}

/// A thumbprint, if the text is one.
fn thumbprint(text: &TextOrOther<'_>) -> Option<Digest> {
    decode(text.text()?.as_bytes()).ok()?.try_into().ok()
}

struct ConfirmationVisitor;

impl<'de> Visitor<'de> for ConfirmationVisitor {
    type Value = Confirmation;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a confirmation")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Confirmation, A::Error> {
        let (mut key, mut certificate, mut other) = (None, None, false);
        let mut names = Names::default();
        while let Some(name) = members.next_key::<Text<'de>>()? {
            let found = match &*name.0 {
                KEY => &mut key,
                CERTIFICATE => &mut certificate,
                _ => {
                    other = true;
                    members.next_value_seed(Unique)?;
                    names.push(name);
                    continue;
                }
            };
            *found = thumbprint(&members.next_value()?);
            other |= found.is_none();
            names.push(name);
        }
        if !names.all_differ() {
            return Err(serde::de::Error::custom("a member is named twice"));
        }
        Ok(Confirmation {
            key,
            certificate,
            other: other || (key.is_none() && certificate.is_none()),
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Confirmation, A::Error> {
        Unique.visit_seq(items).map(|()| Confirmation::unknown())
    }

    fn visit_str<E>(self, _: &str) -> Result<Confirmation, E> {
        Ok(Confirmation::unknown())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Confirmation, E> {
        Ok(Confirmation::unknown())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Confirmation, E> {
        Ok(Confirmation::unknown())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Confirmation, E> {
        Ok(Confirmation::unknown())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Confirmation, E> {
        Ok(Confirmation::unknown())
    }

    fn visit_unit<E>(self) -> Result<Confirmation, E> {
        Ok(Confirmation::unknown())
    }
}

impl<'de> Deserialize<'de> for Confirmation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ConfirmationVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 32 bytes of 0 and of 4 (`B` stands for 000001, so `BAQE...` for bytes of 4).
    const ZEROS: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const FOURS: &str = "BAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ";

    fn read(json: &str) -> Confirmation {
        serde_json::from_str(json).unwrap()
    }

    fn passes(json: &str, key: Option<u8>, certificate: Option<u8>) -> bool {
        let shown = Possession {
            key: key.map(|byte| [byte; 32]),
            certificate: certificate.map(|byte| [byte; 32]),
        };
        shown.check(Some(&read(json))).is_ok()
    }

    #[test]
    fn a_token_passes_with_the_keys_that_it_is_bound_to_alone() {
        let key = format!(r#"{{"jkt":"{ZEROS}"}}"#);
        assert!(passes(&key, Some(0), None) && passes(&key, Some(0), Some(9)));
        assert!(!passes(&key, None, None) && !passes(&key, Some(4), None));
        assert!(!passes(&key, None, Some(0)), "a certificate is another key");
        let certificate = format!(r#"{{"x5t#S256":"{FOURS}"}}"#);
        assert!(passes(&certificate, None, Some(4)));
        assert!(!passes(&certificate, None, None) && !passes(&certificate, None, Some(0)));
        assert!(
            !passes(&certificate, Some(4), Some(4)),
            "it is no DPoP token"
        );
        let both = format!(r#"{{"jkt":"{ZEROS}","x5t#S256":"{FOURS}"}}"#);
        assert!(passes(&both, Some(0), Some(4)));
        assert!(!passes(&both, Some(0), None) && !passes(&both, None, Some(4)));
    }

    #[test]
    fn what_cannot_be_proved_here_is_proved_by_nobody() {
        let known = format!(r#""jkt":"{ZEROS}""#);
        for other in [
            "null",
            "7",
            "true",
            "[]",
            "\"jkt\"",
            "{}",
            r#"{"jkt":null}"#,
            r#"{"jkt":""}"#,
            r#"{"jkt":"AAAA"}"#,
            &format!(r#"{{"jkt":"{ZEROS}="}}"#),
            &format!(r#"{{{known},"kid":"a"}}"#),
            &format!(r#"{{{known},"jwk":{{}}}}"#),
            &format!(r#"{{{known},"x5t#S256":7}}"#),
        ] {
            for key in [None, Some(0)] {
                assert!(!passes(other, key, None), "{other} {key:?}");
            }
        }
        let twice = format!("{{{known},{known}}}");
        assert!(serde_json::from_str::<Confirmation>(&twice).is_err());
    }

    #[test]
    fn a_token_that_is_bound_to_nothing_is_no_dpop_token() {
        let bearer = Possession::default();
        assert_eq!(bearer.check(None), Ok(()));
        let dpop = Possession {
            key: Some([0; 32]),
            certificate: None,
        };
        assert_eq!(dpop.check(None), Err(Refusal::SenderConstrained));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let bound = Confirmation::of_key([4; 32]);
        assert_eq!(
            bound.to_claim().to_string(),
            format!(r#"{{"jkt":"{FOURS}"}}"#)
        );
        assert_eq!(read(&bound.to_claim().to_string()), bound);
        let certificate = ClientCertificate::from_der(b"abc");
        let bound = Confirmation::certificate(&certificate);
        assert_eq!(read(&bound.to_claim().to_string()), bound);
    }

    #[test]
    fn only_what_can_be_proved_here_has_a_name() {
        let key = format!(r#"{{"jkt":"{ZEROS}"}}"#);
        let certificate = format!(r#"{{"x5t#S256":"{FOURS}"}}"#);
        let both = format!(r#"{{"jkt":"{ZEROS}","x5t#S256":"{FOURS}"}}"#);
        for known in [&key, &certificate, &both] {
            assert_eq!(read(known).name().as_ref(), Some(known));
        }
        let more = format!(r#"{{"jkt":"{ZEROS}","kid":"a"}}"#);
        for unknown in ["null", "{}", r#"{"kid":"a"}"#, &more] {
            assert_eq!(read(unknown).name(), None, "{unknown}");
        }
    }

    #[test]
    fn a_value_that_json_does_not_have_is_no_confirmation() {
        use serde::de::value::{BytesDeserializer, Error};

        let read = Confirmation::deserialize(BytesDeserializer::<Error>::new(b"key"));
        assert_eq!(
            read.unwrap_err().to_string(),
            "invalid type: byte array, expected a confirmation"
        );
    }
}
