//! Opaque tokens, about which a server of the test's own is asked.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{Clock, NOW, b64, clock, good_token, issuer, through, with_token};
use palisade_auth::revocation::MemoryRevocation;
use palisade_auth::{AuthLayer, Introspection, Issuer, JwtVerifier, Refusal};
use palisade_core::ClientCertificate;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// An introspection endpoint that answers what the test says.
#[derive(Clone)]
struct Idp {
    url: String,
    answer: Arc<Mutex<(u16, String)>>,
    /// Head and body of each request.
    asked: Arc<Mutex<Vec<(String, String)>>>,
    hangs: Arc<AtomicBool>,
}

impl Idp {
    async fn start(answer: &Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let idp = Self {
            url: format!("http://{}/introspect", listener.local_addr().unwrap()),
            answer: Arc::new(Mutex::new((200, answer.to_string()))),
            asked: Arc::default(),
            hangs: Arc::default(),
        };
        let this = idp.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(this.clone().serve(socket));
            }
        });
        idp
    }

    async fn serve(self, mut socket: TcpStream) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match socket.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.unwrap().parse().unwrap()];
        socket.read_exact(&mut body).await.unwrap();
        let body = String::from_utf8(body).unwrap();
        self.asked.lock().unwrap().push((head, body));
        if self.hangs.load(Ordering::Relaxed) {
            let _ = socket.read_u8().await;
            return;
        }
        let (status, body) = self.answer.lock().unwrap().clone();
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status} Said\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        let _ = socket.write_all(answer.as_bytes()).await;
    }

    fn says(&self, status: u16, answer: &str) {
        *self.answer.lock().unwrap() = (status, answer.to_owned());
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn tokens(&self, clock: &Clock) -> Introspection {
        let rules = Issuer::introspected("https://idp.example/").audience("api://bookings");
        Introspection::builder(rules, &self.url)
            .client("bookings", "s:cr et+é")
            .clock(clock.wall())
            .build()
            .unwrap()
    }
}

fn active() -> Value {
    json!({
        "active": true, "sub": "alice", "aud": "api://bookings", "iss": "https://idp.example/",
        "exp": NOW + 600, "iat": NOW, "scope": "read write", "client_id": "app", "token_type": "Bearer",
    })
}

fn with(changes: &Value) -> String {
    let mut answer = active();
    for (name, value) in changes.as_object().unwrap() {
        answer[name] = value.clone();
    }
    answer.to_string()
}

#[tokio::test]
async fn an_opaque_token_is_asked_about_as_rfc_7662_says() {
    let idp = Idp::start(&active()).await;
    let tokens = idp.tokens(&Clock::default());
    let principal = tokens
        .authenticate("2YotnFZFEjr1z/CsicMWpAA+=")
        .await
        .unwrap();
    let identity = (principal.issuer(), principal.subject());
    assert_eq!(identity, ("https://idp.example/", "alice"));
    assert!(principal.has_scope("read") && principal.has_scope("write"));
    assert_eq!(principal.expiry().unwrap().as_secs(), NOW + 600);
    let asked = idp.asked.lock().unwrap();
    let (head, body) = &asked[0];
    assert!(head.starts_with("post /introspect http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\ncontent-type: application/x-www-form-urlencoded\r\n"));
    // `bookings:s%3Acr%20et%2B%C3%A9` in base64, in small letters as the whole head.
    let basic = "Ym9va2luZ3M6cyUzQWNyJTIwZXQlMkIlQzMlQTk=".to_ascii_lowercase();
    assert!(
        head.contains(&format!("\r\nauthorization: basic {basic}\r\n")),
        "{head}"
    );
    let expected = "token=2YotnFZFEjr1z%2FCsicMWpAA%2B%3D&token_type_hint=access_token";
    assert_eq!(body, expected);
    assert!(!format!("{tokens:?}").contains("s:cr"));
}

