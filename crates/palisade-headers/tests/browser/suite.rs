//! Installs what the scripts need, starts the servers and runs a script.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::server::Servers;

pub(crate) struct Suite {
    servers: Servers,
    modules: &'static Path,
    _files: tempfile::TempDir,
    authority: PathBuf,
}

impl Suite {
    /// The suite, unless nobody asked for it.
    pub(crate) fn start() -> Option<Self> {
        if std::env::var_os("PALISADE_BROWSER").is_none() {
            eprintln!("not run: PALISADE_BROWSER is not set; use `cargo xtask test --browser`");
            return None;
        }
        let modules = modules();
        let files = tempfile::tempdir().unwrap();
        let (servers, authority) = Servers::start();
        let path = files.path().join("authority.pem");
        std::fs::write(&path, authority).unwrap();
        Some(Self {
            servers,
            modules,
            _files: files,
            authority: path,
        })
    }

    /// Runs a script to its end; it says on its own what it found.
    pub(crate) fn node(&self, script: &str) {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
        let output = Command::new("node")
            .arg(here.join(script))
            .env("MODULES", self.modules)
            .env("MATRIX", here.join("../cors/matrix.tsv"))
            .env("HTTPS_PORT", self.servers.https.to_string())
            .env("HTTP_PORT", self.servers.http.to_string())
            .env("AUTHORITY", &self.authority)
            .env("NODE_EXTRA_CA_CERTS", &self.authority)
            .env("CHROMIUM", chromium())
            .output();
        println!("{}", must("apt-get install nodejs npm", output));
    }
}

/// The folder of the packages of `package.json`, which are installed once.
fn modules() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
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
        must("apt-get install nodejs npm", install);
        // The list of preloaded hosts is fetched by a script of the package, and no host of these tests is on it.
        let lists = place.join("node_modules/@mdn/mdn-http-observatory/conf");
        std::fs::write(lists.join("hsts-preload.json"), "{}").unwrap();
        std::fs::write(place.join("installed.json"), wanted).unwrap();
        place
    })
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

fn must(install: &str, output: std::io::Result<Output>) -> String {
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
