//! Secrets in every place of a record and in every encoding, which no format may show.

mod support;

use std::convert::Infallible;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use palisade_audit::{
    Audit, AuditLayer, CapturedBody, Class, Format, Guard, Level, MemorySink, Policy, Record, any,
};
use palisade_core::{EventKind, Name, Principal, RequestScope, SecurityEvent};
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};

/// A secret as it is sent, and what of it must not be seen.
#[derive(Debug, Clone)]
struct Secret {
    text: String,
    canary: String,
}

fn secret(text: String, canary: &str) -> Secret {
    Secret {
        text,
        canary: plain(canary),
    }
}

/// Letters and digits alone, after every layer of encoding was undone.
fn plain(text: &str) -> String {
    let mut text = text.to_owned();
    loop {
        let next = undone(&text);
        if next == text {
            return text.chars().filter(char::is_ascii_alphanumeric).collect();
        }
        text = next;
    }
}

/// Undoes `%xx` and `\u00xx`, and takes other backslashes away.
fn undone(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let code = |prefix: &str, digits: usize| {
            let digits = rest.strip_prefix(prefix)?.get(..digits)?;
            let code = u32::from_str_radix(digits, 16).ok()?;
            Some((char::from_u32(code)?, prefix.len() + digits.len()))
        };
        let (found, used) = code("%", 2)
            .or(code("\\u", 4))
            .unwrap_or((first, first.len_utf8()));
        if found != '\\' || used > 1 {
            out.push(found);
        }
        rest = &rest[used..];
    }
    out
}

fn any_secret() -> impl Strategy<Value = Secret> {
    let word = || "[a-zA-Z][a-zA-Z0-9]{38}[0-9]";
    prop_oneof![
        (
            prop::sample::select(vec![
                "sk_test_", "whsec_", "xapp-1-", "GOCSPX-", "ya29.", "hvs.", "sk-proj-", "hf_",
                "pypi-", "dop_v1_", "shpat_", "ghp_", "glpat-", "npm_",
            ]),
            word()
        )
            .prop_map(|(mark, word)| secret(format!("{mark}{word}"), &word)),
        word().prop_map(|word| secret(format!("Bearer {word}"), &word)),
        word().prop_map(|word| secret(format!("bearer\t  {word}"), &word)),
        word().prop_map(|word| {
            let credential = STANDARD.encode(format!("user:{word}"));
            secret(format!("Basic {credential}"), &credential)
        }),
        (word(), prop::bool::ANY).prop_map(|(word, is_encrypted)| {
            let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"dir","enc":"A128GCM"}"#);
            let between = if is_encrypted { ".." } else { "." };
            secret(format!("{header}{between}{word}.{word}"), &word)
        }),
        (word(), prop::sample::select(vec!["", "/", "?", "#", "@"])).prop_map(|(word, raw)| {
            secret(format!("https://user:{raw}{word}@db.example/x"), &word)
        }),
        (
            prop::sample::select(vec![
                "4111111111111111",
                "5555555555554444",
                "6011111111111117"
            ]),
            prop::sample::select(vec!["", " ", "-"]),
            prop::sample::select(vec!["", " 12/26", " 123", " 4242424242424242"]),
        )
            .prop_map(|(digits, gap, behind)| {
                let groups: Vec<_> = (0..4).map(|nth| &digits[nth * 4..nth * 4 + 4]).collect();
                secret(format!("{}{behind}", groups.join(gap)), digits)
            }),
        (
            prop::sample::select(vec![
                "password",
                "session",
                "csrfmiddlewaretoken",
                "connect.sid",
                "code_verifier",
                "api_key",
            ]),
            word(),
            0..4_u8
        )
            .prop_map(|(name, word, how)| {
                let text = match how {
                    0 => format!("{name}={word}"),
                    1 => format!("https://app.example/cb?x=1&{name}={word}&y=2"),
                    2 => json!({ name: word, "room": 7 }).to_string(),
                    _ => json!({ "a": [{ name: [word] }] }).to_string(),
                };
                secret(text, &word)
            }),
    ]
}

/// The way in which a secret is written.
#[derive(Debug, Clone, Copy)]
enum Encoding {
    Plain,
    Percent,
    PercentTwice,
    JsonEscapes,
    JsonInJson,
}

