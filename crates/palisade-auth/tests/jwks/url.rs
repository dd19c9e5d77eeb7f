//! Keys that are fetched over HTTP, from servers of the test's own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::clock;
use palisade_auth::{
    Algorithm, Issuer, Jwks, JwtVerifier, Refusal, SigningKey, SigningKeys, TokenIssuer,
};
use palisade_core::Principal;
use palisade_core::time::now;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A path, and the tag that its request named.
type Asked = (String, Option<String>);

/// A server that answers with what the test puts there, and notes what it was asked.
#[derive(Clone)]
struct Idp {
    url: String,
    /// By path: the head of the answer and its body.
    pages: Arc<Mutex<HashMap<String, (String, String)>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    hangs: Arc<AtomicBool>,
}

impl Idp {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let idp = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            pages: Arc::default(),
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
        let head = String::from_utf8(head).unwrap();
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let tag = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("if-none-match")
                .then(|| value.to_owned())
        });
        self.asked.lock().unwrap().push((path.clone(), tag.clone()));
        if self.hangs.load(Ordering::Relaxed) {
            let _ = socket.read_u8().await;
            return;
        }
        let page = self.pages.lock().unwrap().get(&path).cloned();
        let (head, body) = page.unwrap_or_else(|| ("404 Not Found".to_owned(), String::new()));
        let unchanged = tag.is_some_and(|tag| head.contains(&format!("etag: {tag}")));
        let answer = match unchanged {
            true => "HTTP/1.1 304 Not Modified\r\nconnection: close\r\n\r\n".to_owned(),
            false => format!(
                "HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            ),
        };
        let _ = socket.write_all(answer.as_bytes()).await;
    }

    fn page(&self, path: &str, head: &str, body: impl Into<String>) {
        let page = (head.to_owned(), body.into());
        self.pages.lock().unwrap().insert(path.to_owned(), page);
    }

    /// A discovery document below the path of an issuer.
    fn discovery(&self, below: &str, issuer: &str, keys: &str) {
        let document = serde_json::json!({"issuer": issuer, "jwks_uri": keys});
        let path = format!("{below}/.well-known/openid-configuration");
        self.page(&path, "200 OK", document.to_string());
    }

    fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|(path, _)| path.clone()).collect()
    }
}

fn issuer_of_tokens(name: &str) -> TokenIssuer {
    let key = SigningKey::generate(Algorithm::EdDSA).unwrap();
    TokenIssuer::signed(name, SigningKeys::new(key))
        .audience("api")
        .clock(clock())
        .build()
        .unwrap()
}

fn token(tokens: &TokenIssuer) -> String {
    let principal = Principal::user("idp", "alice");
    tokens.issue(&principal).unwrap().as_str().to_owned()
}

fn verifier(issuer: Issuer) -> JwtVerifier {
    let issuer = issuer.algorithms([Algorithm::EdDSA]).audience("api");
    JwtVerifier::builder()
        .issuer(issuer)
        .clock(clock())
        .cache(0)
        .build()
        .unwrap()
}

#[tokio::test]
async fn an_issuer_is_discovered_and_its_tokens_verified() {
    for slash in ["", "/"] {
        let idp = Idp::start().await;
        let name = format!("{}/tenant{slash}", idp.url);
        let tokens = issuer_of_tokens(&name);
        idp.discovery("/tenant", &name, &format!("{}/keys", idp.url));
        idp.page("/keys", "200 OK", tokens.jwks());
        let jwt = verifier(Issuer::discover(&name).unwrap());
        for _ in 0..3 {
            let principal = jwt.authenticate(&token(&tokens)).await.unwrap();
            assert_eq!((principal.issuer(), principal.subject()), (&*name, "alice"));
        }
        let asked = idp.asked();
        assert_eq!(asked, ["/tenant/.well-known/openid-configuration", "/keys"]);
    }
}

#[tokio::test]
async fn a_discovery_document_of_another_issuer_or_with_keys_in_the_open_is_not_believed() {
    for (named, keys) in [
        ("{url}/", "{url}/keys"),
        ("https://other.example", "{url}/keys"),
        ("{url}", "http://keys.example/keys"),
        ("{url}", "ftp://127.0.0.1/keys"),
    ] {
        let idp = Idp::start().await;
        let tokens = issuer_of_tokens(&idp.url);
        let filled = |text: &str| text.replace("{url}", &idp.url);
        idp.discovery("", &filled(named), &filled(keys));
        idp.page("/keys", "200 OK", tokens.jwks());
        let jwt = verifier(Issuer::discover(&idp.url).unwrap());
        let refused = jwt.authenticate(&token(&tokens)).await;
        assert_eq!(
            refused.err(),
            Some(Refusal::StoreUnavailable),
            "{named} {keys}"
        );
        assert!(!idp.asked().contains(&"/keys".to_owned()), "{named} {keys}");
    }
}

#[tokio::test]
async fn keys_that_have_moved_are_looked_up_again() {
    let idp = Idp::start().await;
    let tokens = issuer_of_tokens(&idp.url);
    idp.discovery("", &idp.url, &format!("{}/old", idp.url));
    idp.page("/old", "200 OK", tokens.jwks());
    let jwks = Jwks::discover(&idp.url, None).unwrap();
    jwks.refresh().await.unwrap();
    let next = issuer_of_tokens(&idp.url);
    idp.page("/old", "410 Gone", "");
    idp.discovery("", &idp.url, &format!("{}/new", idp.url));
    idp.page("/new", "200 OK", next.jwks());
    jwks.refresh().await.unwrap();
    let jwt = verifier(Issuer::jwks(&idp.url, jwks));
    assert!(jwt.authenticate(&token(&next)).await.is_ok());
    assert_eq!(
        idp.asked()[2..],
        ["/old", "/.well-known/openid-configuration", "/new"]
    );
}

