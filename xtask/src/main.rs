//! `cargo xtask`: the only task runner of the workspace.

mod api;
mod bench;
mod ci;
mod command;
mod deny;
mod fuzz;
mod mutants;
mod package;
mod pictures;
mod schema;
mod simulate;
mod test;
mod tools;

use std::env;
use std::process::ExitCode;

use command::Failure;

const HELP: &str = "\
Tasks of the workspace

    cargo xtask test [--full] [--browser] [--package NAME] [FILTER]
        Every test with all features, those whose names hold FILTER where it is given.
        --full      adds the long proofs: 10^6 steps and more, chaos
        --browser   adds what needs a browser
        --package   the tests of one package alone; what others start is not installed
    cargo xtask ci [--no-test]
        Formatting, lints, documentation, each crate alone and with each feature, tests, licences and bans,
        dependency ceilings. --no-test leaves out the tests, as for .ci/run, which has run them.
    cargo xtask bench [NAME]
        Ours beside the peers; writes target/bench/report.json and docs/performance.md
    cargo xtask fuzz SECONDS [TARGET]
        Every fuzz target, or the one that is named, for so long
    cargo xtask api
        Writes docs/api anew, the public interface of each crate; a test says when it needs it
    cargo xtask mutants [CRATE]... [--file PART] [--shard K/N] [--minutes N] [--again]
        Changes the code that decides, piece by piece, and looks whether a test fails each time; an hour for all.
        --file      those of the files whose paths hold PART
        --shard     every Nth mutant, from the Kth
        --minutes   a sample, as large as it gets in so long
        --again     those that no test noticed the last time
    cargo xtask package [--no-verify]
        Packs every crate as for crates.io, and builds each from its package with all features
    cargo xtask pictures
        Draws docs/images/limit-*.svg anew, from what the limiter does; the tests say when they need it. Then
        docs/dashboards/*.svg, from what a real Prometheus sees of a gateway that has a bad minute
    cargo xtask schema
        Writes docs/palisade.schema.json anew, from the model of the configuration; a test says when it needs it
    cargo xtask simulate
        Runs many instances with many shards, on paused time; prints and writes docs/scale.md

What a task needs and does not find it installs, and says so before: system packages by apt-get, cargo tools under
target/tools, moto (which stands in for AWS), PyJWT and joserfc in virtual environments under target/moto and target/jose.
";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let Some((task, args)) = args.split_first() else {
        eprint!("{HELP}");
        return ExitCode::FAILURE;
    };
    let outcome = match task.as_str() {
        "test" => test::run(args),
        "ci" => ci::run(args),
        "bench" => bench::run(args),
        "fuzz" => fuzz::run(args),
        "api" => api::run(args),
        "mutants" => mutants::run(args),
        "package" => package::run(args),
        "pictures" => pictures::run(args),
        "schema" => schema::run(args),
        "simulate" => simulate::run(args),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(Failure::new(format!(
            "there is no task {other:?}\n\n{HELP}"
        ))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}
