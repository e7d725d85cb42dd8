//! The job specs that ship with the crate are read, written and read again without a change.

use std::fs;
use std::path::{Path, PathBuf};

use syncline::spec::JobSpec;

/// Every job spec in a folder of the repository.
fn specs_in(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    files.sort();
    files
}

#[test]
fn shipped_specs_round_trip() {
    for (folder, count) in [("benches/jobs", 4), ("examples/data/nycflights", 5)] {
        let files = specs_in(folder);
        assert_eq!(files.len(), count, "job specs in {folder}");
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            let spec: JobSpec =
                serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            let written = serde_json::to_string(&spec).unwrap();
            let again: JobSpec = serde_json::from_str(&written).unwrap();
            assert_eq!(spec, again, "{}", file.display());
        }
    }
}
