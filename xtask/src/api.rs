//! `cargo xtask api`

use std::process::Command;

use crate::command::{Failure, cargo, run as run_command};

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    match args {
        [] => run_command(&mut command()),
        _ => Err(Failure::new("api: there are no options")),
    }
}

/// The test that compares the listings with the sources, told to write them before.
fn command() -> Command {
    let mut test = cargo(&["test", "--locked", "--package", "palisade-tests"]);
    test.args(["--test", "tidy", "the_public_interface"])
        .env("PALISADE_WRITE_API", "1");
    test
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::root;

    #[test]
    fn the_test_that_writes_the_listings_reads_the_variable() {
        let text = std::fs::read_to_string(root().join("tests/tests/tidy/interface.rs")).unwrap();
        let command = command();
        let variables: Vec<_> = command.get_envs().map(|(name, _)| name).collect();
        assert_eq!(variables, ["PALISADE_WRITE_API"]);
        assert!(text.contains("\"PALISADE_WRITE_API\""));
    }
}
