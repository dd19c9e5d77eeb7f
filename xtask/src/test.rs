//! `cargo xtask test`

use std::fs;
use std::process::Command;

use crate::command::{Failure, cargo, root, target_dir};
use crate::tools;

mod failures;

/// The members of the workspace that are tested; the benches pull in every peer and have no tests.
pub(crate) const TESTED: [&str; 4] = [
    "--workspace",
    "--exclude",
    "palisade-benches",
    "--all-features",
];

/// RustyVault speaks a part of Vault's interface. It needs OpenSSL's headers, and some 20 minutes to build.
const RUSTY_VAULT: &str = "0.2.1";

/// A client of gRPC in another language.
const GRPCIO: &[&str] = &["grpcio==1.85.3"];
/// Serves AWS's interfaces to the official SDKs.
const MOTO: &[&str] = &["moto[server]==5.2.5"];
/// The schema of OCSF as models that validate.
const OCSF: &[&str] = &["ocsf-pydantic", "email-validator", "pydantic-extra-types"];
/// Sign and verify JSON Web Tokens.
const JOSE: &[&str] = &["pyjwt[crypto]==2.15.1", "joserfc==1.8.0"];
/// syslog-ng, whose package and rsyslog's exclude each other, and the libraries that a small machine may lack.
const SYSLOG_NG: &[&str] = &[
    "syslog-ng-core",
    "libivykis0",
    "libnet1",
    "libpcre3",
    "libglib2.0-0",
    "libjson-c5",
    "libwrap0",
];
/// Hash passwords. passlib 1.7.4 knows no newer bcrypt.
const HASHES: &[&str] = &[
    "argon2-cffi==25.1.0",
    "bcrypt==4.0.1",
    "django==5.2.19",
    "passlib==1.7.4",
    "werkzeug==3.1.9",
];

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let wanted = Wanted::read(args)?;
    tools::python_program("grpcio", GRPCIO, "python")?;
    for (program, package) in wanted.programs() {
        tools::system(program, package)?;
    }
    tools::python_program("moto", MOTO, "moto_server")?;
    tools::python_program("ocsf", OCSF, "python")?;
    tools::python_program("jose", JOSE, "python")?;
    let mut tests = wanted.command();
    if wanted.full {
        tools::python_program("hashes", HASHES, "python")?;
        tools::unpacked("syslog-ng", "usr/sbin/syslog-ng", SYSLOG_NG)?;
        tests.env(
            "PALISADE_RVAULT",
            tools::cargo_program("rusty_vault", RUSTY_VAULT, "rvault")?,
        );
    }
    let suites = loom_suites();
    let with_loom = suites.iter().map(|package| loom(package, wanted.filter));
    // The suites run even where a test has failed: one run shows everything.
    let mut failures = Vec::new();
    for mut tests in std::iter::once(tests).chain(with_loom) {
        if let Err(failure) = failures::run(&mut tests) {
            failures.push(failure.to_string());
        }
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(failures.join("\nxtask: ")))
    }
}

/// The crates whose `tests/loom.rs` wants loom's types in place of the standard library's.
fn loom_suites() -> Vec<String> {
    let crates = fs::read_dir(root().join("crates")).into_iter().flatten();
    let mut packages: Vec<String> = crates
        .flatten()
        .filter(|entry| entry.path().join("tests/loom.rs").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    packages.sort();
    packages
}

/// One suite, built apart, because the flag would rebuild everything else back and forth.
fn loom(package: &str, filter: Option<&str>) -> Command {
    let mut tests = cargo(&["test", "--locked", "--package", package, "--test", "loom"]);
    tests
        .args(filter)
        .env("RUSTFLAGS", "--cfg loom")
        .env("CARGO_TARGET_DIR", target_dir().join("loom"));
    tests
}

/// The options of the command line.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted<'a> {
    full: bool,
    browser: bool,
    filter: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    fn read(args: &'a [String]) -> Result<Self, Failure> {
        let mut wanted = Self::default();
        for arg in args {
            match arg.as_str() {
                "--full" => wanted.full = true,
                "--browser" => wanted.browser = true,
                flag if flag.starts_with('-') => {
                    return Err(Failure::new(format!(
                        "test: there is no option {flag}; see `cargo xtask help`"
                    )));
                }
                text if wanted.filter.is_none() => wanted.filter = Some(text),
                more => {
                    return Err(Failure::new(format!("test: one filter, not also {more:?}")));
                }
            }
        }
        Ok(wanted)
    }

    /// The programs that the tests start, with the system's packages that have them.
    fn programs(&self) -> Vec<(&'static str, &'static str)> {
        let mut programs = vec![("redis-server", "redis-server")];
        if self.full {
            programs.extend([
                ("rsyslogd", "rsyslog"),
                ("promtool", "prometheus"),
                ("prometheus", "prometheus"),
                ("strace", "strace"),
            ]);
        }
        if self.browser {
            // What the browser's tests load from npm they install by themselves, under the target directory.
            programs.extend([("chromium", "chromium"), ("node", "nodejs"), ("npm", "npm")]);
        }
        programs
    }

    fn command(&self) -> Command {
        let mut tests = cargo(&["test", "--locked"]);
        // All packages, even after the first that fails: one run shows everything.
        tests.args(TESTED).arg("--no-fail-fast").args(self.filter);
        if self.full {
            tests.env("PALISADE_FULL", "1");
        }
        if self.browser {
            tests.env("PALISADE_BROWSER", "1");
        }
        if self.full {
            // What an ordinary machine does not have, such as leave to mount a file system, is ignored otherwise.
            tests.args(["--", "--include-ignored"]);
        }
        tests
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command;

    fn read(args: &[&str]) -> Result<String, String> {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let wanted = Wanted::read(&args).map_err(|failure| failure.to_string())?;
        Ok(command::shown(&wanted.command()))
    }

    const PLAIN: &str =
        "cargo test --locked --workspace --exclude palisade-benches --all-features --no-fail-fast";

    #[test]
    fn every_test_with_all_features_is_run() {
        assert_eq!(read(&[]), Ok(PLAIN.to_owned()));
    }

    #[test]
    fn the_long_proofs_and_the_browser_are_asked_for() {
        let both =
            format!("PALISADE_BROWSER=1 PALISADE_FULL=1 {PLAIN} forged -- --include-ignored");
        assert_eq!(read(&["--full", "forged", "--browser"]), Ok(both));
    }

    #[test]
    fn every_suite_of_loom_is_run() {
        let marked = |package: &String| {
            let suite = root().join("crates").join(package).join("tests/loom.rs");
            fs::read_to_string(suite).unwrap().contains("#![cfg(loom)]")
        };
        assert!(loom_suites().iter().all(marked));
        assert!(loom_suites().contains(&"palisade-ratelimit".to_owned()));
        let shown = command::shown(&loom("palisade-ratelimit", None));
        assert!(
            shown.contains("RUSTFLAGS='--cfg loom'") && shown.ends_with("--test loom"),
            "{shown}"
        );
    }

    #[test]
    fn what_is_no_option_is_said_to_be_none() {
        assert!(read(&["--ful"]).unwrap_err().contains("--ful"));
        assert!(read(&["one", "two"]).unwrap_err().contains("two"));
    }
}
