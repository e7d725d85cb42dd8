//! Any bytes as a sample: an answer whose source has no problems, the same each time, or an error with advice.
//!
//! The first byte says whether the sample is the whole file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use syncline::file::{Guess, analyse_bytes};

fn check<T>(guess: &Guess<T>) {
    let others = guess.alternatives.iter().map(|other| other.confidence);
    let all = guess.confidence + others.sum::<f64>();
    assert!(
        (0.0..=1.0 + 1e-9).contains(&all),
        "confidences are parts of 1"
    );
}

fuzz_target!(|data: &[u8]| {
    let Some((first, sample)) = data.split_first() else {
        return;
    };
    let is_whole = first % 2 == 0;
    match analyse_bytes(sample, is_whole) {
        Ok(found) => {
            check(&found.encoding);
            check(&found.delimiter);
            check(&found.quote);
            check(&found.escape);
            check(&found.header);
            let source = found.source("f");
            assert!(source.columns.is_empty() || source.problems("source").is_empty());
            for column in &found.columns {
                check(&column.column);
                assert!(column.values + column.nulls <= found.records);
                assert!(column.unfit <= column.values / 20 && column.distinct <= column.values);
            }
            assert!(analyse_bytes(sample, is_whole).is_ok_and(|again| again == found));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
