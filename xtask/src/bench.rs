//! `cargo xtask bench`

use crate::command::{cargo, run as run_command};

pub(crate) fn run(args: &[String]) {
    let mut benches = cargo(&["run", "--release", "--package", "palisade-benches", "--"]);
    if let Err(failure) = run_command(benches.args(args)) {
        eprintln!("xtask: {failure}");
        std::process::exit(1);
    }
}
