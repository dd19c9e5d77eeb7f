//! Finds what a task needs, and installs what is missing after having said so.

use std::env;
use std::path::PathBuf;

use crate::command::{Failure, cargo, command, root, run, target_dir};

/// A program of the system, from this package where it is missing.
pub(crate) fn system(program: &str, package: &str) -> Result<PathBuf, Failure> {
    if let Some(found) = on_path(program) {
        return Ok(found);
    }
    let by_hand = format!(
        "{program} is needed and missing; install the system's package `{package}`, such as with \
         `apt-get install {package}`"
    );
    if on_path("apt-get").is_none() {
        return Err(Failure::new(by_hand));
    }
    eprintln!("xtask: {program} is missing; installing the system's package {package}");
    let install = |update: bool| {
        let verb: &[&str] = if update {
            &["update"]
        } else {
            &["install", "--yes", "--no-install-recommends", package]
        };
        let mut apt = match on_path("sudo") {
            // Without a terminal sudo may not ask; it fails instead, and the message below says what to do.
            Some(sudo) => command(sudo, &["--non-interactive", "apt-get"]),
            None => command("apt-get", &[]),
        };
        run(apt.args(verb).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    // Package lists of a fresh machine are often empty or old.
    install(false)
        .or_else(|_| install(true).and_then(|()| install(false)))
        .map_err(|failure| Failure::new(format!("{by_hand} ({failure})")))?;
    on_path(program).ok_or_else(|| Failure::new(by_hand))
}

/// A program of a package that may not be installed, because it excludes another that is needed: unpacked with what it needs
/// under `target/`, where tests look for it.
pub(crate) fn unpacked(name: &str, program: &str, packages: &[&str]) -> Result<(), Failure> {
    let home = root().join("target").join(name);
    if home.join(program).is_file() {
        return Ok(());
    }
    eprintln!(
        "xtask: unpacking the system's packages {} into {}, once",
        packages.join(" "),
        home.display()
    );
    let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", home.display()));
    std::fs::create_dir_all(&home).map_err(failed)?;
    let download = || {
        let mut apt = command("apt-get", &["download", "--quiet"]);
        run(apt.args(packages).current_dir(&home))
    };
    // Package lists of a fresh machine are often empty or old.
    download().or_else(|_| run(&mut command("apt-get", &["update"])).and_then(|()| download()))?;
    for entry in std::fs::read_dir(&home).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            run(command("dpkg", &["--extract"]).arg(&path).arg(&home))?;
        }
    }
    let is_there = home.join(program).is_file();
    is_there
        .then_some(())
        .ok_or_else(|| Failure::new(format!("{program} is not in the packages {packages:?}")))
}

/// A cargo tool of exactly this version, under the target directory where nothing else is disturbed.
pub(crate) fn cargo_tool(name: &str, version: &str) -> Result<PathBuf, Failure> {
    cargo_program(name, version, name)
}

/// The same for a package whose program has another name.
pub(crate) fn cargo_program(name: &str, version: &str, program: &str) -> Result<PathBuf, Failure> {
    let root = target_dir().join("tools").join(format!("{name}-{version}"));
    let program = root.join("bin").join(program);
    if !program.is_file() {
        eprintln!(
            "xtask: installing {name} {version} into {}, once",
            root.display()
        );
        // A debug build takes a minute or two and is fast enough for what it does.
        let wanted = ["install", name, "--version", version, "--locked", "--debug"];
        run(cargo(&wanted).arg("--root").arg(&root))?;
    }
    Ok(program)
}

/// A Python program in a virtual environment of its own under `target/`, where tests look for it.
pub(crate) fn python_program(
    environment: &str,
    requirements: &[&str],
    program: &str,
) -> Result<PathBuf, Failure> {
    let home = root().join("target").join(environment);
    let installed = home.join("bin").join(program);
    if installed.is_file() && home.join("complete").is_file() {
        return Ok(installed);
    }
    eprintln!(
        "xtask: installing {} from PyPI into {}, once",
        requirements.join(" "),
        home.display()
    );
    let python = system("python3", "python3")?;
    let by_hand = |failure| {
        Failure::new(format!(
            "{program} is needed; install it with `python3 -m venv target/{environment} && \
             target/{environment}/bin/pip install '{}'`, for which Debian and Ubuntu want the package python3-venv \
             ({failure})",
            requirements.join("' '")
        ))
    };
    run(command(python, &["-m", "venv", "--clear"]).arg(&home)).map_err(by_hand)?;
    let install = ["install", "--quiet"];
    run(command(home.join("bin/pip"), &install).args(requirements)).map_err(by_hand)?;
    // Says afterwards that all of it is there, which an interpreter alone does not.
    let complete = home.join("complete");
    std::fs::write(&complete, requirements.join("\n"))
        .map_err(|error| Failure::new(format!("{}: {error}", complete.display())))?;
    Ok(installed)
}

/// The path of a program, if it is installed.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|candidate| candidate.is_file())
}
