//! A stand-in for Vault, in this process: as much of it as the provider uses, after Vault's own documents, the pages
//! "KV secrets engine - version 1", "- version 2", "AppRole auth method", "Kubernetes auth method", "Token auth method",
//! "Database secrets engine", "/sys/leases" and "HTTP status codes" of <https://developer.hashicorp.com/vault/api-docs>.
//!
//! Its clock is Tokio's, so that tests can let hours pass.

#![allow(dead_code, reason = "no test uses all of it")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::wire::{Request, serve};

pub(crate) struct StandIn {
    pub(crate) url: String,
    model: Arc<Mutex<Model>>,
}

/// The state of the server.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) kv1: HashMap<String, Value>,
    /// Versions from 1 on; `None` for one that was deleted.
    pub(crate) kv2: HashMap<String, Vec<Option<Value>>>,
    tokens: BTreeMap<String, Granted>,
    leases: BTreeMap<String, (String, Granted)>,
    /// The terms of tokens of a login, and of leases.
    pub(crate) token_terms: Terms,
    pub(crate) lease_terms: Terms,
    pub(crate) secret_id: String,
    pub(crate) service_account: String,
    /// Paths that no policy allows.
    pub(crate) forbidden: HashSet<String>,
    /// Answers everything so.
    pub(crate) down: Option<(u16, String)>,
    /// Answers these paths so.
    pub(crate) wrong: HashMap<String, (u16, String)>,
    made: u64,
    /// Each request, as `GET path`.
    log: Vec<String>,
    pub(crate) last: Option<Request>,
    /// The requests that were refused because their token was not valid.
    pub(crate) with_dead_tokens: usize,
}

#[derive(Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) time: Duration,
    pub(crate) longest: Duration,
    pub(crate) renewable: bool,
}

impl Default for Terms {
    fn default() -> Self {
        terms(3600, 86_400)
    }
}

pub(crate) const fn terms(time: u64, longest: u64) -> Terms {
    Terms {
        time: Duration::from_secs(time),
        longest: Duration::from_secs(longest),
        renewable: true,
    }
}

/// Something that was granted until its end.
#[derive(Clone, Copy)]
struct Granted {
    terms: Terms,
    /// In whole seconds, as Vault tells it.
    time: u64,
    end: Instant,
    last_end: Instant,
}

impl Granted {
    fn new(terms: Terms) -> Self {
        let now = Instant::now();
        let mut granted = Self {
            terms,
            time: 0,
            end: now,
            last_end: now + terms.longest,
        };
        granted.renew();
        granted
    }

    /// As Vault does it: for the usual time, but not beyond the longest.
    fn renew(&mut self) {
        let now = Instant::now();
        let time = self
            .terms
            .time
            .min(self.last_end.saturating_duration_since(now));
        (self.time, self.end) = (time.as_secs(), now + time);
    }

    fn left(&self) -> u64 {
        self.end.saturating_duration_since(Instant::now()).as_secs()
    }
}

type Answer = (u16, Value);

fn error(status: u16, text: &str) -> Answer {
    (status, json!({ "errors": [text] }))
}

impl StandIn {
    pub(crate) async fn start() -> Self {
        let model = Arc::new(Mutex::new(Model {
            secret_id: "the-secret-id".to_owned(),
            ..Model::default()
        }));
        let answering = Arc::clone(&model);
        let url = serve(move |request| answering.lock().unwrap().answer(request)).await;
        Self { url, model }
    }

    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Model) -> T) -> T {
        change(&mut self.model.lock().unwrap())
    }

    /// The number of requests, such as `POST auth/approle/login`.
    pub(crate) fn asked(&self, what: &str) -> usize {
        self.with(|model| model.log.iter().filter(|asked| *asked == what).count())
    }

    pub(crate) fn requests(&self) -> usize {
        self.with(|model| model.log.len())
    }

    pub(crate) fn make_token(&self, terms: Terms) -> String {
        self.with(|model| model.make_token(terms))
    }

    pub(crate) fn revoke_all_tokens(&self) {
        self.with(|model| {
            model.tokens.clear();
            model.leases.clear();
        });
    }

    pub(crate) fn live_tokens(&self) -> usize {
        self.with(|model| model.tokens.len())
    }

    /// The users of the database that may sign in now.
    pub(crate) fn users(&self) -> Vec<String> {
        self.with(|model| {
            model.forget_what_ended();
            model
                .leases
                .keys()
                .map(|id| id.rsplit('/').next().unwrap().to_owned())
                .collect()
        })
    }

    pub(crate) fn revoke_leases(&self) {
        self.with(|model| model.leases.clear());
    }
}

impl Model {
    fn make_token(&mut self, terms: Terms) -> String {
        self.made += 1;
        let token = format!("hvs.token-{}", self.made);
        self.tokens.insert(token.clone(), Granted::new(terms));
        token
    }

    fn forget_what_ended(&mut self) {
        let now = Instant::now();
        self.tokens.retain(|_, granted| granted.end > now);
        let tokens = &self.tokens;
        self.leases
            .retain(|_, (token, granted)| granted.end > now && tokens.contains_key(token));
    }

