//! The facade gives everything that the crates have, and its first page lists how.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use crate::{Package, crates, none_of, read};

/// Features that the facade does not pass on, with the reason.
const KEPT_BACK: &[(&str, &str, &str)] = &[
    (
        "palisade-audit",
        "cli",
        "builds a command, which is installed from its own crate",
    ),
    (
        "palisade-ratelimit",
        "simulate",
        "for `cargo xtask simulate` alone, and no part of the interface",
    ),
];

/// A feature: its crate and its name.
type Feature = (String, String);

/// The features that each feature turns on.
type Switches = BTreeMap<Feature, BTreeSet<Feature>>;

const FACADE: &str = "palisade";

#[test]
fn every_feature_of_every_crate_is_reached_through_the_facade() {
    let switches = switches(&crates());
    let reached = reached(&switches);
    let kept_back: BTreeSet<Feature> = KEPT_BACK
        .iter()
        .map(|(package, name, _)| feature(package, name))
        .collect();
    let missing = switches
        .keys()
        .filter(|feature| !reached.contains(*feature) && !kept_back.contains(*feature))
        .map(|(package, name)| format!("no feature of the facade turns on {package}/{name}"));
    let stale = kept_back
        .iter()
        .filter(|feature| reached.contains(*feature) || !switches.contains_key(*feature))
        .map(|(package, name)| format!("{package}/{name} is listed as kept back and is not"));
    none_of(&missing.chain(stale).collect::<Vec<_>>());
}

#[test]
fn the_front_page_of_the_facade_lists_its_features() {
    let crates = crates();
    let facade = crates
        .iter()
        .find(|package| package.name == FACADE)
        .expect("the facade is among the crates");
    let has: BTreeSet<String> = switches(&crates)
        .into_keys()
        .filter(|(package, name)| package == FACADE && name != "default")
        .map(|(_, name)| name)
        .collect();
    let page = read(&facade.dir.join("README.md"));
    let (_, section) = page.split_once("\n# Features\n").expect("a section");
    let section = section.split("\n# ").next().unwrap_or_default();
    let listed: BTreeSet<String> = section
        .lines()
        .filter_map(|line| line.strip_prefix('|')?.split('|').next())
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect();
    assert_eq!(listed, has);
}

/// All features that are on with every feature of the facade.
fn reached(switches: &Switches) -> BTreeSet<Feature> {
    let mut open: Vec<&Feature> = switches
        .keys()
        .filter(|(package, _)| package == FACADE)
        .collect();
    let mut reached = BTreeSet::new();
    while let Some(feature) = open.pop() {
        if reached.insert(feature.clone()) {
            open.extend(switches.get(feature).into_iter().flatten());
        }
    }
    reached
}

fn switches(crates: &[Package]) -> Switches {
    let mut switches = Switches::new();
    for package in crates {
        let manifest: Table = package.manifest.parse().expect("a manifest is TOML");
        let features = manifest.get("features").and_then(Value::as_table);
        for (name, list) in features.into_iter().flatten() {
            let list = list.as_array().into_iter().flatten();
            let on = list
                .filter_map(Value::as_str)
                .filter_map(|item| turned_on(&package.name, item));
            let on: BTreeSet<Feature> = on.collect();
            if name != "default" || !on.is_empty() {
                switches.insert(feature(&package.name, name), on);
            }
        }
    }
    switches
}

/// The feature that one item of a feature's list turns on, unless it only adds a crate from elsewhere.
fn turned_on(package: &str, item: &str) -> Option<Feature> {
    if let Some(dependency) = item.strip_prefix("dep:") {
        let ours = dependency.starts_with(FACADE);
        return ours.then(|| feature(dependency, "default"));
    }
    match item.split_once('/') {
        Some((dependency, name)) => Some(feature(dependency.trim_end_matches('?'), name)),
        None => Some(feature(package, item)),
    }
}

fn feature(package: &str, name: &str) -> Feature {
    (package.to_owned(), name.to_owned())
}

#[test]
fn features_are_followed_through_crates() {
    let package = |name: &str, features: &str| Package {
        name: name.to_owned(),
        dir: "elsewhere".into(),
        manifest: format!("[features]\n{features}\n"),
    };
    let switches = switches(&[
        package(
            "palisade",
            "a = [\"palisade-x?/a\"]\nx = [\"dep:palisade-x\"]",
        ),
        package(
            "palisade-x",
            "default = [\"d\"]\na = [\"b\"]\nb = []\nc = []\nd = [\"dep:tokio\"]",
        ),
    ]);
    let names = reached(&switches)
        .into_iter()
        .filter(|(package, _)| package == "palisade-x")
        .map(|(_, name)| name);
    assert_eq!(names.collect::<Vec<_>>(), ["a", "b", "d", "default"]);
}
