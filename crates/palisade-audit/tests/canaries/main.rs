//! Secrets in every place of a record and in every encoding, which no format may show.

mod secrets;
mod sent;
#[path = "../support/mod.rs"]
mod support;

use crate::secrets::{any_encoding, any_secret, plain};
use crate::sent::Sent;
use http::HeaderValue;
use http::header::{HOST, USER_AGENT};
use palisade_audit::Record;
use palisade_core::EventKind;
use proptest::prelude::*;
use serde_json::{Value, json};

#[test]
fn no_place_encoding_or_format_shows_a_secret() {
    let cases = if std::env::var_os("PALISADE_FULL").is_some() {
        2_000
    } else {
        200
    };
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(secret in any_secret(), encoding in any_encoding())| {
        let sent = Sent::open();
        let text = encoding.write(&secret.text);
        sent.request(&text);
        sent.record(&text);
        let lines = sent.lines();
        // Two requests with their events, three records, and what the trail says of itself, in three formats.
        prop_assert!(lines.len() >= 3 * 7, "{}", lines.len());
        for line in lines {
            serde_json::from_str::<Value>(&line).unwrap();
            prop_assert!(!plain(&line).contains(&secret.canary), "{text}\n{line}");
        }
    });
    println!("{cases} cases, each in every place and format: no canary got through");
}

#[test]
fn the_number_of_a_card_is_known_among_details() {
    let mut trail = support::Trail::new();
    trail.audit.record(
        Record::new(EventKind::AdminAction)
            .detail("payment", 4_111_111_111_111_111_u64)
            .detail("list", json!([4_111_111_111_111_111.0, 1_795_190_400_250_u64, { "deep": 378_282_246_310_005_u64 }])),
    );
    assert_eq!(
        trail.record()["details"],
        json!({ "payment": "[redacted]", "list": ["[redacted]", 1_795_190_400_250_u64, { "deep": "[redacted]" }] })
    );
}

#[tokio::test]
async fn a_long_text_is_marked_where_it_was_cut_and_no_part_of_a_token_is_left() {
    for (token, left) in [
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "ghp"),
        ("4111 1111 1111 1111", "4111"),
        ("https://user:pa/ssword@db.example", "pa/"),
        ("eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..48V1", "eyJ"),
    ] {
        // So that the limit, 4,096 bytes, lies at each byte of the token.
        for inside in 1..token.len() {
            let value =
                format!("{}{token} end", " z".repeat(2_500))[5_000 - (4_096 - inside)..].to_owned();
            let mut trail = support::Trail::new();
            let mut request = support::get("/");
            request.headers_mut().insert(
                USER_AGENT,
                HeaderValue::from_str(&format!("a{}", &value[1..])).unwrap(),
            );
            support::fetch(trail.service(support::answers(support::hello())), request).await;
            let record = trail.record();
            let agent = record["user_agent"].as_str().unwrap();
            let (kept, mark) = agent.rsplit_once('[').unwrap();
            assert!(
                !kept.contains(left),
                "{inside} of {token}: {}",
                &kept[3_000..]
            );
            let expected = format!("cut: {} of {} bytes]", kept.len(), value.len());
            // The password that was masked is shorter than it was.
            assert!(mark == expected || token.starts_with("https"), "{mark}");
        }
    }
}

#[tokio::test]
async fn user_info_before_a_host_is_not_kept() {
    let mut trail = support::Trail::new();
    let service = trail.service(support::answers(support::hello()));
    let mut request = support::get("/");
    request
        .headers_mut()
        .insert(HOST, HeaderValue::from_static("ada:pw@api.example:8443"));
    support::fetch(service, request).await;
    assert_eq!(trail.record()["host"], "api.example:8443");
}

#[test]
fn ordinary_texts_stay_in_every_place() {
    for text in [
        "room 7, seats 12-16, 2026-11-29 16:00",
        "550e8400-e29b-41d4-a716-446655440000",
        "01J9ZQ5Y7V3W8X2K4M6N8P0R1T",
        "order 2026112016000012 of 1795190400250",
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "+41 44 668 18 00",
        "https://example.org:8443/rooms/7?page=2&sort=name#top",
        "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
        "basic training, bearer bonds, token of thanks",
        r#"{"room":7,"name":"Quiet room","seats":[1,2,3]}"#,
        "C:\\rooms\\new\\table.txt at 100% of 7%",
        "a=b&c=d; e = f",
        "it's a 'quoted' word: yes",
        "expected = 5, found == 6 => error",
        "47.3769 8.5417 52.520006599999996",
        "192.168.100.200:54321 and 2001:db8::1",
        "1.2.3-4 v4.local and hf_ or sk-",
    ] {
        let mut trail = support::Trail::new();
        trail.audit.record(
            Record::new(EventKind::AdminAction)
                .actor(text)
                .resource(text)
                .detail("note", text),
        );
        let record = trail.record();
        for value in [
            &record["actor"],
            &record["resource"],
            &record["details"]["note"],
        ] {
            assert_eq!(value, text);
        }
    }
}
