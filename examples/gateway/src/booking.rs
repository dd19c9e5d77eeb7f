//! A booking, and what a valid one is.

use jiff::Timestamp;
use palisade_core::{Code, Rejection};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A booking as a client sends it, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewBooking {
    pub(crate) room: String,
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    pub(crate) email: String,
    pub(crate) phone: String,
    pub(crate) credit_card: String,
}

/// A booking as its owner sees it. In the database the last three fields are sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Booking {
    pub(crate) id: String,
    pub(crate) owner: String,
    pub(crate) room: String,
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    pub(crate) email: String,
    pub(crate) phone: String,
    pub(crate) credit_card: String,
}

impl NewBooking {
    /// Reads a booking from JSON.
    ///
    /// # Errors
    ///
    /// A rejection with `VALIDATION_ERROR` that lists every bad field, and never repeats what was sent.
    pub(crate) fn from_json(body: &[u8]) -> Result<Self, Rejection> {
        let body: Map<String, Value> = serde_json::from_slice(body).map_err(|_| {
            Rejection::new(Code::Validation).message("The body must be a JSON object")
        })?;
        let mut form = Form {
            body: &body,
            problems: Vec::new(),
        };
        let room = form.text(
            "room",
            |room| (1..=64).contains(&room.trim().len()),
            "must have 1 to 64 characters",
        );
        let start = form.time("start");
        let end = form.time("end");
        if let (Some(start), Some(end)) = (start, end)
            && end <= start
        {
            form.problems.push(("end", "must be later than start"));
        }
        let email = form.text("email", is_email, "must be an e-mail address");
        let phone = form.text(
            "phone",
            is_phone,
            "must be a phone number of 7 to 15 digits, as in +41 44 668 18 00",
        );
        let credit_card = form.text("credit_card", is_card, "must be a valid card number");
        form.refuse_unknown();

        let problems = form.problems;
        match (room, start, end, email, phone, credit_card) {
            (Some(room), Some(start), Some(end), Some(email), Some(phone), Some(credit_card))
                if problems.is_empty() =>
            {
                Ok(Self {
                    room,
                    start,
                    end,
                    email,
                    phone,
                    credit_card,
                })
            }
            _ => {
                let rejection =
                    Rejection::new(Code::Validation).message("Some fields are not valid");
                Err(problems
                    .into_iter()
                    .fold(rejection, |rejection, (field, reason)| {
                        rejection.detail(field, reason)
                    }))
            }
        }
    }
}

const FIELDS: [&str; 6] = ["room", "start", "end", "email", "phone", "credit_card"];

struct Form<'a> {
    body: &'a Map<String, Value>,
    problems: Vec<(&'static str, &'static str)>,
}

impl Form<'_> {
    fn text(
        &mut self,
        field: &'static str,
        valid: impl Fn(&str) -> bool,
        reason: &'static str,
    ) -> Option<String> {
        let problem = match self.body.get(field) {
            Some(Value::String(text)) if valid(text) => return Some(text.trim().to_owned()),
            Some(Value::String(_)) => reason,
            Some(_) => "must be a string",
            None => "is missing",
        };
        self.problems.push((field, problem));
        None
    }

    fn time(&mut self, field: &'static str) -> Option<Timestamp> {
        let text = self.text(
            field,
            |text| text.parse::<Timestamp>().is_ok(),
            "must be a time, as in 2026-11-20T16:00:00Z",
        );
        text?.parse().ok()
    }

    fn refuse_unknown(&mut self) {
        if self.body.keys().any(|key| !FIELDS.contains(&key.as_str())) {
            self.problems.push((
                "unknown",
                "only room, start, end, email, phone and credit_card are known",
            ));
        }
    }
}

fn is_email(text: &str) -> bool {
    let plain = text.len() <= 254
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"<>()[],;:\\\"".contains(&byte));
    let parts = text.split_once('@').is_some_and(|(local, domain)| {
        let labels = domain.split('.').all(|label| !label.is_empty());
        (1..=64).contains(&local.len()) && domain.contains('.') && labels && !domain.contains('@')
    });
    plain && parts
}

fn is_phone(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let known = text.trim().strip_prefix('+').unwrap_or(text.trim()).bytes();
    (7..=15).contains(&digits)
        && known
            .into_iter()
            .all(|byte| byte.is_ascii_digit() || b" -()/.".contains(&byte))
}

/// 12 to 19 digits, with spaces or hyphens between them, that pass the Luhn check (ISO/IEC 7812-1, annex B).
fn is_card(text: &str) -> bool {
    let mut digits = Vec::with_capacity(19);
    for byte in text.trim().bytes() {
        match byte {
            b'0'..=b'9' => digits.push(u32::from(byte - b'0')),
            b' ' | b'-' => {}
            _ => return false,
        }
    }
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            if place % 2 == 0 {
                *digit
            } else {
                digit * 2 / 10 + digit * 2 % 10
            }
        })
        .sum();
    (12..=19).contains(&digits.len()) && sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(body: &str) -> Vec<String> {
        let refusal = NewBooking::from_json(body.as_bytes()).unwrap_err();
        refusal
            .details()
            .map(|(field, _)| field.to_owned())
            .collect()
    }

    // 4111 1111 1111 1111 is the test number that card schemes publish.
    const GOOD: &str = r#"{"room":"Blue","start":"2026-12-01T09:00:00Z","end":"2026-12-01T10:00:00Z",
        "email":"a@example.com","phone":"+41 44 668 18 00","credit_card":"4111 1111 1111 1111"}"#;

    #[test]
    fn a_good_booking_is_read() {
        let booking = NewBooking::from_json(GOOD.as_bytes()).unwrap();
        assert_eq!(
            (booking.room.as_str(), booking.email.as_str()),
            ("Blue", "a@example.com")
        );
    }

    #[test]
    fn every_bad_field_is_listed() {
        assert_eq!(problems("{}"), FIELDS);
        let body = r#"{"room":"","start":"soon","end":7,"email":"a@b","phone":"x","credit_card":"4111111111111112"}"#;
        assert_eq!(problems(body), FIELDS);
        assert_eq!(problems(&GOOD.replace("10:00", "08:00")), ["end"]);
        assert_eq!(
            problems(&GOOD.replace("\"room\"", "\"is_admin\":true,\"room\"")),
            ["unknown"]
        );
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for body in ["", "[]", "null", "\"x\"", "{\"room\":", "\u{0}"] {
            assert!(problems(body).is_empty(), "{body:?} has no fields to list");
        }
    }
}
