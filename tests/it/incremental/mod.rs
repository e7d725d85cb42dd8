//! Incremental sync: windows, overlaps, ranges, and deletes of the source.

mod deletes;
mod histories;
mod scene;
mod source;
mod window;

use std::sync::Arc;

use syncline::dataset::Dataset;
use syncline::job::RunReport;

impl scene::Scene {
    /// A run that has to come to its end.
    fn run(&mut self, dataset: impl Dataset + 'static) -> RunReport {
        let report = self.run_with(Arc::new(dataset), |request| request).unwrap();
        assert!(report.failure.is_none(), "{report}");
        report
    }
}

/// `SYNCLINE_HISTORIES` says how many.
#[test]
fn no_history_loses_a_record() {
    let count = std::env::var("SYNCLINE_HISTORIES").map(|count| count.parse().expect("a number"));
    for seed in 0..count.unwrap_or(3_000) {
        let broken = histories::tell(seed);
        assert!(broken.is_none(), "seed {seed}: {broken:?}");
    }
}
