//! What a run of an incremental job takes over from the one before.

#![allow(clippy::unwrap_used)]

use futures::executor::block_on;

use super::*;
use crate::host::SeededEntropy;
use crate::memory::{ManualClock, MemoryDataset};
use crate::record::Field;

fn schema() -> Schema {
    Schema::new(vec![
        Field::new("version", FieldType::Integer),
        Field::new("day", FieldType::Date),
        Field::new("at", FieldType::DateTime),
    ])
}

fn plan(by: &Incremental) -> IncrementalPlan {
    IncrementalPlan::compile(by, &schema(), "dataset").unwrap()
}

#[test]
fn values_are_counted_in_units_before_and_after_1970() {
    let date = |text: &str| CursorValue::Date(text.parse().unwrap());
    let time = |text: &str| CursorValue::DateTime(text.parse().unwrap());
    let values = [
        (Kind::Integer, -1, CursorValue::Integer(-1)),
        (Kind::Date, -1, date("1969-12-31")),
        (Kind::Date, 0, date("1970-01-01")),
        (Kind::Date, 20_000, date("2024-10-04")),
        (Kind::DateTime, -1, time("1969-12-31T23:59:59.999999Z")),
        (Kind::DateTime, 1, time("1970-01-01T00:00:00.000001Z")),
    ];
    for (kind, units, value) in values {
        assert_eq!(
            (kind.value(units), kind.units(value)),
            (Some(value), Some(units))
        );
    }
    assert_eq!(
        (Kind::Date.value(i64::MIN), Kind::DateTime.value(i64::MAX)),
        (None, None)
    );
    assert_eq!(Kind::Date.units(CursorValue::Integer(1)), None);
}

#[test]
fn a_window_begins_below_the_watermark_by_the_overlap_and_the_plan_says_so() {
    let by = |field: &str, overlap| Incremental::new(field).with_overlap(overlap);
    let plans = [
        (by("version", Overlap::Steps(3)), 3, "3 steps again"),
        (by("day", Overlap::Days(2)), 2, "2 days again"),
        (by("at", Overlap::Seconds(2)), 2_000_000, "2 seconds again"),
    ];
    for (by, less, told) in plans {
        let plan = plan(&by);
        assert_eq!((plan.from(Some(0)), plan.from(None)), (Some(-less), None));
        assert_eq!(plan.from(Some(i64::MIN)), Some(i64::MIN));
        let told = format!(
            "what is new by `{}`, {told}, all of which is written again",
            by.field
        );
        assert_eq!(plan.to_string(), told);
    }
    assert_eq!(plan(&Incremental::new("day")).from(Some(7)), Some(7));
}

/// The window of a run that is the first of its job.
fn begin(by: &Incremental, seed: u64, range: Option<&CursorRange>) -> Reading {
    let now = Arc::new(ManualClock::new("2025-01-31T06:00:00Z".parse().unwrap()));
    let context = Context::new()
        .with_clock(now)
        .with_entropy(Arc::new(SeededEntropy::new(seed)));
    let dataset = MemoryDataset::new("rows", schema(), vec![]).unwrap();
    let plan = Arc::new(plan(by));
    let reading = Reading::begin(&context, &dataset, Some(&plan), range, None);
    block_on(reading).unwrap().unwrap()
}

#[test]
fn nobody_can_tell_which_versions_are_taken_for_one() {
    let seeds = [1, 2].map(|seed| {
        begin(&Incremental::new("version"), seed, None)
            .progress
            .recent
            .seeds
    });
    assert!(seeds[0].0 != seeds[1].0 && seeds[0].1 != seeds[1].1 && seeds[0].0 != seeds[0].1);
}

#[test]
fn a_destination_that_keeps_the_progress_gives_it_back() {
    let mut reading = begin(&Incremental::new("version"), 1, None);
    let version = Version {
        key: 1,
        content: 2,
        at: 3,
    };
    let counts = Counts {
        outside: 1,
        known: 2,
        empty: 3,
        future: 4,
    };
    let seen = Seen {
        newest: Some(3),
        counts,
        versions: vec![version],
    };
    reading.take(&seen);
    reading.take(&seen);
    let progress = reading.progress();
    let doubled = Counts {
        outside: 2,
        known: 4,
        empty: 6,
        future: 8,
    };
    assert_eq!((progress.counts, progress.newest), (doubled, Some(3)));
    assert_eq!(
        Progress::from_text(&progress.to_text().unwrap()).unwrap(),
        progress
    );
    // Of a window that is given up nothing is known, since what was handed on later is not.
    assert!(progress.clone().next(true).recent.has(version));
    let given_up = progress.next(false);
    assert!(!given_up.recent.has(version) && given_up.watermark.is_none());
}

#[test]
fn what_lies_below_the_next_window_is_not_remembered() {
    // The numbers of some sources fall below zero, and so may any overlap.
    for zero in [-1000, 0, 1000] {
        let by = Incremental::new("version").with_overlap(Overlap::Steps(10));
        let mut reading = begin(&by, 1, None);
        let version = |at| Version {
            key: at as u64,
            content: 0,
            at,
        };
        let versions = [-10, 0, -11].map(|at| version(zero + at));
        let mut seen = Seen {
            newest: Some(zero),
            ..Seen::default()
        };
        seen.versions.extend(versions);
        reading.take(&seen);
        let recent = reading.progress().recent;
        assert_eq!(
            versions.map(|version| recent.has(version)),
            [true, true, false]
        );
    }
}

#[test]
fn a_stretch_of_the_past_has_no_records_without_a_value() {
    let by = Incremental::new("version").with_nulls(NullCursor::Always);
    let range = CursorRange {
        from: Some(CursorValue::Integer(1)),
        to: None,
    };
    assert!(begin(&by, 1, None).bounds().nulls);
    assert!(!begin(&by, 1, Some(&range)).bounds().nulls);
    assert!(
        !begin(&by.with_nulls(NullCursor::Skip), 1, None)
            .bounds()
            .nulls
    );
}
