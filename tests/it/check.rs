//! Test runs of delimited files.

use std::fmt::Write as _;
use std::sync::Arc;

use futures::executor::block_on;
use syncline::file::{CheckReport, CheckRequest, check};
use syncline::host::{CancelToken, Context, FileStore};
use syncline::memory::MemoryFiles;
use syncline::record::{Field, FieldType, Reason};
use syncline::spec::FileSource;
use syncline::{ErrorKind, Result};

fn source() -> FileSource {
    let seats = Field::new("seats", FieldType::Integer);
    FileSource::new("seats.csv", [seats, Field::new("day", FieldType::Date)])
}

fn run(context: &Context, text: &str, request: CheckRequest) -> Result<CheckReport> {
    let files = Arc::new(MemoryFiles::new());
    files.insert("seats.csv", text.to_owned());
    let store: Arc<dyn FileStore> = files.clone();
    let report = block_on(check(context, store, &source(), request));
    assert_eq!(block_on(files.list("")).unwrap(), ["seats.csv"]);
    report
}

#[test]
fn every_bad_record_is_listed_with_place_and_reason() {
    let text = "seats,day\n1,2025-01-31\nmany,2025-01-31\n2\n\"3\"x,2025-01-31\n4,someday\n5,\n";
    let report = run(&Context::new(), text, CheckRequest::new()).unwrap();
    let found: Vec<_> = report
        .rejects
        .iter()
        .map(|reject| {
            let refusal = &reject.refusal;
            (
                reject.position.to_string(),
                refusal.reason,
                refusal.field.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            (
                "seats.csv:3 (byte 23)".into(),
                Reason::BadValue,
                Some("seats")
            ),
            (
                "seats.csv:4 (byte 39)".into(),
                Reason::WrongColumnCount,
                None
            ),
            ("seats.csv:5 (byte 41)".into(), Reason::BadQuotes, None),
            (
                "seats.csv:6 (byte 57)".into(),
                Reason::BadValue,
                Some("day")
            ),
        ]
    );
    for reject in &report.rejects {
        let message = &reject.refusal.message;
        assert!(
            !message.contains("many") && !message.contains("someday"),
            "{message}"
        );
    }
    assert_eq!((report.records(), report.good, report.rejected), (6, 2, 4));
    assert_eq!(report.reasons[&Reason::BadValue], 2);
    assert_eq!((report.columns["seats"], report.columns["day"]), (1, 1));
    assert_eq!(report.bytes, text.len() as u64);
    assert!(!report.cancelled);
}

#[test]
fn the_count_is_exact_however_few_are_kept() {
    let mut text = "seats,day\n".to_owned();
    for row in 0..50_000 {
        let _ = writeln!(text, "{},", if row % 5 == 0 { "x" } else { "1" });
    }
    for kept in [0, 7] {
        let request = CheckRequest::new().with_rejects(kept);
        let report = run(&Context::new(), &text, request).unwrap();
        assert_eq!((report.good, report.rejected), (40_000, 10_000));
        assert_eq!(report.columns["seats"], 10_000);
        assert_eq!(report.rejects.len(), kept);
    }
}

#[test]
fn rejects_are_kept_up_to_their_bytes() {
    let text = format!("seats,day\n{}", "0123456789x,\n".repeat(100));
    for (bytes, kept) in [
        (0, 0),
        (10, 0),
        (11, 1),
        (33, 3),
        (34, 3),
        (usize::MAX, 100),
    ] {
        let request = CheckRequest::new().with_reject_bytes(bytes);
        let report = run(&Context::new(), &text, request).unwrap();
        assert_eq!(
            (report.rejected, report.rejects.len()),
            (100, kept),
            "{bytes}"
        );
    }
    // The first ones are kept, and none behind one that has no room.
    let text = "seats,day\nx,\nmany many,\ny,\n";
    let report = run(
        &Context::new(),
        text,
        CheckRequest::new().with_reject_bytes(5),
    )
    .unwrap();
    assert_eq!((report.rejected, report.rejects.len()), (3, 1));
}

#[test]
fn a_cancelled_run_says_so() {
    let token = CancelToken::new();
    token.cancel();
    let context = Context::new().with_cancel(token);
    let report = run(&context, "seats,day\n1,\n", CheckRequest::new()).unwrap();
    assert!(report.cancelled);
    assert_eq!(report.records(), 0);
}

#[test]
fn a_missing_column_fails_the_run() {
    let error = run(&Context::new(), "seats\n1\n", CheckRequest::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!(error.to_string().contains("`day`"), "{error}");
}
