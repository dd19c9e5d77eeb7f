//! `cargo xtask bench`

use crate::command::{Failure, cargo, command, run as run_command, target_dir};
use crate::tools;

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let name = args.iter().find(|arg| !arg.starts_with('-'));
    if name.is_none_or(|name| drives_servers(name)) {
        tools::system("wrk", "wrk")?;
    }
    // Both programs: the one that times starts the one that counts allocations, which lies beside it.
    run_command(&mut cargo(&[
        "build",
        "--release",
        "--locked",
        "--package",
        "palisade-benches",
    ]))?;
    let benches = target_dir().join("release/palisade-benches");
    run_command(command(benches, &[]).args(args))
}

/// Whether this name selects the measures `stack/rps-*`.
fn drives_servers(name: &str) -> bool {
    "stack/rps-".starts_with(name) || name.starts_with("stack/rps-")
}
