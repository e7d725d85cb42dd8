//! Any text as a job: it is read and written the same, or refused with a reason.
#![no_main]
#![allow(clippy::expect_used)]

use libfuzzer_sys::fuzz_target;
use syncline::spec::JobSpec;

fuzz_target!(|text: &str| {
    match JobSpec::from_json(text) {
        Ok(spec) => {
            let written = serde_json::to_string(&spec).expect("a spec is written");
            let again = JobSpec::from_json(&written).expect("what is written is read");
            assert_eq!(again, spec);
        }
        Err(error) => assert!(!error.problems().is_empty()),
    }
});
