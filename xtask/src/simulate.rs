//! `cargo xtask simulate`

use std::process::Command;

use crate::command::{Failure, cargo, run as run_command};

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    match args {
        [] => run_command(&mut command()),
        _ => Err(Failure::new("simulate: there are no options")),
    }
}

/// The test that compares the page with the simulation, told to write it instead.
fn command() -> Command {
    let mut test = cargo(&["test", "--locked", "--package", "palisade-ratelimit"]);
    test.args(["--features", "simulate", "--test", "simulate"])
        .args(["--", "--nocapture", "the_page_of_scale"])
        .env("PALISADE_WRITE_SCALE", "1");
    test
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::root;

    #[test]
    fn the_test_that_writes_reads_the_variable() {
        let test = root().join("crates/palisade-ratelimit/tests/simulate/main.rs");
        let text = std::fs::read_to_string(test).unwrap();
        let command = command();
        let variables: Vec<_> = command.get_envs().map(|(name, _)| name).collect();
        assert_eq!(variables, ["PALISADE_WRITE_SCALE"]);
        assert!(text.contains("\"PALISADE_WRITE_SCALE\""));
        assert!(text.contains("fn the_page_of_scale"));
    }
}
