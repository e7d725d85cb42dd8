//! What a report must add up to, and what it tells.

#![allow(clippy::unwrap_used)]

use super::*;

/// 45 records of which each fate met another number.
fn report() -> DestinationReport {
    let mut report = DestinationReport::new("contact", ["account".to_owned()]);
    let fates = [
        &mut report.inserted,
        &mut report.updated,
        &mut report.unchanged,
        &mut report.deleted,
        &mut report.filtered,
        &mut report.superseded,
        &mut report.skipped,
        &mut report.pending,
    ];
    (1..).zip(fates).for_each(|(count, fate)| *fate = count);
    report.reject(Reason::BadValue, 5);
    report.reject(Reason::NotUnique, 4);
    report.read = 45;
    report
}

#[test]
fn a_report_that_does_not_account_for_every_record_is_an_error() {
    report().check().unwrap();
    let with = |change: fn(&mut DestinationReport)| {
        let mut report = report();
        change(&mut report);
        report.check().unwrap_err().to_string()
    };
    let told = with(|report| report.read += 1);
    assert!(told.contains("46") && told.contains("45"), "{told}");
    with(|report| report.read -= 1);
    with(|report| report.inserted += 1);
    // Rejected are as many as have a reason.
    with(|report| *report.rejects.entry(Reason::BadValue).or_default() += 1);
}

#[test]
fn a_run_that_holds_a_row_back_is_not_at_its_end() {
    let mut report = report();
    assert!(report.check_at_end().is_err());
    report.read -= std::mem::take(&mut report.pending);
    report.check_at_end().unwrap();
    report.read += 1;
    assert!(report.check_at_end().is_err());
}

#[test]
fn a_report_tells_what_happened_and_nothing_of_what_did_not() {
    let at = DateTime::UNIX_EPOCH;
    let mut run = RunReport::new("contacts", at, at);
    run.destinations.push(DestinationReport::new("idle", []));
    run.window = Some(WindowReport::new("version"));
    assert_eq!(
        run.to_string(),
        "contacts: success, 0 records in 0.00 s (0 per second)\n  by version\n  idle: read 0\n"
    );
    let mut window = WindowReport::new("version");
    (window.outside, window.known) = (1, 2);
    run.window = Some(window);
    run.retries = 3;
    run.destinations = vec![report()];
    let told = run.to_string();
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let told: Vec<String> = told.lines().skip(1).map(words).collect();
    let expected = [
        "by version",
        "outside 1",
        "known 2",
        "contact: read 45",
        "inserted 1",
        "updated 2",
        "unchanged 3",
        "deleted 4",
        "filtered 5",
        "superseded 6",
        "skipped 7",
        "rejected 9",
        "pending 8",
        "bad_value 5",
        "not_unique 4",
        "lookup account: 0 resolved, 0 unresolved, 0 ambiguous, 0 empty",
        "tried again 3 times",
    ];
    assert_eq!(told, expected);
}