#[tokio::test]
async fn an_answer_that_does_not_hold_is_refused_for_its_own_reason() {
    let idp = Idp::start(&active()).await;
    let tokens = idp.tokens(&Clock::default());
    for (number, (changes, refusal)) in [
        (json!({"active": false}), Refusal::UnknownToken),
        (json!({"aud": "api://other"}), Refusal::WrongAudience),
        (json!({"aud": null}), Refusal::ClaimsMalformed),
        (
            json!({"iss": "https://other.example/"}),
            Refusal::UnknownIssuer,
        ),
        (json!({"exp": NOW - 31}), Refusal::TokenExpired),
        (json!({"nbf": NOW + 31}), Refusal::NotYetValid),
        (json!({"sub": ""}), Refusal::SubjectMissing),
        (json!({"token_type": "refresh_token"}), Refusal::WrongType),
        (json!({"token_type": "DPoP"}), Refusal::SenderConstrained),
        (
            json!({"cnf": {"x5t#S256": "a"}}),
            Refusal::SenderConstrained,
        ),
        (json!({"active": "true"}), Refusal::StoreUnavailable),
        (json!({"active": null}), Refusal::StoreUnavailable),
    ]
    .into_iter()
    .enumerate()
    {
        idp.says(200, &with(&changes));
        let refused = tokens.authenticate(&format!("t-{number}")).await;
        assert_eq!(refused.err(), Some(refusal), "{changes}");
    }
    for (status, answer) in [
        (200, "{}"),
        (200, "active"),
        (401, "{}"),
        (302, ""),
        (500, ""),
    ] {
        idp.says(status, answer);
        let refused = tokens.authenticate("t").await;
        assert_eq!(
            refused.err(),
            Some(Refusal::StoreUnavailable),
            "{status} {answer}"
        );
    }
    // None of the last was kept.
    idp.says(200, &active().to_string());
    assert!(tokens.authenticate("t").await.is_ok());
}