#[tokio::test]
async fn a_document_that_has_not_changed_is_not_sent_again() {
    let idp = Idp::start().await;
    let (first, second) = (issuer_of_tokens("idp"), issuer_of_tokens("idp"));
    let url = format!("{}/keys", idp.url);
    idp.page("/keys", "200 OK\r\netag: \"v1\"", first.jwks());
    let jwks = Jwks::download(&url, None).unwrap();
    let jwt = verifier(Issuer::jwks("idp", jwks.clone()));
    for _ in 0..2 {
        jwks.refresh().await.unwrap();
        assert!(jwt.authenticate(&token(&first)).await.is_ok());
    }
    idp.page("/keys", "200 OK\r\netag: \"v2\"", second.jwks());
    jwks.refresh().await.unwrap();
    assert!(jwt.authenticate(&token(&second)).await.is_ok());
    idp.page("/keys", "200 OK", first.jwks());
    jwks.refresh().await.unwrap();
    jwks.refresh().await.unwrap();
    let asked = idp.asked.lock().unwrap();
    let tags: Vec<_> = asked.iter().map(|(_, tag)| tag.as_deref()).collect();
    let (v1, v2) = (Some("\"v1\""), Some("\"v2\""));
    assert_eq!(tags, [None, v1, v1, v2, None]);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_no_other_answer_taken_for_keys() {
    let elsewhere = Idp::start().await;
    let tokens = issuer_of_tokens("idp");
    elsewhere.page("/keys", "200 OK", tokens.jwks());
    for (head, body) in [
        (
            format!("302 Found\r\nlocation: {}/keys", elsewhere.url),
            String::new(),
        ),
        ("200 OK".to_owned(), " ".repeat(512 * 1024) + &tokens.jwks()),
        ("403 Forbidden".to_owned(), tokens.jwks()),
        ("304 Not Modified".to_owned(), tokens.jwks()),
    ] {
        let idp = Idp::start().await;
        idp.page("/keys", &head, body);
        let url = format!("{}/keys", idp.url);
        let jwt = verifier(Issuer::jwks_url("idp", &url).unwrap());
        let refused = jwt.authenticate(&token(&tokens)).await;
        assert_eq!(refused.err(), Some(Refusal::StoreUnavailable), "{head}");
        assert_eq!(idp.asked(), ["/keys"], "{head}");
    }
    assert!(elsewhere.asked().is_empty());
}

#[test]
fn only_https_urls_and_loopback_are_fetched_from() {
    for bad in [
        "http://idp.example/keys",
        "ftp://idp.example/keys",
        "/keys",
        "",
    ] {
        assert!(Issuer::jwks_url("idp", bad).is_err(), "{bad}");
        assert!(Issuer::discover(bad).is_err(), "{bad}");
    }
    for bad in ["https://idp.example/?a=b", "https://idp.example/#a"] {
        assert!(Issuer::discover(bad).is_err(), "{bad}");
    }
    for good in ["https://idp.example/keys", "http://127.0.0.1:1/keys"] {
        assert!(Issuer::jwks_url("idp", good).is_ok(), "{good}");
        assert!(Issuer::discover(good).is_ok(), "{good}");
    }
}

/// The value that 99 of 100 do not exceed.
fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_p99_of_known_keys_does_not_move_while_the_source_hangs() {
    let (quiet, hanging) = (Idp::start().await, Idp::start().await);
    let tokens = issuer_of_tokens("idp");
    let mut verifiers = Vec::new();
    for idp in [&quiet, &hanging] {
        idp.page("/keys", "200 OK", tokens.jwks());
        let jwks = Jwks::download(&format!("{}/keys", idp.url), None).unwrap();
        jwks.refresh().await.unwrap();
        verifiers.push((verifier(Issuer::jwks("idp", jwks.clone())), jwks));
    }
    hanging.hangs.store(true, Ordering::Relaxed);
    let jwks = verifiers[1].1.clone();
    let fetch = tokio::spawn(async move { jwks.refresh().await });
    while hanging.asked().len() < 2 {
        tokio::task::yield_now().await;
    }
    // Tokens of a key that nobody knows wait for that fetch.
    let stranger = token(&issuer_of_tokens("idp"));
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let (jwt, stranger) = (verifiers[1].0.clone(), stranger.clone());
            tokio::spawn(async move { jwt.authenticate(&stranger).await.err() })
        })
        .collect();
    let known = token(&tokens);
    let mut measured = Vec::new();
    // What else runs on this machine may slow one of the two down in one round; what waits for the fetch does in each.
    let unmoved = loop {
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..400 {
            for ((jwt, _), times) in verifiers.iter().zip(&mut times) {
                let start = now();
                jwt.authenticate(&known).await.unwrap();
                times.push(start.elapsed());
            }
        }
        let [quiet, hanging] = times.map(p99);
        measured.push((quiet, hanging));
        let unmoved = hanging <= quiet * 3 + Duration::from_millis(1);
        if unmoved || measured.len() == 5 {
            break unmoved;
        }
    };
    assert!(!fetch.is_finished(), "the source hung all the while");
    assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
    assert!(
        unmoved,
        "the p99 while it answers, and while it hangs: {measured:?}"
    );
    fetch.abort();
}
