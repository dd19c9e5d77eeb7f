//! Arrows point down, and nobody pays for what the first example does not need.

use std::collections::BTreeSet;
use std::process::Command;

use crate::{crates, none_of, root};

/// The number of crates of others that each crate pulls in with its default features, directly and indirectly, and why
/// it is not fewer. A number grows only with its reason.
const CEILINGS: &[(&str, usize, &str)] = &[
    (
        "palisade-core",
        36,
        "http and http-body, ring, serde_json for problem bodies, jiff for their time, tokio's clock, quanta (4) to read the \
         processor's counter in its place, tracing, arc-swap (2) to replace a filter while it runs",
    ),
    ("palisade", 36, "core's; each module is behind a feature"),
    ("palisade-ratelimit", 36, "core's, and nothing else"),
    (
        "palisade-breaker",
        58,
        "core's, httpdate for the three forms of a date in `Retry-After`, and hyper, hyper-util's client and h2, whose \
         errors alone tell a caller's broken upload from a failure of the upstream; without feature `hyper` not these",
    ),
    (
        "palisade-client",
        64,
        "core's, the breaker's with retries, hyper's client, hyper-util's pool and proxies, rustls, and the certificates of \
         the system",
    ),
    (
        "palisade-auth",
        56,
        "core's, jsonwebtoken with the PEM reader that it needs for keys (18), quick_cache for verified tokens",
    ),
    ("palisade-headers", 36, "core's, and nothing else"),
    (
        "palisade-audit",
        37,
        "core's, and base64 for hashes and signatures",
    ),
    (
        "palisade-crypto",
        50,
        "core's, aes for the one block that XAES derives keys with (9), arc-swap for keyrings, base64 for keys, and \
         base64-simd (3) for values, which it reads and writes in a third of the time",
    ),
    (
        "palisade-secrets",
        41,
        "core's, secrecy at the border, arc-swap for snapshots, base64, serde_path_to_error to name a field",
    ),
];

#[test]
fn no_crate_pulls_in_more_than_it_says() {
    let mut problems = Vec::new();
    for package in crates() {
        let name = package.name;
        let Some((_, ceiling, _)) = CEILINGS.iter().find(|(known, ..)| *known == name) else {
            problems.push(format!("{name} has no ceiling"));
            continue;
        };
        let pulled_in = foreign_dependencies(&name);
        if pulled_in.len() > *ceiling {
            problems.push(format!(
                "{name}: {} dependencies, at most {ceiling}: {}",
                pulled_in.len(),
                Vec::from_iter(pulled_in).join(", ")
            ));
        }
    }
    none_of(&problems);
}

/// The names of what a crate needs in order to run, without what is only needed to build it.
fn foreign_dependencies(package: &str) -> BTreeSet<String> {
    let tree = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["tree", "--locked", "--package", package])
        .args(["--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .output()
        .expect("cargo runs");
    assert!(
        tree.status.success(),
        "cargo tree: {}",
        String::from_utf8_lossy(&tree.stderr)
    );
    String::from_utf8_lossy(&tree.stdout)
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| !name.is_empty() && *name != "palisade" && !name.starts_with("palisade-"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn no_feature_crate_depends_on_a_sibling() {
    let mut problems = Vec::new();
    for package in crates() {
        if package.name == "palisade" {
            continue;
        }
        for line in package.manifest.lines() {
            let named = line.split(['.', ' ', '=']).next().unwrap_or_default();
            let below = match named {
                "palisade-core" | "palisade-client" => true,
                // The client of the family stands behind the breaker, so that the others need not repeat it.
                "palisade-breaker" => package.name == "palisade-client",
                _ => named == package.name,
            };
            let ours = named == "palisade" || named.starts_with("palisade-");
            if ours && !below {
                problems.push(format!("{} depends on {named}", package.name));
            }
        }
    }
    none_of(&problems);
}

#[test]
fn the_core_depends_on_no_other_crate_of_ours() {
    let core = crates()
        .into_iter()
        .find(|package| package.name == "palisade-core")
        .expect("there is a core");
    let ours = core
        .manifest
        .lines()
        .filter(|line| line.starts_with("palisade"));
    assert_eq!(ours.count(), 0);
}
