//! Findings and seeds of fuzzing stay mended: the corpus of each target, replayed without libFuzzer.

#![allow(missing_docs, reason = "tests")]

#[allow(unreachable_pub, reason = "public to the fuzz targets")]
#[path = "../../fuzz/src/lib.rs"]
mod fuzz;

use std::fs;
use std::path::{Path, PathBuf};

fn fuzz_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn the_corpus_of_every_fuzz_target_passes() {
    for (name, _) in fuzz::TARGETS {
        let corpus = entries(&fuzz_dir().join("corpus").join(name));
        assert!(!corpus.is_empty(), "{name} has no corpus");
        for entry in corpus {
            let data = fs::read(&entry).unwrap();
            fuzz::run(name, &data);
        }
    }
}

#[test]
fn every_fuzz_target_is_replayed() {
    let mut targets: Vec<String> = entries(&fuzz_dir().join("fuzz_targets"))
        .iter()
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    targets.sort();
    let mut replayed: Vec<&str> = fuzz::TARGETS.iter().map(|(name, _)| *name).collect();
    replayed.sort_unstable();
    assert_eq!(targets, replayed);
}
