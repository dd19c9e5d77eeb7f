//! The version of Rust that a crate states is enough for what it needs. Clippy holds that it is enough for its own code.

use std::collections::{HashMap, HashSet};
use std::process::Command;

use serde_json::Value;

use crate::{crates, none_of, root};

/// A version of Rust, such as 1.88.0.
type Version = (u64, u64, u64);

fn version(text: &str) -> Version {
    let mut parts = text.split('.').map(|part| part.parse().unwrap_or_default());
    let mut next = || parts.next().unwrap_or_default();
    (next(), next(), next())
}

#[test]
fn no_dependency_asks_for_a_later_rust_than_its_user_says() {
    let metadata = metadata();
    let packages: HashMap<&str, &Value> = metadata["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .map(|package| (text(&package["id"]), package))
        .collect();
    let ours: HashSet<String> = crates().into_iter().map(|ours| ours.name).collect();
    let mut problems = Vec::new();
    for (id, package) in &packages {
        let name = text(&package["name"]);
        if !ours.contains(name) {
            continue;
        }
        let stated = version(text(&package["rust_version"]));
        for needed in needed_by(id, &metadata) {
            let asked = packages[needed]["rust_version"].as_str();
            if asked.is_some_and(|asked| version(asked) > stated) {
                problems.push(format!("{name}: {needed} asks for {asked:?}"));
            }
        }
    }
    none_of(&problems);
}

/// The packages that one needs to run with all features, itself left out.
fn needed_by<'a>(id: &'a str, metadata: &'a Value) -> HashSet<&'a str> {
    let nodes: HashMap<&str, &Value> = metadata["resolve"]["nodes"]
        .as_array()
        .expect("nodes")
        .iter()
        .map(|node| (text(&node["id"]), node))
        .collect();
    let mut needed = HashSet::new();
    let mut open = vec![id];
    while let Some(id) = open.pop() {
        for dependency in nodes[id]["deps"].as_array().expect("dependencies") {
            let kinds = dependency["dep_kinds"].as_array().expect("kinds");
            let runs = kinds.iter().any(|kind| kind["kind"].is_null());
            let package = text(&dependency["pkg"]);
            if runs && needed.insert(package) {
                open.push(package);
            }
        }
    }
    needed
}

fn metadata() -> Value {
    let metadata = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["metadata", "--locked", "--format-version", "1"])
        .output()
        .expect("cargo runs");
    assert!(
        metadata.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&metadata.stderr)
    );
    serde_json::from_slice(&metadata.stdout).expect("cargo writes JSON")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
