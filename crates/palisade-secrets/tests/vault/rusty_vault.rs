//! RustyVault, a server that speaks Vault's interface: KV 1, AppRole and tokens that end. It has neither KV 2 nor renewal.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use palisade_client::HttpClient;
use palisade_secrets::{ExposeSecret, Provider, Stage, Vault};
use serde_json::{Value, json};

/// Set by `cargo xtask test --full`, which installs it.
const PROGRAM: &str = "PALISADE_RVAULT";

/// A server, killed when this is dropped.
struct Server {
    process: Child,
    url: String,
    client: HttpClient,
    token: String,
}

impl Server {
    async fn start(folder: &Path) -> Self {
        let program = std::env::var_os(PROGRAM).unwrap_or_else(|| {
            panic!("{PROGRAM} must name `rvault`; `cargo install rusty_vault --version 0.2.1 --locked` makes it")
        });
        let free = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let (data, config) = (folder.join("data"), folder.join("config.hcl"));
        std::fs::create_dir(&data).unwrap();
        let settings = [
            format!("storage \"file\" {{\n  path = \"{}\"\n}}", data.display()),
            format!("listener \"tcp\" {{\n  address = \"{free}\"\n  tls_disable = \"true\"\n}}"),
            format!("api_addr = \"http://{free}\""),
            format!("pid_file = \"{}\"", folder.join("pid").display()),
            format!("work_dir = \"{}\"\n", folder.display()),
        ];
        std::fs::write(&config, settings.join("\n")).unwrap();
        let process = Command::new(program)
            .args(["server", "--config"])
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self {
            process,
            url: format!("http://{free}"),
            client: HttpClient::builder().no_proxy().build().unwrap(),
            token: String::new(),
        };
        for _ in 0..100 {
            if std::net::TcpStream::connect(free).is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let made = server
            .call(
                "PUT",
                "sys/init",
                json!({"secret_shares": 1, "secret_threshold": 1}),
            )
            .await;
        server
            .call("PUT", "sys/unseal", json!({"key": made["keys"][0]}))
            .await;
        made["root_token"]
            .as_str()
            .unwrap()
            .clone_into(&mut server.token);
        server
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> Value {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}/v1/{path}", self.url))
            .header("x-vault-token", &self.token)
            .body(Bytes::from(body.to_string()))
            .unwrap();
        let response = self.client.send(request).await.unwrap();
        assert!(
            response.status().is_success(),
            "{path}: {}",
            response.status()
        );
        serde_json::from_slice(response.body()).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
#[ignore = "needs RustyVault, which `cargo xtask test --full` installs"]
async fn rusty_vault_gives_secrets_to_a_role_whose_tokens_end() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    server
        .call("POST", "secret/TOKEN", json!({"value": "one"}))
        .await;
    server
        .call("POST", "sys/auth/approle", json!({"type": "approle"}))
        .await;
    let role = json!({"token_ttl": "3s", "token_max_ttl": "6s"});
    server
        .call("POST", "auth/approle/role/bookings", role)
        .await;
    let role_id = server
        .call("GET", "auth/approle/role/bookings/role-id", Value::Null)
        .await;
    let secret_id = server
        .call("POST", "auth/approle/role/bookings/secret-id", json!({}))
        .await;

    let vault = Vault::new(&server.url)
        .unwrap()
        .app_role(
            role_id["data"]["role_id"].as_str().unwrap(),
            secret_id["data"]["secret_id"].as_str().unwrap(),
        )
        .kv1("secret");
    let read = async |name| {
        let fetched = vault.fetch(name, Stage::Current).await.unwrap();
        fetched.map(|found| found.secret().expose_secret().to_owned())
    };
    assert_eq!(read("TOKEN").await.as_deref(), Some("one"));
    assert_eq!(read("OTHER").await, None);
    server
        .call("POST", "secret/TOKEN", json!({"value": "two"}))
        .await;
    // The token of the first login has ended by then, and RustyVault renews none.
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    assert_eq!(read("TOKEN").await.as_deref(), Some("two"));

    let stranger = Vault::new(&server.url)
        .unwrap()
        .app_role("nobody", "nothing")
        .kv1("secret");
    let error = stranger.fetch("TOKEN", Stage::Current).await.unwrap_err();
    assert!(error.to_string().starts_with("login: "), "{error}");
}
