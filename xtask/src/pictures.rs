//! `cargo xtask pictures`

use std::process::Command;

use crate::command::{Failure, cargo, run as run_command};
use crate::tools;

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    match args {
        [] => {
            tools::system("prometheus", "prometheus")?;
            run_command(&mut limits())?;
            run_command(&mut dashboard())
        }
        _ => Err(Failure::new("pictures: there are no options")),
    }
}

/// The test that compares the pictures with what the limiter does, told to write them before.
fn limits() -> Command {
    let mut test = cargo(&["test", "--locked", "--package", "palisade-ratelimit"]);
    test.args(["--all-features", "--test", "pictures"])
        .env("PALISADE_WRITE_PICTURES", "1");
    test
}

/// The test that has a real Prometheus watch a gateway, told to write what the panels of the dashboard show.
fn dashboard() -> Command {
    let mut test = cargo(&["test", "--locked", "--package", "gateway", "--all-features"]);
    test.args([
        "--test",
        "prometheus",
        "--",
        "--ignored",
        "the_panels_are_drawn",
    ])
    .env("PALISADE_WRITE_PICTURES", "1");
    test
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::root;

    #[test]
    fn the_tests_that_draw_read_the_variable() {
        for (command, test, name) in [
            (
                limits(),
                "crates/palisade-ratelimit/tests/pictures/main.rs",
                "",
            ),
            (
                dashboard(),
                "examples/gateway/tests/prometheus/pictures.rs",
                "fn the_panels_are_drawn",
            ),
        ] {
            let text = std::fs::read_to_string(root().join(test)).unwrap();
            let variables: Vec<_> = command.get_envs().map(|(name, _)| name).collect();
            assert_eq!(variables, ["PALISADE_WRITE_PICTURES"]);
            assert!(text.contains("\"PALISADE_WRITE_PICTURES\"") && text.contains(name));
        }
    }
}
