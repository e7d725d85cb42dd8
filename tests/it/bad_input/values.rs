//! One bad cell between two good records: it becomes a reject that says where and what is expected, and the others are read.

use std::sync::Arc;

use futures::TryStreamExt as _;
use futures::executor::block_on;
use syncline::dataset::{Dataset as _, ReadRequest};
use syncline::file::DelimitedDataset;
use syncline::host::Context;
use syncline::memory::MemoryFiles;
use syncline::record::{FieldType, Reason};
use syncline::spec::{Column, FileSource, ValueFormat};

/// What becomes of `cell` between a good record in front and one behind: the message of its reject.
fn refused(column: Column, good: &str, cell: &str) -> Option<String> {
    let files = MemoryFiles::new();
    files.insert(
        "f.csv",
        format!("n,v\n1,\"{good}\"\n2,\"{cell}\"\n3,\"{good}\"\n"),
    );
    let number = Column::new("n", FieldType::Integer);
    let source = FileSource::new("f.csv", [number, column]);
    let context = Context::new();
    let batches: Vec<_> = block_on(async {
        let dataset = DelimitedDataset::open(&context, Arc::new(files), &source).await?;
        dataset
            .read(&context, ReadRequest::new())
            .try_collect()
            .await
    })
    .unwrap();
    let rows: usize = batches.iter().map(|batch| batch.len()).sum();
    let mut rejects = batches.iter().flat_map(|batch| &batch.rejects);
    let Some(reject) = rejects.next() else {
        assert_eq!(rows, 3, "{cell}");
        return None;
    };
    assert_eq!((rows, rejects.next().is_none()), (2, true), "{cell}");
    assert_eq!(reject.refusal.reason, Reason::BadValue, "{cell}");
    assert_eq!(reject.refusal.field.as_deref(), Some("v"), "{cell}");
    let place = reject.position.to_string();
    assert_eq!(
        place,
        format!("f.csv:3 (byte {})", 9 + good.len()),
        "{cell}"
    );
    assert!(
        !reject.refusal.message.contains(cell),
        "a message holds no value"
    );
    Some(reject.refusal.message.to_string())
}

#[test]
fn a_cell_that_is_no_value_of_its_type_costs_its_record() {
    let whole = "a whole number of at most 64 bits";
    let digits = "a decimal number within the field's digits";
    let float = "a finite number that a float can hold";
    let day = "a date like 2025-01-31";
    let instant = "an instant with its offset like 2025-01-31T12:34:56+01:00";
    let local = "a local time without offset like 2025-01-31T12:34:56";
    for (field_type, good, bad, expected) in [
        // Past 64 bits, and what only looks whole.
        ("integer", "1", "9223372036854775808", whole),
        (
            "integer",
            "-9223372036854775808",
            "-9223372036854775809",
            whole,
        ),
        ("integer", "9007199254740993", "9007199254740993.0", whole),
        ("integer", "1", "1e3", whole),
        ("integer", "1", "NaN", whole),
        ("integer", "1", "1 000", whole),
        ("integer", "1", "0x10", whole),
        ("decimal(4,2)", "99.99", "100.00", digits),
        ("decimal(4,2)", "-99.99", "0.001", digits),
        ("decimal(38,0)", "1", "1e400", digits),
        ("decimal(4,2)", "1.50", "1,50", digits),
        // 2^53 + 1 is no float; nor are what is not finite, and what would become zero.
        ("float", "9007199254740992", "9007199254740993", float),
        ("float", "1e308", "1e400", float),
        ("float", "-0", "-1e400", float),
        ("float", "0.1", "1e-400", float),
        ("float", "1.5", "NaN", float),
        ("float", "1.5", "inf", float),
        ("float", "1.5", "-Infinity", float),
        ("date", "2024-02-29", "2025-02-29", day),
        ("date", "2000-02-29", "1900-02-29", day),
        ("date", "9999-12-31", "10000-01-01", day),
        ("date", "0001-01-01", "0000-01-01", day),
        ("date", "2025-01-31", "2025-1-31", day),
        // Without a format nobody can tell which is the month.
        ("date", "2025-04-03", "03/04/2025", day),
        // An instant needs its offset, within what was ever in use, and no leap second.
        (
            "datetime",
            "2025-01-31T12:00:00Z",
            "2025-01-31T12:00:00",
            instant,
        ),
        (
            "datetime",
            "2025-01-31T12:00:00+14:00",
            "2025-01-31T12:00:00+16:00",
            instant,
        ),
        (
            "datetime",
            "2025-01-31T12:00:00-14:00",
            "2025-01-31T12:00:00-14:60",
            instant,
        ),
        (
            "datetime",
            "2016-12-31T23:59:59Z",
            "2016-12-31T23:59:60Z",
            instant,
        ),
        (
            "datetime",
            "0001-01-01T00:00:00Z",
            "0001-01-01T00:00:00+14:00",
            instant,
        ),
        (
            "datetime",
            "2025-01-31T12:00:00.123456Z",
            "2025-01-31T12:00:00.1234567Z",
            instant,
        ),
        (
            "local_datetime",
            "2025-01-31T12:00:00",
            "2025-01-31T12:00:00Z",
            local,
        ),
        ("local_datetime", "2025-01-31T12:00:00", "2024-05-06", local),
        ("boolean", "TRUE", "yes", "`true` or `false`"),
        ("email", "a@example.com", "a@example", "an e-mail address"),
        (
            "url",
            "https://example.com",
            "example.com",
            "an absolute URL",
        ),
        ("json", "[1]", "{1}", "a JSON document"),
        (
            "id",
            "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
            "abc",
            "36 characters",
        ),
    ] {
        let column = Column::new("v", field_type.parse().unwrap());
        let message = refused(column, good, bad);
        let message = message.unwrap_or_else(|| panic!("{field_type}: {bad} was read"));
        assert!(message.contains(expected), "{field_type} {bad}: {message}");
    }
}

