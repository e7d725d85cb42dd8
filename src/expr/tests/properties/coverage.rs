//! Whether the random expressions meet everything there is.

use std::collections::BTreeSet;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::grow::{KINDS, ROUNDINGS, UNITS};
use super::times::{CALENDAR, CLOCK};
use super::{Hits, check};
use crate::spec::Expr;

/// The keys of all steps, as the reader of specs names them for an unknown one.
fn keys() -> Vec<String> {
    let message = serde_json::from_str::<Expr>(r#"{"?": 0}"#).unwrap_err();
    let message = message.to_string();
    let (_, list) = message.split_once("expected one of").unwrap();
    let keys: Vec<String> = (list.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect();
    assert!(keys.len() > 50, "{message}");
    keys
}

/// What is counted besides the steps themselves.
fn details() -> Vec<String> {
    let mut details = Vec::new();
    for rounding in ROUNDINGS {
        details.push(format!("divide {rounding:?}"));
        details.push(format!("round {rounding:?}"));
    }
    for side in [
        "trim Both",
        "trim Start",
        "trim End",
        "pad Start",
        "pad End",
    ] {
        details.push(side.into());
    }
    for repeated in ["Reject", "Earlier", "Later"] {
        details.push(format!("to_instant {repeated}"));
    }
    for of in ["date", "datetime", "local_datetime"] {
        let is_date = of == "date";
        for step in ["date_add", "date_diff", "truncate"] {
            let units = if is_date { &UNITS[..5] } else { &UNITS };
            details.extend(units.iter().map(|unit| format!("{step} {unit:?} of {of}")));
        }
        let clock = if is_date { &[][..] } else { &CLOCK };
        let parts = CALENDAR.iter().chain(clock);
        details.extend(parts.map(|part| format!("part {part:?} of {of}")));
        details.push(format!("format of {of}"));
        details.push(format!("convert {of} to text"));
        details.push(format!("convert text to {of}"));
    }
    for number in ["integer", "decimal", "currency", "percent"] {
        details.push(format!("convert text to {number}"));
        details.push(format!("convert {number} to float"));
        details.push(format!("convert float to {number}"));
    }
    for others in [
        "boolean to integer",
        "integer to boolean",
        "date to local_datetime",
    ] {
        details.push(format!("convert {others}"));
    }
    details
}

#[test]
fn every_step_gives_values() {
    let hits = Hits::default();
    let mut runner = TestRunner::deterministic();
    let mut draw = |length: usize| {
        let numbers = proptest::collection::vec(proptest::num::u32::ANY, length);
        numbers.new_tree(&mut runner).unwrap().current()
    };
    for case in 0..4000 {
        let (form, rows) = (draw(160), draw(600));
        check(KINDS[case % KINDS.len()], &form, &rows, &hits).unwrap();
    }
    let hits = hits.into_inner();
    let found: BTreeSet<&String> = hits
        .iter()
        .filter(|(_, times)| **times >= 3)
        .map(|(name, _)| name)
        .collect();
    let wanted: Vec<String> = keys().into_iter().chain(details()).collect();
    let missed: Vec<&String> = (wanted.iter())
        .filter(|name| !found.contains(name))
        .collect();
    assert!(missed.is_empty(), "never or hardly met: {missed:?}");
}
