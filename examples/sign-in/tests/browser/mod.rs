//! A whole sign-in in Chromium at oidc-provider: `cargo xtask test --browser`, or `PALISADE_BROWSER=1 cargo test`.
//!
//! Without that variable it does nothing and says so, because Chromium and Node are not on every machine.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;

use palisade::auth::{Algorithm, SigningKey};
use palisade_tests::redis::Redis;

use super::Running;

#[test]
fn chromium_signs_in_at_a_certified_provider_and_out_again() {
    let Some(modules) = asked_for() else { return };
    let redis = Redis::start();
    let service = Service::at_two_ports();
    let provider = service.provider(&modules, &[("BACK_CHANNEL", &service.other)]);
    let _instances = service.ports.map(|port| {
        let shared = [
            ("REDIS_URL", &*redis.url()),
            ("COOKIE_SECRET", "kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu"),
        ];
        service.instance(port, &provider.url, &shared)
    });
    service.flow(
        &modules,
        "flow.mjs",
        include_str!("flow.mjs"),
        &provider.url,
    );
}

#[test]
fn chromium_posts_the_form_of_a_provider_of_another_site_to_a_client_with_a_key() {
    let Some(modules) = asked_for() else { return };
    let pkcs8 = SigningKey::generate_pkcs8(Algorithm::ES256).unwrap();
    let key = SigningKey::from_pkcs8(Algorithm::ES256, &pkcs8).unwrap();
    let pem = modules.join("key.pem");
    let body = base64(&pkcs8);
    let text = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    std::fs::write(&pem, text).unwrap();
    let service = Service::at_two_ports();
    let jwk = key.public().to_jwk().unwrap().to_string();
    let provider = service.provider(&modules, &[("HOST", "127.0.0.1"), ("JWK", &jwk)]);
    let settings = [
        ("OIDC_CLIENT_ID", "bookings-with-key"),
        ("OIDC_PRIVATE_KEY", pem.to_str().unwrap()),
        ("OIDC_RESPONSE_MODE", "form_post"),
        ("OIDC_USERINFO", "signed"),
    ];
    let _service = service.instance(service.ports[0], &provider.url, &settings);
    service.flow(
        &modules,
        "form.mjs",
        include_str!("form.mjs"),
        &provider.url,
    );
}

/// The place of the packages, if the tests with a browser were asked for.
fn asked_for() -> Option<PathBuf> {
    if std::env::var_os("PALISADE_BROWSER").is_none() {
        eprintln!("not run: PALISADE_BROWSER is not set; use `cargo xtask test --browser`");
        return None;
    }
    Some(modules())
}

/// The addresses of the service, which the provider must know before, as the service that of the provider.
struct Service {
    ports: [u16; 2],
    app: String,
    other: String,
}

impl Service {
    fn at_two_ports() -> Self {
        let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = ports.map(|port| port.local_addr().unwrap().port());
        let [app, other] = ports.map(|port| format!("http://localhost:{port}"));
        Self { ports, app, other }
    }

    fn provider(&self, modules: &Path, settings: &[(&str, &str)]) -> Running {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let script = modules.join("provider.mjs");
        std::fs::copy(here.join("provider/provider.mjs"), &script).unwrap();
        let mut provider = Command::new("node");
        let provider = provider.arg(script).env("PORT", "0").env("APP", &self.app);
        Running::start(provider.envs(settings.iter().copied()))
    }

    fn instance(&self, port: u16, issuer: &str, settings: &[(&str, &str)]) -> Running {
        let mut service = Command::new(env!("CARGO_BIN_EXE_sign-in"));
        let service = service
            .env("ADDR", format!("127.0.0.1:{port}"))
            .env("BASE_URL", &self.app)
            .env("OIDC_ISSUER", issuer);
        Running::start(service.envs(settings.iter().copied()))
    }

    fn flow(&self, modules: &Path, name: &str, text: &str, issuer: &str) {
        let script = modules.join(name);
        std::fs::write(&script, text).unwrap();
        let output = Command::new("node")
            .arg(script)
            .env("APP", &self.app)
            .env("OTHER", &self.other)
            .env("ISSUER", issuer)
            .env("CHROMIUM", chromium())
            .output();
        println!("{}", must(output));
    }
}

/// By the program that comes with every system.
fn base64(bytes: &[u8]) -> String {
    use std::io::Write;
    use std::process::Stdio;

    let mut program = Command::new("base64");
    let program = program.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut program = program.spawn().unwrap();
    program.stdin.take().unwrap().write_all(bytes).unwrap();
    must(program.wait_with_output()).trim().to_owned()
}

/// The folder of the packages of `package.json`, which are installed once.
fn modules() -> PathBuf {
    static ONE: Mutex<()> = Mutex::new(());
    let _one_installs = ONE.lock().unwrap();
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sign-in-browser");
    std::fs::create_dir_all(&place).unwrap();
    let wanted = include_str!("package.json");
    let installed = std::fs::read_to_string(place.join("installed.json"));
    if installed.is_ok_and(|installed| installed == wanted) {
        return place;
    }
    std::fs::write(place.join("package.json"), wanted).unwrap();
    let install = Command::new("npm")
        .args(["install", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&place)
        .output();
    must(install);
    std::fs::write(place.join("installed.json"), wanted).unwrap();
    place
}

fn chromium() -> PathBuf {
    let known = [
        "/usr/bin/chromium",
        "/usr/bin/chromium-browser",
        "/usr/bin/google-chrome",
    ];
    let found = known.iter().map(PathBuf::from).find(|path| path.is_file());
    found.expect("no Chromium; install it with: apt-get install chromium")
}

fn must(output: std::io::Result<Output>) -> String {
    let install = "apt-get install nodejs npm";
    let output = output.unwrap_or_else(|error| panic!("{error}; install it with: {install}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{}\n{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}