#[test]
fn what_stands_at_the_border_is_a_value() {
    for (field_type, cell) in [
        ("integer", "9223372036854775807"),
        ("integer", "9007199254740993"),
        ("text", "9007199254740993"),
        ("decimal(38,0)", "99999999999999999999999999999999999999"),
        ("float", "-0.0"),
        ("float", "5e-324"),
        ("float", "1.7976931348623157e308"),
        ("datetime", "2025-01-31T12:00:00-14:00"),
        ("datetime", "9999-12-31T23:59:59.999999Z"),
        ("text", "NaN"),
    ] {
        let column = Column::new("v", field_type.parse().unwrap());
        assert_eq!(refused(column, cell, cell), None, "{field_type} {cell}");
    }
}

#[test]
fn a_format_says_how_a_cell_is_written_and_refuses_the_others() {
    let format = |json: &str| serde_json::from_str::<ValueFormat>(json).unwrap();
    for (field_type, json, good, bad, expected) in [
        (
            "date",
            r#"{"time": {"patterns": ["%d/%m/%Y"]}}"#,
            "31/01/2025",
            "01/31/2025",
            "%d/%m/%Y",
        ),
        (
            "date",
            r#"{"time": {"patterns": ["%d.%m.%Y"]}}"#,
            "29.02.2024",
            "29.02.2025",
            "%d.%m.%Y",
        ),
        (
            "datetime",
            r#"{"time": {"patterns": ["%Y-%m-%d %H:%M"], "zone": "Europe/Berlin"}}"#,
            "2025-03-30 03:30",
            // The clocks in Berlin never showed it.
            "2025-03-30 02:30",
            "write such a time with its offset",
        ),
        (
            "decimal(9,2)",
            r#"{"number": {"decimal_mark": ";", "grouping": "."}}"#,
            "1.234;50",
            "1.23;50",
            "1",
        ),
        (
            "boolean",
            r#"{"boolean": {"true": ["yes", "y"], "false": ["no", "n"]}}"#,
            "YES",
            "perhaps",
            "yes",
        ),
    ] {
        let column = Column::new("v", field_type.parse().unwrap()).with_format(format(json));
        let message = refused(column, good, bad);
        let message = message.unwrap_or_else(|| panic!("{field_type}: {bad} was read"));
        assert!(message.contains(expected), "{field_type} {bad}: {message}");
    }
}
