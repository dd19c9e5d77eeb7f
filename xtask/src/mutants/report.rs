//! Counts what became of the mutants, and compares the survivors with those that have a reason.

use std::collections::BTreeSet;

/// The page that lists the survivors with their reasons.
pub(super) const PAGE: &str = "docs/mutants.md";

/// The mutants of one crate, by what became of them.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) killed: usize,
    pub(super) unviable: usize,
    /// Those that cannot be built together with the others, and are not tried.
    pub(super) apart: usize,
    /// Those that there was no time for.
    pub(super) untried: usize,
    /// One name may be that of several.
    pub(super) survived: Vec<String>,
}

impl Tally {
    pub(super) fn line(&self, package: &str) -> String {
        let viable = self.killed + self.survived.len();
        format!(
            "{package}: {} of {viable} viable mutants killed, {} do not compile, {} cannot be built with the others, {} not tried",
            self.killed, self.unviable, self.apart, self.untried
        )
    }

    /// Every survivor needs a reason, and 95 % of the viable ones have to be killed all the same.
    pub(super) fn problems(&self, package: &str, reasons: &BTreeSet<String>) -> Vec<String> {
        let mut problems: Vec<String> = self
            .survived
            .iter()
            .filter(|survivor| !reasons.contains(*survivor))
            .map(|survivor| format!("{survivor}: no test notices it, and {PAGE} has no reason"))
            .collect();
        let viable = self.killed + self.survived.len();
        if self.killed * 100 < viable * 95 {
            problems.push(format!("{package}: less than 95 % are killed"));
        }
        problems
    }
}

/// The mutants in the table of the page: the first cells, in backticks.
pub(super) fn survivors(page: &str) -> BTreeSet<String> {
    page.lines()
        .filter_map(|line| line.strip_prefix("| `crates/"))
        .filter_map(|rest| Some(format!("crates/{}", rest.split_once("` |")?.0)))
        .map(|name| name.replace("\\|", "|"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::mutant::Mutant;
    use super::*;

    fn name(line: &str) -> String {
        Mutant::read(line).unwrap().name
    }

    #[test]
    fn a_survivor_needs_a_reason_wherever_its_line_has_moved() {
        let page = "| mutant | reason |\n|---|---|\n| `crates/a/src/b.rs: replace \\| with &` | Equal. |\n";
        let reasons = survivors(page);
        let mut tally = Tally {
            killed: 98,
            ..Tally::default()
        };
        tally
            .survived
            .push(name("crates/a/src/b.rs:7:12: replace | with &"));
        assert!(tally.problems("a", &reasons).is_empty());
        assert_eq!(
            tally.line("a"),
            "a: 98 of 99 viable mutants killed, 0 do not compile, 0 cannot be built with the others, 0 not tried"
        );
        tally
            .survived
            .push(name("crates/a/src/b.rs:7:12: replace < with <="));
        assert_eq!(
            tally.problems("a", &reasons),
            [format!(
                "crates/a/src/b.rs: replace < with <=: no test notices it, and {PAGE} has no reason"
            )]
        );
    }

    #[test]
    fn too_many_survivors_are_a_failure_whatever_their_reasons() {
        let survived = ["x", "y"].map(str::to_owned);
        let tally = Tally {
            killed: 30,
            unviable: 5,
            apart: 1,
            untried: 0,
            survived: survived.to_vec(),
        };
        assert_eq!(
            tally.problems("a", &survived.into()),
            ["a: less than 95 % are killed"]
        );
    }
}
