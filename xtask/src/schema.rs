//! `cargo xtask schema`

use std::process::Command;

use crate::command::{Failure, cargo, run as run_command};

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    match args {
        [] => run_command(&mut command()),
        _ => Err(Failure::new("schema: there are no options")),
    }
}

/// The test that compares the schema with the model, told to write it before.
fn command() -> Command {
    let mut test = cargo(&["test", "--locked", "--package", "palisade"]);
    test.args([
        "--all-features",
        "--test",
        "config",
        "the_schema_in_the_repository",
    ])
    .env("PALISADE_WRITE_SCHEMA", "1");
    test
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::root;

    #[test]
    fn the_test_that_writes_reads_the_variable() {
        let test = root().join("crates/palisade/tests/config/schema.rs");
        let text = std::fs::read_to_string(test).unwrap();
        let command = command();
        let variables: Vec<_> = command.get_envs().map(|(name, _)| name).collect();
        assert_eq!(variables, ["PALISADE_WRITE_SCHEMA"]);
        assert!(text.contains("\"PALISADE_WRITE_SCHEMA\""));
    }
}
