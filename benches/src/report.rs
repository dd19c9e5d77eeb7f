//! The report of the figures: a line each on the terminal, `report.json`, and a page.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;

use palisade_core::time::WallClock;
use serde_json::Value;

use crate::directories::{root, scratch};
use crate::harness::{Figure, ROUNDS};
use crate::measure::Found;
use crate::numbers::{short, short_ratio};
use crate::{chart, machine, measures};

/// One measure, for somebody who watches.
pub(crate) fn line(found: &Found) -> String {
    let name = found.measure.name;
    let outcome = match &found.outcome {
        Ok(outcome) => outcome,
        Err(error) => return format!("{name:<32} could not be taken: {error}"),
    };
    let mut line = format!("{name:<32}");
    match outcome.ours {
        Some(ours) => _ = write!(line, " ours {}", figure(&ours, outcome.unit)),
        None => line.push_str(" ours -"),
    }
    for (peer, theirs) in &outcome.peers {
        let _ = write!(line, " | {peer} {}", figure(theirs, outcome.unit));
    }
    if let Some(ratio) = found.ratio() {
        let _ = write!(line, " | ratio {ratio:.3}");
    }
    if let Some(goal) = found.goal() {
        let met = match found.met() {
            Some(true) => "met",
            Some(false) => "MISSED",
            None if found.is_disturbed() => "no verdict",
            None => "open",
        };
        let _ = write!(line, " | goal {goal}: {met}");
    }
    if found.is_disturbed() {
        line.push_str(" | DISTURBED by other work on the machine");
    }
    line
}

fn figure(figure: &Figure, unit: &str) -> String {
    let mut text = format!(
        "{} (median {}) {unit}",
        short(figure.best),
        short(figure.median)
    );
    if let Some(allocs) = figure.allocs {
        let _ = write!(text, ", {} allocs", short(allocs));
    }
    text
}

/// Writes `target/bench/report.json`: an array with an object a measure.
pub(crate) fn write_json(all: &[Found]) -> Result<(), Box<dyn Error>> {
    let rows: Vec<Value> = all.iter().flat_map(Found::report).collect();
    fs::create_dir_all(scratch())?;
    let mut text = serde_json::to_string_pretty(&rows)?;
    text.push('\n');
    fs::write(scratch().join("report.json"), text)?;
    Ok(())
}

/// Writes `docs/performance.md` and its picture.
pub(crate) fn write_page(all: &[Found], load: Option<f64>) -> Result<(), Box<dyn Error>> {
    let docs = root().join("docs");
    fs::create_dir_all(docs.join("images"))?;
    fs::write(docs.join("images/performance.svg"), chart::draw(all))?;
    fs::write(docs.join("performance.md"), page(all, load))?;
    Ok(())
}

fn page(all: &[Found], load: Option<f64>) -> String {
    let written = WallClock::system().now().to_string();
    let date = written.split('T').next().unwrap_or_default();
    let mut page = format!(
        "# Performance\n\n\
         `cargo xtask bench` measures palisade beside its peers and writes this page. It was last written on {date}, on\n\
         {machine}.\n\n\
         **Only the ratios count.** Both sides run in one process and in rounds that take turns; the times drift from machine\n\
         to machine and from hour to hour, the ratios hardly. A time is that which the thread spends on the processor, in\n\
         the best of {rounds} rounds of about 1 ms, with the median beside it. The bare service and the making of the request\n\
         are measured the same way and taken off both sides, and the service is cloned for each request, as axum and\n\
         hyper-util do. A ratio is ours over the peer's: below 1 we are faster, except where a goal says `>=`. `x of one\n\
         thread` says how much two threads get done, by the clock on the wall: there nothing is taken off, and the figure\n\
         is the median of rounds that take one thread and two right after each other.\n\n\
         A loop of fixed work is timed before and after each measure. Where it takes longer than the fastest of the run, or\n\
         where the thread had to wait for a core, something else used the machine, and the measure is taken again. One that\n\
         stays `disturbed` after three repeats shows what was found and gives no verdict.\n",
        machine = machine::describe(),
        rounds = ROUNDS,
    );
    if let Some(load) = load.filter(|load| *load > 0.5) {
        let _ = write!(
            page,
            "\nThe machine was not idle (load {load:.1}), which blurs the measures with two threads most.\n"
        );
    }
    page.push_str("\n![Time beside the peer, for each measure](images/performance.svg)\n");
    let missed = all
        .iter()
        .filter(|found| found.met() == Some(false))
        .count();
    let met = all.iter().filter(|found| found.met() == Some(true)).count();
    let without = all
        .iter()
        .filter(|found| found.goal().is_some() && found.met().is_none());
    let (disturbed, open): (Vec<&Found>, Vec<&Found>) =
        without.partition(|found| found.is_disturbed());
    let (disturbed, open) = (disturbed.len(), open.len());
    let _ = write!(
        page,
        "\nGoals: {met} met, {missed} missed, {open} open because something is not built or not measured, {disturbed} \
         without a verdict because something else ran on the machine.\n"
    );
    for (group, title) in measures::GROUPS {
        let rows = all
            .iter()
            .filter(|found| found.measure.name.split('/').next() == Some(group));
        let _ = write!(
            page,
            "\n## {title}\n\n\
             | measure | what | ours (median) | peer (median) | ratio | allocations | goal | met |\n\
             |---|---|---|---|---|---|---|---|\n"
        );
        rows.for_each(|found| page.push_str(&table_rows(found)));
    }
    page
}

