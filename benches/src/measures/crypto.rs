//! `crypto/*`, beside ring alone and beside what a service without us writes by hand.

use std::convert::Infallible;
use std::error::Error;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use tower_layer::Layer;
use tower_service::Service;

use crate::goal::Goal;
use palisade_crypto::{
    Context, FieldCipher, FieldCryptoLayer, Fields, Key, KeyId, Keyring, Reencrypted,
};

use crate::exchange::{Template, expect, finish};
use crate::harness::{Mode, Outcome, Side, compare};
use crate::measure::Measure;
use crate::peers_by_hand::ByHand;
use crate::throughput::{Worker, throughput};
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
    Measure {
        name: "crypto/reencrypt",
        what: "64 bytes opened under an old key and sealed under the new one",
        goals: &[Goal::AtLeast(200_000.0)],
        run: reencrypt,
    },
    Measure {
        name: "crypto/pass-through",
        what: "a body of another content type through the layer",
        goals: &[Goal::AtMost(100.0)],
        run: pass_through,
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
    let cipher = cipher()?;
    let ours = Side::new(move || cipher.encrypt_str(black_box(TEXT), &EMAIL));
    Ok(compare(mode, Some(ours), vec![(ring_alone(), theirs)]))
}

fn open(mode: Mode) -> Result<Outcome> {
    let ring = ByHand::new()?;
    let sealed = ring
        .seal_bytes(TEXT.as_bytes())
        .ok_or("ring did not seal")?;
    ring.open_bytes(&sealed).ok_or("ring did not open")?;
    let theirs = Side::new(move || ring.open_bytes(&sealed));
    let cipher = cipher()?;
    let own_sealed = cipher.encrypt_str(TEXT, &EMAIL)?;
    cipher.decrypt_str(&own_sealed, &EMAIL)?;
    let ours = Side::new(move || cipher.decrypt_str(black_box(&own_sealed), &EMAIL));
    Ok(compare(mode, Some(ours), vec![(ring_alone(), theirs)]))
}

fn body(mode: Mode) -> Result<Outcome> {
    let ring = ByHand::new()?;
    let body = booking();
    ring.seal_fields(body.as_bytes(), &FIELDS)
        .ok_or("the body was not sealed by hand")?;
    let own_body = Bytes::from(body.clone());
    let theirs = Side::new(move || ring.seal_fields(body.as_bytes(), &FIELDS));
    let name = format!("{} by hand with {}", version("serde_json"), version("ring"));
    let json = Answers {
        content_type: "application/json",
        body: own_body,
    };
    let ours = sealing(&json)?;
    Ok(compare(mode, Some(ours), vec![(name, theirs)]))
}

/// A cipher with a key of its own.
fn cipher() -> Result<FieldCipher> {
    Ok(FieldCipher::new(Keyring::single(Key::generate()?)?))
}

const EMAIL: Context<'_> = Context::new("users").path("/email").tenant("t1");

/// A service that answers with a body that is known in full.
#[derive(Debug, Clone)]
struct Answers {
    content_type: &'static str,
    body: Bytes,
}

impl Service<Request<Full<Bytes>>> for Answers {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<std::result::Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<std::result::Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
        let mut response = Response::new(Full::new(self.body.clone()));
        let content_type = HeaderValue::from_static(self.content_type);
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, content_type);
        ready(Ok(response))
    }
}

/// The layer around such a service, less the service, with the body read to its end.
fn sealing(answers: &Answers) -> Result<Side> {
    let layer = FieldCryptoLayer::new(cipher()?)
        .record_type("bookings")
        .encrypt_response(Fields::paths(FIELDS.map(|field| format!("/{field}"))))
        .leak();
    let service = layer.layer(answers.clone());
    let bare = answers.clone();
    let template = Template::get();
    expect(&service, template.request(), StatusCode::OK)?;
    let bare_template = template.clone();
    Ok(Side::new(move || finish(&service, template.request()))
        .over(move || finish(&bare, bare_template.request())))
}

fn reencrypt(mode: Mode) -> Result<Outcome> {
    const VALUES: u32 = 4_000;
    let (old, new) = (KeyId(1), KeyId(2));
    let old_key = Key::generate()?;
    let before = Keyring::builder().primary(old, old_key.clone()).build()?;
    let after = Keyring::builder()
        .primary(new, Key::generate()?)
        .decrypt_only(old, old_key)
        .build()?;
    let sealed = FieldCipher::new(before).encrypt_str(TEXT, &EMAIL)?;
    let cipher = FieldCipher::new(after);
    throughput(mode, "values/s", Worker::Here, || {
        for _ in 0..VALUES {
            if !matches!(
                cipher.reencrypt(black_box(&sealed), &EMAIL)?,
                Reencrypted::Rotated(_)
            ) {
                return Err("the value did not get the new key".into());
            }
        }
        Ok(f64::from(VALUES))
    })
}

fn pass_through(mode: Mode) -> Result<Outcome> {
    let text = Answers {
        content_type: "text/html",
        body: Bytes::from(booking()),
    };
    Ok(compare(mode, Some(sealing(&text)?), Vec::new()))
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
