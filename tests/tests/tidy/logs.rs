//! Whoever filters logs finds each crate under its own name, however its modules are called.

use crate::{crates, files, none_of, read, shown};

const MACROS: [&str; 6] = ["trace", "debug", "info", "warn", "error", "event"];

#[test]
fn each_crate_logs_under_its_own_name() {
    let mut problems = Vec::new();
    for package in crates() {
        let own_name = format!("\"{}\"", package.name.replace('-', "_"));
        let sources = files(&package.dir.join("src"), ".rs");
        // Or a constant that says so.
        let constants: Vec<String> = sources
            .iter()
            .flat_map(|path| constants(&read(path), &own_name))
            .collect();
        for path in sources {
            let source = read(&path);
            for name in MACROS {
                let call = format!("tracing::{name}!(");
                for (start, _) in source.match_indices(&call) {
                    let first = source[start + call.len()..].trim_start();
                    let named = first.strip_prefix("target: ").is_some_and(|target| {
                        let value = target.split(',').next().unwrap_or_default();
                        let last = value.rsplit("::").next().unwrap_or_default();
                        value == own_name || constants.iter().any(|known| known == last)
                    });
                    if !named {
                        let line = source[..start].lines().count();
                        problems.push(format!("{}:{line}: no target {own_name}", shown(&path)));
                    }
                }
            }
        }
    }
    none_of(&problems);
}

/// The names of constants with this value.
fn constants(source: &str, value: &str) -> Vec<String> {
    let end = format!(": &str = {value};");
    source
        .lines()
        .filter_map(|line| line.strip_suffix(&end)?.rsplit(' ').next())
        .map(str::to_owned)
        .collect()
}
