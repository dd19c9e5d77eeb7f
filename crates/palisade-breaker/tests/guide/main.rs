//! Each line of the tables in the guide for who comes from resilience4j, tower-resilience or reqwest-retry.
//!
//! A line is known by its first cell: one that is not tested here, or no longer in the guide, fails.
#![cfg(all(feature = "reqwest", feature = "retry"))]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/upstream.rs"]
mod upstream;

mod from_reqwest_retry;
mod from_resilience4j;
mod from_tower_resilience;

const GUIDE: &str = include_str!("../../../../docs/guides/retry-and-breaker-from-elsewhere.md");

/// The first cells of the table under this heading.
fn first_cells(heading: &str) -> Vec<&'static str> {
    let (_, section) = GUIDE.split_once(heading).expect("the guide has it");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| "));
    let first = |row: &'static str| row["| ".len()..].split(" | ").next();
    // Without the head of the table.
    rows.filter_map(first).skip(1).collect()
}

/// Tests of the lines of one table, under its heading.
macro_rules! table {
    ($heading:literal: $($line:literal => $name:ident $test:block)*) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $name() $test
        )*

        #[test]
        fn every_line_of_its_table_is_tested() {
            assert_eq!(crate::first_cells($heading), [$($line),*]);
        }
    };
}
pub(crate) use table;
