//! `cargo xtask bench`

use crate::command::{Failure, cargo, command, run as run_command, target_dir};
use crate::tools;

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let name = args.iter().find(|arg| !arg.starts_with('-'));
    for (measures, program) in [("stack/rps-", "wrk"), ("ratelimit/redis-", "redis-server")] {
        if name.is_none_or(|name| selects(name, measures)) {
            tools::system(program, program)?;
        }
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

/// Whether a name selects measures that begin so.
fn selects(name: &str, measures: &str) -> bool {
    measures.starts_with(name) || name.starts_with(measures)
}