#[tokio::test]
async fn an_answer_is_believed_for_ten_seconds_and_no_longer_than_its_token_lives() {
    let idp = Idp::start(&active()).await;
    let clock = Clock::default();
    let tokens = idp.tokens(&clock);
    assert!(tokens.authenticate("t-1").await.is_ok());
    idp.says(200, r#"{"active":false}"#);
    clock.pass(9);
    assert!(tokens.authenticate("t-1").await.is_ok());
    assert_eq!(idp.asked(), 1);
    clock.pass(1);
    let refused = tokens.authenticate("t-1").await;
    assert_eq!(refused.err(), Some(Refusal::UnknownToken));
    assert!(tokens.authenticate("t-1").await.is_err());
    assert_eq!(idp.asked(), 2, "what is not active is believed as well");

    idp.says(200, &with(&json!({"exp": NOW + 14})));
    assert!(tokens.authenticate("t-2").await.is_ok());
    clock.pass(4);
    idp.says(200, r#"{"active":false}"#);
    assert!(tokens.authenticate("t-2").await.is_err(), "expired by then");
}

#[tokio::test]
async fn json_web_tokens_are_verified_and_others_asked_about_and_revocation_counts_for_both() {
    let idp = Idp::start(&active()).await;
    let revoked = MemoryRevocation::with_clock(Duration::from_secs(900), clock());
    // A token of unknown age may be older than the mark, however late it is presented.
    let later = Clock::default();
    later.pass(5);
    let jwt = JwtVerifier::builder()
        .issuer(issuer().max_lifetime(Duration::from_secs(900)))
        .revocation(revoked.clone())
        .clock(later.wall())
        .build()
        .unwrap();
    let tokens = idp.tokens(&Clock::default());
    let layer = AuthLayer::new().bearer(jwt).introspection(tokens.clone());
    assert_eq!(through(&layer, with_token(&good_token())).await.status, 200);
    let forged = format!("{}.{}.{}", b64("{}"), b64("{}"), b64("x"));
    assert_eq!(through(&layer, with_token(&forged)).await.status, 401);
    assert_eq!(idp.asked(), 0);
    let answered = through(&layer, with_token("opaque-1")).await;
    assert_eq!(
        (answered.status, &*answered.body),
        (200, "user alice of https://idp.example/")
    );
    for (changes, token) in [(json!({}), "opaque-1"), (json!({"iss": null}), "opaque-2")] {
        let mut answer = active();
        if !changes.as_object().unwrap().is_empty() {
            answer.as_object_mut().unwrap().remove("iss");
            answer.as_object_mut().unwrap().remove("iat");
        }
        idp.says(200, &answer.to_string());
        assert_eq!(through(&layer, with_token(token)).await.status, 200);
    }
    revoked.revoke_subject("https://idp.example/", "alice");
    for token in ["opaque-1", "opaque-2"] {
        let answered = through(&layer, with_token(token)).await;
        assert_eq!(
            (answered.status, answered.reason()),
            (401, "token_revoked"),
            "{token}"
        );
    }
    let alone = AuthLayer::new().introspection(tokens);
    assert_eq!(
        through(&alone, with_token(&forged)).await.status,
        200,
        "any form"
    );
}

#[tokio::test]
async fn no_more_than_sixty_four_tokens_are_asked_about_at_once() {
    let idp = Idp::start(&active()).await;
    idp.hangs.store(true, Ordering::Relaxed);
    let tokens = idp.tokens(&Clock::default());
    let asking: Vec<_> = (0..64)
        .map(|number| {
            let tokens = tokens.clone();
            tokio::spawn(async move { tokens.authenticate(&format!("t-{number}")).await })
        })
        .collect();
    while idp.asked() < 64 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let refused = tokens.authenticate("one more").await;
    assert_eq!(refused.err(), Some(Refusal::StoreUnavailable));
    assert!(
        asking.iter().all(|one| !one.is_finished()),
        "refused at once"
    );
    for one in asking {
        one.abort();
        let _ = one.await;
    }
    idp.hangs.store(false, Ordering::Relaxed);
    assert!(tokens.authenticate("later").await.is_ok());
}

#[test]
fn settings_of_introspection_are_checked() {
    let rules = || Issuer::introspected("https://idp.example/").audience("api://bookings");
    let problems = |built: Result<Introspection, palisade_auth::AuthError>| {
        built
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    let bad = Introspection::builder(Issuer::introspected(""), "http://idp.example/introspect")
        .believed_for(Duration::from_secs(61));
    let said = problems(bad.build());
    for field in [
        "issuer.name",
        "issuer.audience",
        "url",
        "client",
        "believed_for",
    ] {
        assert!(said.contains(field), "{field}: {said}");
    }
    let good = Introspection::builder(rules(), "https://idp.example/introspect");
    assert_eq!(problems(good.client("a", "b").build()), "");
    // Its tokens are nothing that keys could verify.
    assert!(JwtVerifier::builder().issuer(rules()).build().is_err());
}

#[tokio::test]
async fn an_opaque_token_that_is_bound_passes_with_what_it_is_bound_to() {
    let certificate = ClientCertificate::from_der(b"a certificate");
    let cnf = json!({"cnf": {"x5t#S256": b64(certificate.thumbprint())}});
    let idp = Idp::start(&active()).await;
    idp.says(200, &with(&cnf));
    let layer = AuthLayer::new().introspection(idp.tokens(&Clock::default()));
    let layer = layer.mutual_tls();
    for asked in 1..=2 {
        // The second time by the answer that is still believed.
        let mut request = with_token("opaque");
        assert_eq!(
            through(&layer, request.clone()).await.reason(),
            "sender_constrained"
        );
        request.extensions_mut().insert(certificate);
        assert_eq!(through(&layer, request).await.status, 200, "{asked}");
    }
    assert_eq!(idp.asked(), 1);
}
