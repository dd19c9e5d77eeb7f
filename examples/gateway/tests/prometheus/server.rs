use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::Gateway;

pub(crate) fn dashboards() -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/dashboards");
    directory.canonicalize().unwrap()
}

/// A Prometheus of the test's own, which looks at a gateway every second.
pub(crate) struct Prometheus {
    process: Child,
    url: String,
    client: reqwest::Client,
    _data: tempfile::TempDir,
}

impl Prometheus {
    pub(crate) fn watching(gateway: &Gateway) -> Self {
        let data = tempfile::tempdir().unwrap();
        let config = data.path().join("prometheus.yml");
        // YAML is a superset of JSON.
        let text = json!({
            "global": { "scrape_interval": "1s", "evaluation_interval": "1s" },
            "rule_files": [dashboards().join("palisade.rules.yml")],
            "scrape_configs": [{
                "job_name": "gateway",
                "static_configs": [{ "targets": [gateway.url.trim_start_matches("http://")] }]
            }]
        });
        std::fs::write(&config, text.to_string()).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                data.path().join("tsdb").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .stderr(Stdio::null())
            .spawn()
            .expect("apt-get install prometheus");
        Self {
            process,
            url: format!("http://{address}"),
            client: reqwest::Client::new(),
            _data: data,
        }
    }

    /// The data of an answer; `None` while Prometheus starts.
    pub(crate) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Option<Value> {
        let mut url = reqwest::Url::parse(&self.url).unwrap().join(path).unwrap();
        url.query_pairs_mut().extend_pairs(query);
        let response = self.client.get(url).send().await.ok()?;
        let body: Value = response.json().await.ok()?;
        assert_eq!(body["status"], "success", "{query:?}: {body}");
        Some(body["data"].clone())
    }

    /// Waits until an answer is as it should be.
    pub(crate) async fn wait(&self, path: &str, done: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..300 {
            if let Some(data) = self.get(path, &[]).await
                && done(&data)
            {
                return data;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{path} never gets there");
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