fn table_rows(found: &Found) -> String {
    let name = found.measure.name;
    let what = found.measure.what;
    let outcome = match &found.outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            return format!("| `{name}` | {what} | could not be taken: {error} | | | | | |\n");
        }
    };
    let cell = |figure: Option<&Figure>| {
        figure.map_or("-".to_owned(), |figure| {
            format!(
                "{} ({}) {}",
                short(figure.best),
                short(figure.median),
                outcome.unit
            )
        })
    };
    let allocs = |figure: Option<&Figure>| {
        figure
            .and_then(|figure| figure.allocs)
            .map_or("-".to_owned(), short)
    };
    let ours = outcome.ours.as_ref();
    let mut rows = String::new();
    for index in 0..outcome.peers.len().max(1) {
        let peer = outcome.peers.get(index);
        let ratio = match (ours, peer) {
            (Some(ours), Some((_, peer))) if peer.best > 0.0 => short_ratio(ours.best / peer.best),
            _ => "-".to_owned(),
        };
        let peer_cell = peer.map_or("-".to_owned(), |(name, figure)| {
            format!("{name}: {}", cell(Some(figure)))
        });
        let first = index == 0;
        let met = match found.met() {
            Some(true) => "yes",
            Some(false) => "**no**",
            None if found.is_disturbed() => "disturbed",
            None => "-",
        };
        let _ = writeln!(
            rows,
            "| {} | {} | {} | {peer_cell} | {ratio} | {} / {} | {} | {} |",
            if first {
                format!("`{name}`")
            } else {
                String::new()
            },
            if first { what } else { "" },
            if first { cell(ours) } else { String::new() },
            allocs(ours),
            allocs(peer.map(|(_, figure)| figure)),
            if first {
                found.goal().unwrap_or("-".to_owned())
            } else {
                String::new()
            },
            if first { met } else { "" },
        );
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goal::Goal;
    use crate::harness::Outcome;
    use crate::measure::Measure;

    fn found(name: &'static str, ours: f64, peer: f64) -> Found {
        let measure = Measure {
            name,
            what: "what it is",
            goals: &[Goal::RatioAtMost(0.5)],
            run: |_| Err("not run here".into()),
        };
        let outcome = Outcome {
            unit: "ns",
            ours: Some(Figure::single(ours)),
            peers: vec![("other 1.2.3".to_owned(), Figure::single(peer))],
            disturbed: false,
        };
        Found {
            measure,
            outcome: Ok(outcome),
        }
    }

    #[test]
    fn a_disturbed_measure_is_marked_and_counts_neither_as_met_nor_as_missed() {
        let mut found = found("breaker/closed", 588.0, 40.0);
        if let Ok(outcome) = &mut found.outcome {
            outcome.disturbed = true;
        }
        assert!(line(&found).ends_with("no verdict | DISTURBED by other work on the machine"));
        let page = page(std::slice::from_ref(&found), None);
        assert!(page.contains("Goals: 0 met, 0 missed, 0 open"), "{page}");
        assert!(page.contains(", 1 without a verdict"), "{page}");
        assert!(
            page.contains("| 14.70 | - / - | ratio <= 0.5 | disturbed |"),
            "{page}"
        );
        assert!(!chart::draw(&[found]).contains("breaker/closed"));
    }

    #[test]
    fn the_page_shows_every_figure_and_does_not_hide_a_missed_goal() {
        let all = [
            found("breaker/closed", 10.0, 40.0),
            found("headers/six", 30.0, 40.0),
        ];
        let page = page(&all, Some(3.0));
        assert!(page.contains("Goals: 1 met, 1 missed, 0 open"), "{page}");
        assert!(page.contains("The machine was not idle (load 3.0)"));
        let row = |name: &str| {
            page.lines()
                .find(|line| line.contains(name))
                .unwrap_or_default()
        };
        assert_eq!(
            row("`breaker/closed`"),
            "| `breaker/closed` | what it is | 10.0 (10.0) ns | other 1.2.3: 40.0 (40.0) ns | 0.25 | - / - \
             | ratio <= 0.5 | yes |"
        );
        assert!(row("`headers/six`").ends_with("| 0.75 | - / - | ratio <= 0.5 | **no** |"));
        let chart = chart::draw(&all);
        assert!(chart.contains("breaker/closed") && chart.contains("other 1.2.3"));
    }
}