fn any_encoding() -> impl Strategy<Value = Encoding> {
    prop::sample::select(vec![
        Encoding::Plain,
        Encoding::Percent,
        Encoding::PercentTwice,
        Encoding::JsonEscapes,
        Encoding::JsonInJson,
    ])
}

fn percent(text: &str, all: bool) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' if !all => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

impl Encoding {
    fn write(self, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Percent => percent(text, true),
            Self::PercentTwice => percent(&percent(text, false), false),
            Self::JsonEscapes => {
                let escapes = text
                    .bytes()
                    .map(|byte| format!("\\u{:04x}", u32::from(byte)));
                escapes.collect()
            }
            Self::JsonInJson => {
                let inner = json!({ "note": text }).to_string();
                json!({ "outer": inner }).to_string()
            }
        }
    }
}

struct Sent {
    service: tokio::runtime::Runtime,
    audit: Audit,
    _guard: Guard,
    memories: Vec<MemorySink>,
}

impl Sent {
    fn open() -> Self {
        let formats = [Format::Native, Format::Ecs, Format::Ocsf];
        let memories = formats
            .map(|format| MemorySink::new().format(format))
            .to_vec();
        let policy = Policy::first_match().rule(any(), Level::RequestResponse);
        let mut builder = Audit::builder("bookings")
            .policy(policy)
            .headers(["x-note"]);
        for memory in &memories {
            builder = builder.sink(memory.clone());
        }
        let (audit, guard) = builder.open().unwrap();
        Self {
            service: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
            audit,
            _guard: guard,
            memories,
        }
    }

    /// A request that has the text everywhere.
    fn request(&self, text: &str) {
        let response_body = json!({ "note": text, text: 1 }).to_string();
        let principal = text.to_owned();
        let inner = service_fn(move |request: Request<CapturedBody<Full<Bytes>>>| {
            let (body, text) = (response_body.clone(), principal.clone());
            async move {
                let scope = RequestScope::current(request.extensions()).unwrap();
                let principal = Principal::user(&text, &text).tenant(&text);
                scope.push_principal(principal.into());
                let event = SecurityEvent::new(EventKind::LoginFailure);
                scope.record(event.subject(&text).detail(text));
                request.into_body().collect().await.unwrap();
                let response = Response::builder().header("content-type", "application/json");
                Ok::<_, Infallible>(response.body(Full::new(Bytes::from(body))).unwrap())
            }
        });
        let layer = AuditLayer::new(self.audit.clone()).request_body(|body| body);
        let service = layer.layer(inner);
        let in_uri = percent(text, false);
        let in_header = HeaderValue::from_str(text).unwrap();
        for (kind, body) in [
            (
                "application/json",
                json!([text, { text: 1 }, { "deep": { "note": text } }]).to_string(),
            ),
            (
                "application/x-www-form-urlencoded",
                format!("note={in_uri}&{in_uri}=1&n={}", text.replace('&', "%26")),
            ),
        ] {
            let request = Request::post(format!("/rooms/{in_uri}?note={in_uri}&{in_uri}"))
                .header("content-type", kind)
                .header(USER_AGENT, in_header.clone())
                .header("x-note", in_header.clone())
                .header(HOST, in_header.clone())
                .body(Full::new(Bytes::from(body)))
                .unwrap();
            let service = service.clone();
            self.service.block_on(async move {
                let response = service.oneshot(request).await.unwrap();
                response.into_body().collect().await.unwrap();
            });
        }
    }

    /// A record of the application that has the text everywhere.
    fn record(&self, text: &str) {
        let name = Name::new("room_sold");
        for record in [
            Record::new(EventKind::AdminAction),
            Record::new(EventKind::LoginFailure),
            Record::named(name, Class::Data),
        ] {
            self.audit.record(
                record
                    .actor(text)
                    .action(text.to_owned())
                    .resource(text.to_owned())
                    .reason(text.to_owned())
                    .detail("note", text)
                    .detail(text.to_owned(), 1)
                    .detail("deep", json!({ "list": [text, { text: [text] }] })),
            );
        }
    }

    fn lines(&self) -> Vec<String> {
        self.service.block_on(async {
            self.audit.flush().await.unwrap();
            // The sinks behind the first have threads of their own.
            let first = || self.memories[0].lines().len();
            support::until(|| {
                self.memories
                    .iter()
                    .all(|memory| memory.lines().len() >= first())
            })
            .await;
        });
        self.memories.iter().flat_map(MemorySink::lines).collect()
    }
}

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
