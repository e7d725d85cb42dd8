//! How many records a run may refuse.

use futures::executor::block_on;
use syncline::ErrorKind;
use syncline::job::Outcome;
use syncline::spec::JobSpec;

use crate::support::{How, Ran, try_run};

/// A job that refuses what is no number, with these limits.
fn run(limit: &str, seats: &[&str], how: How) -> Ran {
    let job = format!(
        r#"{{
        "version": 1, "name": "usage", {limit}
        "dataset": {{"version": 1, "source": {{"file": {{"name": "usage.csv", "columns": [{{"name": "seats", "type": "integer"}}]}}}}}},
        "objects": [{{"name": "usage", "identity": "generated", "fields": [{{"name": "seats", "type": "integer"}}]}}],
        "destinations": [{{"object": "usage", "mode": "insert", "mapping": {{"fields": [{{"field": "seats", "from": "seats"}}]}}}}]
    }}"#
    );
    let text = format!("seats\n{}\n", seats.join("\n"));
    try_run(&job, &[("usage.csv", &text)], how, false).unwrap()
}

fn small(group_records: u64) -> How {
    How {
        batch_rows: 1,
        chunk_bytes: 8,
        group_records,
        ..How::default()
    }
}

#[test]
fn a_run_that_refuses_more_than_so_many_stops_and_what_was_committed_stays() {
    let seats = ["1", "2", "x", "3", "x", "4", "x", "5"];
    let ran = run(r#""reject_limit": {"records": 2},"#, &seats, small(2));
    assert_eq!(ran.report.outcome, Outcome::Failed);
    let failure = ran.report.failure.as_ref().unwrap();
    assert_eq!(failure.kind(), ErrorKind::LimitExceeded);
    let told = failure.to_string();
    assert!(
        told.contains("reject_limit") && told.contains("destination: usage,"),
        "{told}"
    );
    assert!(ran.report.records < 8, "it stopped early: {}", ran.report);
    // Refused records are there to be looked at, the one too many included.
    assert_eq!(ran.reasons().len(), 3);
    assert_eq!(
        ran.object("usage").lines().count() - 1,
        ran.report.destinations[0].inserted as usize
    );
    // As many as are allowed are allowed.
    let ran = run(r#""reject_limit": {"records": 3},"#, &seats, small(2));
    assert_eq!(ran.report.outcome, Outcome::PartialSuccess);
}

#[test]
fn a_share_is_looked_at_where_a_group_closes() {
    let mut seats = vec!["x"];
    seats.extend(["7"; 19]);
    // One in twenty.
    let whole = run(r#""reject_limit": {"percent": 5},"#, &seats, small(20));
    assert_eq!(whole.report.outcome, Outcome::PartialSuccess);
    // But one in ten when the first group closes.
    let early = run(r#""reject_limit": {"percent": 5},"#, &seats, small(10));
    assert_eq!(early.report.outcome, Outcome::Failed);
    assert_eq!(
        early.report.failure.unwrap().kind(),
        ErrorKind::LimitExceeded
    );
    let none = run(r#""reject_limit": {"percent": 0},"#, &["1", "2"], small(10));
    assert_eq!(none.report.outcome, Outcome::Success);
    let one = run(r#""reject_limit": {"percent": 0},"#, &["1", "x"], small(10));
    assert_eq!(one.report.outcome, Outcome::Failed);
}

#[test]
fn without_a_limit_a_run_goes_on() {
    let ran = run("", &["1", "x", "x", "x"], small(1));
    assert_eq!(ran.report.outcome, Outcome::PartialSuccess);
    let spec = block_on(async {
        JobSpec::from_json(r#"{"version": 1, "name": "n", "reject_limit": {"record": 1}}"#)
    });
    assert_eq!(spec.unwrap_err().problems()[0].path, "reject_limit.record");
}
