use std::path::{Path, PathBuf};
use std::process::Command;

/// syslog-ng as `cargo xtask test --full` unpacks it: its package and rsyslog's exclude each other.
pub(crate) fn command() -> Command {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/syslog-ng");
    let program = home.join("usr/sbin/syslog-ng");
    assert!(program.is_file(), "cargo xtask test --full unpacks it");
    let libraries = ["usr/lib", "lib"]
        .into_iter()
        .flat_map(|directory| below(&home.join(directory)))
        .collect::<Vec<_>>();
    let modules = libraries
        .iter()
        .find(|directory| directory.join("libafsocket.so").is_file())
        .expect("the modules of syslog-ng");
    let mut command = Command::new(program);
    command
        .arg("--no-caps")
        .arg(format!("--module-path={}", modules.display()))
        .env("LD_LIBRARY_PATH", std::env::join_paths(&libraries).unwrap());
    command
}

/// A directory and those in it, two levels deep.
fn below(directory: &Path) -> Vec<PathBuf> {
    let mut found = vec![directory.to_owned()];
    for _ in 0..2 {
        let entries: Vec<PathBuf> = found
            .iter()
            .filter_map(|directory| std::fs::read_dir(directory).ok())
            .flatten()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir() && !found.contains(path))
            .collect();
        found.extend(entries);
    }
    found
}
