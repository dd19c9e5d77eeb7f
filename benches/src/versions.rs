//! The packages that were built, by name and version.

/// The versions that were built, as Cargo resolved them.
const LOCK: &str = include_str!("../../Cargo.lock");

/// A package with its version, such as `governor 0.10.4`; the newest where several are built.
pub(crate) fn version(package: &str) -> String {
    let name = format!("name = \"{package}\"");
    let mut lines = LOCK.lines();
    let mut newest = None;
    while lines.any(|line| line == name) {
        let version = lines
            .next()
            .and_then(|line| line.strip_prefix("version = "));
        let version = version.map(|version| version.trim_matches('"'));
        newest = newest.max(version.map(|version| (numbers(version), version)));
    }
    newest.map_or_else(
        || package.to_owned(),
        |(_, version)| format!("{package} {version}"),
    )
}

/// The numbers of a version, by which it is ordered.
fn numbers(version: &str) -> Vec<u64> {
    let numeric = |part: &str| part.parse().unwrap_or(0);
    version
        .split(['.', '-', '+'])
        .take(3)
        .map(numeric)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_one_that_is_built() {
        let named = version("tower_governor");
        assert!(named.starts_with("tower_governor 0."), "{named}");
        assert_eq!(version("no-such-package"), "no-such-package");
    }

    #[test]
    fn versions_are_ordered_as_numbers() {
        assert!(numbers("0.10.4") > numbers("0.9.12"));
    }
}
