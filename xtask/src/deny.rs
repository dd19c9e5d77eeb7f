//! Licences, bans and sources of what is depended on.

use crate::command::{Failure, command, run as run_command};
use crate::tools;

const DENY_VERSION: &str = "0.20.2";

/// Advisories are left out: their database is fetched from the network at each run, which makes a run depend on the day.
///
/// `of` names another manifest than the workspace's.
pub(crate) fn run(of: &[&str]) -> Result<(), Failure> {
    let program = tools::cargo_tool("cargo-deny", DENY_VERSION)?;
    let checks = ["check", "bans", "licenses", "sources"];
    run_command(
        command(program, of)
            .args(["--config", "deny.toml", "--all-features", "--locked"])
            .args(checks),
    )
}