    fn answer(&mut self, request: Request) -> (u16, String) {
        self.log
            .push(format!("{} {}", request.method, request.path));
        let wrong = self
            .down
            .clone()
            .or_else(|| self.wrong.get(&request.path).cloned());
        let answer = wrong.unwrap_or_else(|| {
            let (status, body) = self.respond(&request);
            (
                status,
                if status == 204 {
                    String::new()
                } else {
                    body.to_string()
                },
            )
        });
        self.last = Some(request);
        answer
    }

    fn respond(&mut self, request: &Request) -> Answer {
        self.forget_what_ended();
        if request.headers.get("x-vault-request").map(String::as_str) != Some("true") {
            return error(412, "X-Vault-Request is missing");
        }
        let path = &*request.path;
        match path {
            "auth/approle/login" => {
                let right = request.body
                    == json!({ "role_id": "the-role-id", "secret_id": self.secret_id });
                return self.log_in(right);
            }
            "auth/kubernetes/login" => {
                let right =
                    request.body == json!({ "role": "bookings", "jwt": self.service_account });
                return self.log_in(right);
            }
            _ => {}
        }
        let token = request
            .headers
            .get("x-vault-token")
            .cloned()
            .unwrap_or_default();
        if !self.tokens.contains_key(&token) {
            self.with_dead_tokens += 1;
            return error(403, "permission denied");
        }
        if self.forbidden.contains(path) {
            return error(403, "permission denied");
        }
        match (&*request.method, path) {
            ("GET", "auth/token/lookup-self") => {
                let granted = &self.tokens[&token];
                let data = json!({ "ttl": granted.left(), "renewable": granted.terms.renewable });
                (200, json!({ "data": data }))
            }
            ("POST", "auth/token/renew-self") => self.renew_token(&token),
            ("POST", "auth/token/revoke-self") => {
                self.tokens.remove(&token);
                (204, Value::Null)
            }
            ("POST", "sys/leases/renew") => self.renew_lease(&request.body),
            ("POST", "sys/leases/revoke") => {
                self.leases
                    .remove(request.body["lease_id"].as_str().unwrap_or_default());
                (204, Value::Null)
            }
            ("GET", "database/creds/bookings") => self.make_credentials(token),
            ("GET", path) => self.read(path, &request.query),
            _ => error(405, "unsupported operation"),
        }
    }

    fn log_in(&mut self, right: bool) -> Answer {
        if !right {
            return error(400, "invalid role or secret ID");
        }
        let terms = self.token_terms;
        let token = self.make_token(terms);
        (200, json!({ "auth": self.auth(&token) }))
    }

    fn auth(&self, token: &str) -> Value {
        let granted = &self.tokens[token];
        json!({
            "client_token": token,
            "accessor": "an-accessor",
            "policies": ["default"],
            "lease_duration": granted.time,
            "renewable": granted.terms.renewable,
        })
    }

    fn renew_token(&mut self, token: &str) -> Answer {
        let granted = self.tokens.get_mut(token).expect("it was looked up");
        if !granted.terms.renewable {
            return error(400, "lease is not renewable");
        }
        granted.renew();
        (200, json!({ "auth": self.auth(token) }))
    }

    fn renew_lease(&mut self, body: &Value) -> Answer {
        let id = body["lease_id"].as_str().unwrap_or_default();
        match self.leases.get_mut(id) {
            None => error(400, "lease not found"),
            Some((_, granted)) => {
                granted.renew();
                let time = granted.time;
                (
                    200,
                    json!({ "lease_id": id, "renewable": true, "lease_duration": time }),
                )
            }
        }
    }

    fn make_credentials(&mut self, token: String) -> Answer {
        self.made += 1;
        let (user, granted) = (
            format!("v-bookings-{}", self.made),
            Granted::new(self.lease_terms),
        );
        let id = format!("database/creds/bookings/{user}");
        let data = json!({ "username": user, "password": format!("password-of-{user}") });
        let answer = json!({
            "lease_id": id,
            "renewable": granted.terms.renewable,
            "lease_duration": granted.time,
            "data": data,
        });
        self.leases.insert(id, (token, granted));
        (200, answer)
    }

    fn read(&self, path: &str, query: &str) -> Answer {
        let missing = || (404, json!({ "errors": [] }));
        if let Some(name) = path.strip_prefix("kv/") {
            return match self.kv1.get(name) {
                Some(data) => (
                    200,
                    json!({ "lease_duration": 2_764_800, "renewable": false, "data": data }),
                ),
                None => missing(),
            };
        }
        let Some(versions) = path
            .strip_prefix("secret/data/")
            .and_then(|name| self.kv2.get(name))
        else {
            return missing();
        };
        let version = match query.strip_prefix("version=") {
            Some(version) => version.parse().expect("a version is a number"),
            None => versions.len(),
        };
        let Some(data) = version.checked_sub(1).and_then(|at| versions.get(at)) else {
            return missing();
        };
        let metadata = json!({
            "created_time": "2018-03-22T02:24:06.945319214Z",
            "custom_metadata": null,
            "deletion_time": if data.is_some() { "" } else { "2018-03-22T02:36:43.986212308Z" },
            "destroyed": false,
            "version": version,
        });
        let status = if data.is_some() { 200 } else { 404 };
        (
            status,
            json!({ "data": { "data": data, "metadata": metadata } }),
        )
    }
}
