//! `crypto/*`, beside ring alone and beside what a service without us writes by hand.

use std::error::Error;

use crate::goal::Goal;
use crate::harness::{Mode, Outcome, Side, compare};
use crate::measure::Measure;
use crate::peers_by_hand::ByHand;
use crate::versions::version;

pub(crate) const MEASURES: &[Measure] = &[
    Measure {
        name: "crypto/seal-64",
        what: "64 bytes sealed, nonce and text form included (ring alone: neither)",
        goals: &[Goal::AtMost(450.0)],
        run: seal,
    },
    Measure {
        name: "crypto/open-64",
        what: "64 bytes opened, from the text form (ring alone: from bytes)",
        goals: &[Goal::AtMost(400.0)],
        run: open,
    },
    Measure {
        name: "crypto/body-1k",
        what: "three fields of a JSON body of 1 KiB sealed (by hand: parse, seal with ring, write)",
        goals: &[Goal::RatioAtMost(0.3)],
        run: body,
    },
];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A text of 64 bytes.
pub(crate) const TEXT: &str = "ada.lovelace+analytical.engine@department-of-numbers.example.org";

/// The fields that are sealed in a body.
pub(crate) const FIELDS: [&str; 3] = ["email", "phone", "credit_card"];

/// A booking of 1,024 bytes.
pub(crate) fn booking() -> String {
    let mut text = String::from(
        "{\"id\":\"b-20261120-0007\",\"room\":\"north-2\",\"start\":\"2026-11-20T16:00:00Z\",\
         \"email\":\"ada.lovelace@numbers.example.org\",\"guests\":[{\"name\":\"Charles\",\"age\":57},{\"name\":\"Mary\",\"age\":71}],\
         \"phone\":\"+44 20 7946 0321\",\"price\":{\"currency\":\"GBP\",\"amount\":184.50},\"credit_card\":\"4111 1111 1111 1111\",\
         \"note\":\"",
    );
    while text.len() < 1_022 {
        text.push_str("tea at four ");
        text.truncate(1_022);
    }
    text.push_str("\"}");
    text
}

fn ring_alone() -> String {
    format!("{} alone", version("ring"))
}

fn seal(mode: Mode) -> Result<Outcome> {
    let ring = ByHand::new()?;
    let theirs = Side::new(move || ring.seal_bytes(TEXT.as_bytes()));
    Ok(compare(mode, None, vec![(ring_alone(), theirs)]))
}

fn open(mode: Mode) -> Result<Outcome> {
    let ring = ByHand::new()?;
    let sealed = ring
        .seal_bytes(TEXT.as_bytes())
        .ok_or("ring did not seal")?;
    ring.open_bytes(&sealed).ok_or("ring did not open")?;
    let theirs = Side::new(move || ring.open_bytes(&sealed));
    Ok(compare(mode, None, vec![(ring_alone(), theirs)]))
}

fn body(mode: Mode) -> Result<Outcome> {
    let ring = ByHand::new()?;
    let body = booking();
    ring.seal_fields(body.as_bytes(), &FIELDS)
        .ok_or("the body was not sealed by hand")?;
    let theirs = Side::new(move || ring.seal_fields(body.as_bytes(), &FIELDS));
    let name = format!("{} by hand with {}", version("serde_json"), version("ring"));
    Ok(compare(mode, None, vec![(name, theirs)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_what_the_names_say() {
        assert_eq!(TEXT.len(), 64);
        assert_eq!(booking().len(), 1_024);
        let parsed: serde_json::Value = serde_json::from_str(&booking()).unwrap();
        assert!(FIELDS.iter().all(|field| parsed[field].is_string()));
    }
}
