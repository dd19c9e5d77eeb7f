//! `cargo xtask pictures`

use std::process::Command;

use crate::command::{Failure, cargo, run as run_command};

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    match args {
        [] => run_command(&mut command()),
        _ => Err(Failure::new("pictures: there are no options")),
    }
}

/// The test that compares the pictures with what the limiter does, told to write them before.
fn command() -> Command {
    let mut test = cargo(&["test", "--locked", "--package", "palisade-ratelimit"]);
    test.args(["--all-features", "--test", "pictures"])
        .env("PALISADE_WRITE_PICTURES", "1");
    test
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::root;

    #[test]
    fn the_test_that_draws_reads_the_variable() {
        let test = root().join("crates/palisade-ratelimit/tests/pictures/main.rs");
        let text = std::fs::read_to_string(test).unwrap();
        let command = command();
        let variables: Vec<_> = command.get_envs().map(|(name, _)| name).collect();
        assert_eq!(variables, ["PALISADE_WRITE_PICTURES"]);
        assert!(text.contains("\"PALISADE_WRITE_PICTURES\""));
    }
}
