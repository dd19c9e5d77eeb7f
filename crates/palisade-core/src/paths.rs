/// Paths that operators and their probes call, exempt by default where exemption makes sense.
pub const OPERATIONAL_PATHS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// A small set of request paths, matched exactly and in full.
///
/// Nothing is decoded or normalised: `/healthz/`, `//healthz` and `/%68ealthz` are other paths, because an exemption
/// that guesses can be talked into exempting what it should not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathSet {
    paths: Vec<Box<str>>,
    /// A bit for each [`mark`] that a path has: most paths that are asked for are told apart by it.
    marks: u64,
}

/// The mark of a path, in 0 to 63, which equal paths share: its last byte, of letters and digits the part that differs.
#[inline]
fn mark(path: &str) -> u32 {
    u32::from(path.as_bytes().last().copied().unwrap_or(0) & 63)
}

impl PathSet {
    /// No path at all.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            paths: Vec::new(),
            marks: 0,
        }
    }

    /// The [`OPERATIONAL_PATHS`].
    #[must_use]
    pub fn operational() -> Self {
        Self::of(OPERATIONAL_PATHS)
    }

    /// Exactly these paths.
    #[must_use]
    pub fn of<P: AsRef<str>>(paths: impl IntoIterator<Item = P>) -> Self {
        let paths: Vec<Box<str>> = paths.into_iter().map(|path| path.as_ref().into()).collect();
        let marks = paths.iter().fold(0, |marks, path| marks | 1 << mark(path));
        Self { paths, marks }
    }

    /// Whether `path` is one of them.
    #[inline]
    #[must_use]
    pub fn contains(&self, path: &str) -> bool {
        self.marks >> mark(path) & 1 == 1 && self.paths.iter().any(|known| **known == *path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_path_matches() {
        let paths = PathSet::operational();
        assert!(paths.contains("/healthz"));
        for near in [
            "/healthz/",
            "/Healthz",
            "/healthz/x",
            "//healthz",
            "/%68ealthz",
            "",
        ] {
            assert!(!paths.contains(near), "{near:?} is not /healthz");
        }
    }
}
