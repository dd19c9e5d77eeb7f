//! palisade beside its peers, in one run.
//!
//! - `measures` holds every measure by its fixed name, one file a crate. Start there.
//! - `harness` says how one thing is timed beside another, and `disturbance` whether the machine was calm; `exchange` sends a request through a service.
//! - `servers` are the three servers that `wrk` drives for `stack/rps-*`.
//! - `report` and `chart` write `target/bench/report.json`, `docs/performance.md` and its picture.
//!
//! Run it with `cargo xtask bench [NAME]`.

mod chart;
mod directories;
mod disturbance;
mod exchange;
mod goal;
mod harness;
mod json_log;
mod machine;
mod measure;
mod measures;
mod numbers;
mod ours;
mod peers;
mod peers_by_hand;
mod redis_server;
mod report;
mod scaling;
mod servers;
mod signers;
mod throughput;
mod tokens;
mod versions;

use std::error::Error;
use std::process::{Command, ExitCode};

use serde_json::{Map, Value};

pub use crate::harness::{Allocated, Counter};
use crate::harness::{Mode, QUICK_ROUNDS, ROUNDS};
use crate::measure::{Found, Measure};

/// The program that times: `palisade-benches [--quick] [NAME]`.
///
/// `profile NAME` runs our side of a measure alone for five seconds, as in `perf record -g palisade-benches profile
/// breaker/closed`; `serve KIND SECRET` is one of the servers that `wrk` drives.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.first().map(String::as_str) {
        Some("serve") => servers::serve(&arguments[1..]),
        Some("profile") => profile(&arguments[1..]),
        _ => time(&arguments),
    };
    exit(result)
}

/// The program that counts allocations, for the program that times: prints an object with an entry a measure.
#[must_use]
pub fn count(counter: Counter) -> ExitCode {
    let mut counted = Map::new();
    for measure in selected(std::env::args().nth(1).as_deref()) {
        let found = with_runtime(|| Found::take(measure, Mode::Count(counter)));
        match found {
            Ok(found) => counted.insert(measure.name.to_owned(), found.counted()),
            Err(error) => return exit(Err(error)),
        };
    }
    println!("{}", Value::Object(counted));
    ExitCode::SUCCESS
}

fn exit(result: Result<(), Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn profile(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    for measure in selected(arguments.first().map(String::as_str)) {
        let _ = with_runtime(|| Found::take(measure, Mode::Profile))?;
    }
    Ok(())
}

fn time(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let name = arguments
        .iter()
        .find(|argument| !argument.starts_with("--"));
    let chosen = selected(name.map(String::as_str));
    if chosen.is_empty() {
        return Err(format!("no measure is named {}", name.map_or("", String::as_str)).into());
    }
    let counted = counted(name.map(String::as_str))?;
    let rounds = if quick { QUICK_ROUNDS } else { ROUNDS };
    let load = machine::load();
    let mut all = Vec::new();
    for measure in chosen {
        let mut found = with_runtime(|| Found::take(measure, Mode::Time { rounds }))?;
        found.add_counted(&counted);
        println!("{}", report::line(&found));
        all.push(found);
    }
    report::write_json(&all)?;
    if name.is_none() && !quick {
        report::write_page(&all, load)?;
    }
    Ok(())
}

/// Some peers want a runtime around them, for their timers.
fn with_runtime<T>(work: impl FnOnce() -> T) -> Result<T, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let _entered = runtime.enter();
    Ok(work())
}

/// The measure of this name, or those whose name begins with it, or all.
fn selected(name: Option<&str>) -> Vec<Measure> {
    let name = name.unwrap_or("");
    if let Some(exact) = measures::all().find(|measure| measure.name == name) {
        return vec![exact];
    }
    measures::all()
        .filter(|measure| measure.name.starts_with(name))
        .collect()
}

fn counted(name: Option<&str>) -> Result<Value, Box<dyn Error>> {
    let program = std::env::current_exe()?.with_file_name("palisade-allocations");
    let output = Command::new(&program)
        .args(name)
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    if !output.status.success() {
        return Err(format!("{} failed", program.display()).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
