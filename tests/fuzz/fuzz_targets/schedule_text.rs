//! Any text as a schedule and as a cron expression: refused with a reason, or a schedule that says itself again, and whose runs come one by one
//! wherever they are asked for.
#![no_main]
#![allow(clippy::expect_used)]

use chrono::{DateTime, Utc};
use libfuzzer_sys::fuzz_target;
use syncline::ErrorKind;
use syncline::schedule::{CompiledSchedule, Schedule as _, ScheduleRequest};
use syncline::spec::{Recurrence, ScheduleSpec};

fn next(schedule: &CompiledSchedule, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    schedule.next(&ScheduleRequest::new(after)).at()
}

fn run(spec: &ScheduleSpec) -> bool {
    let schedule = match CompiledSchedule::new(spec) {
        Ok(schedule) => schedule,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(!error.problems().is_empty());
            return false;
        }
    };
    // A minute before clocks are put back in Europe.
    for after in [1_761_440_340, 0, 253_402_300_799] {
        let after = DateTime::from_timestamp(after, 0).expect("an instant");
        let Some(first) = next(&schedule, after) else {
            continue;
        };
        assert!(after < first);
        if let Some(second) = next(&schedule, first) {
            assert!(first < second);
            // From the middle between two runs, the second is still the next.
            let middle = first + (second - first) / 2;
            let follows_runs = spec.to_string().contains("after the end");
            assert!(follows_runs || middle == first || next(&schedule, middle) == Some(second));
        }
    }
    true
}

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    match text.parse::<ScheduleSpec>() {
        Ok(spec) => {
            let again: ScheduleSpec = spec.to_string().parse().expect("its own text");
            assert_eq!(again, spec);
            run(&spec);
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::Invalid),
    }
    let cron = ScheduleSpec::new(Recurrence::Cron(text.into_owned())).with_zone("Europe/Berlin");
    if run(&cron) {
        let again: ScheduleSpec = cron.to_string().parse().expect("its own text");
        assert_eq!(again, cron);
    }
});
