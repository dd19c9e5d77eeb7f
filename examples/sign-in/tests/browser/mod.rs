//! A whole sign-in in Chromium at oidc-provider: `cargo xtask test --browser`, or `PALISADE_BROWSER=1 cargo test`.
//!
//! Without that variable it does nothing and says so, because Chromium and Node are not on every machine.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use palisade_tests::redis::Redis;

use super::Running;

#[test]
fn chromium_signs_in_at_a_certified_provider_and_out_again() {
    if std::env::var_os("PALISADE_BROWSER").is_none() {
        eprintln!("not run: PALISADE_BROWSER is not set; use `cargo xtask test --browser`");
        return;
    }
    let modules = modules();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The provider must know the addresses of the service's instances, and they that of the provider.
    let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let ports = ports.map(|port| port.local_addr().unwrap().port());
    let [app, other] = ports.map(|port| format!("http://localhost:{port}"));
    let redis = Redis::start();
    let script = modules.join("provider.mjs");
    std::fs::copy(here.join("provider/provider.mjs"), &script).unwrap();
    let mut provider = Command::new("node");
    let provider = provider.arg(script).env("PORT", "0").env("APP", &app);
    let provider = Running::start(provider.env("BACK_CHANNEL", &other));
    let _instances = ports.map(|port| {
        let mut service = Command::new(env!("CARGO_BIN_EXE_sign-in"));
        let service = service
            .env("ADDR", format!("127.0.0.1:{port}"))
            .env("BASE_URL", &app)
            .env("OIDC_ISSUER", &provider.url)
            .env("REDIS_URL", redis.url())
            .env("COOKIE_SECRET", "kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu");
        Running::start(service)
    });
    let flow = modules.join("flow.mjs");
    std::fs::copy(here.join("tests/browser/flow.mjs"), &flow).unwrap();
    let output = Command::new("node")
        .arg(flow)
        .env("APP", &app)
        .env("OTHER", &other)
        .env("ISSUER", &provider.url)
        .env("CHROMIUM", chromium())
        .output();
    println!("{}", must(output));
}

/// The folder of the packages of `package.json`, which are installed once.
fn modules() -> PathBuf {
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
