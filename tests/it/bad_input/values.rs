//! One bad cell between two good records: it becomes a reject that says where and what is expected, and the others are read.

use std::sync::Arc;

use futures::TryStreamExt as _;
use futures::executor::block_on;
use syncline::dataset::{Dataset as _, ReadRequest};
use syncline::file::DelimitedDataset;
use syncline::host::Context;
use syncline::memory::MemoryFiles;
use syncline::record::{FieldType, Reason, format};
use syncline::spec::{Column, FileSource, ValueFormat};

/// What becomes of `cell` between a good record in front and one behind: its value as it is written, or the message of its
/// reject.
fn becomes(column: Column, good: &str, cell: &str) -> Result<String, String> {
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
    let [batch] = &batches[..] else {
        panic!("{} batches", batches.len())
    };
    let Some(reject) = batch.rejects.first() else {
        assert_eq!(batch.len(), 3, "{cell}");
        let mut text = Vec::new();
        assert!(format::value(batch.records.column(1), 1, &mut text));
        return Ok(String::from_utf8(text).unwrap());
    };
    assert_eq!((batch.len(), batch.rejects.len()), (2, 1), "{cell}");
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
    Err(reject.refusal.message.to_string())
}

/// Behind what is expected, where a cell may be a value in another writing.
const OTHER_WRITING: &str = "; if it is written in another way, say so in the column's `format`";

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
            "an absolute URL without blanks",
        ),
        ("json", "[1]", "{1}", "a JSON document"),
        (
            "id",
            "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
            "abc",
            "an id of 36 characters out of 0-9 and A-Z",
        ),
    ] {
        let column = Column::new("v", field_type.parse().unwrap());
        let message = becomes(column, good, bad).unwrap_err();
        let expected = format!("expected {expected}");
        let told = message.strip_suffix(OTHER_WRITING).unwrap_or(&message);
        assert_eq!(told, expected, "{field_type} {bad}");
    }
}

#[test]
fn a_cell_that_may_be_written_in_another_way_is_told_of_formats() {
    for (field_type, good, bad, is_other_writing) in [
        ("date", "2025-04-03", "03/04/2025", true),
        ("date", "2025-04-03", "2025-4-3", true),
        ("date", "2025-04-03", "soon", false),
        (
            "datetime",
            "2025-01-31T12:00:00Z",
            "2025-01-31T12:00:00",
            true,
        ),
        ("decimal(4,2)", "1.50", "1,50", true),
        ("decimal(4,2)", "1.50", "half", false),
        ("integer", "1", "1 000", true),
        ("integer", "1", "many", false),
        ("boolean", "true", "yes", true),
        ("email", "a@example.com", "a@example", false),
    ] {
        let column = Column::new("v", field_type.parse().unwrap());
        let message = becomes(column, good, bad).unwrap_err();
        let told = message.ends_with(OTHER_WRITING);
        assert_eq!(told, is_other_writing, "{field_type} {bad}: {message}");
    }
}

#[test]
fn what_stands_at_the_border_is_a_value() {
    for (field_type, cell, value) in [
        ("integer", "9223372036854775807", "9223372036854775807"),
        ("integer", "9007199254740993", "9007199254740993"),
        ("integer", "-0", "0"),
        ("text", "9007199254740993", "9007199254740993"),
        ("text", "NaN", "NaN"),
        (
            "decimal(38,0)",
            "99999999999999999999999999999999999999",
            "99999999999999999999999999999999999999",
        ),
        ("decimal(4,2)", "-0.00", "0.00"),
        // A float has a negative zero, and keeps it.
        ("float", "-0.0", "-0"),
        ("float", "5e-324", "5e-324"),
        ("float", "1.7976931348623157e308", "1.7976931348623157e308"),
        ("date", "2024-02-29", "2024-02-29"),
        (
            "datetime",
            "2025-01-31T12:00:00-14:00",
            "2025-02-01T02:00:00Z",
        ),
        (
            "datetime",
            "2025-01-31T12:00:00+14:00",
            "2025-01-30T22:00:00Z",
        ),
        (
            "datetime",
            "9999-12-31T23:59:59.999999Z",
            "9999-12-31T23:59:59.999999Z",
        ),
    ] {
        let column = Column::new("v", field_type.parse().unwrap());
        let becomes = becomes(column, cell, cell);
        assert_eq!(becomes.as_deref(), Ok(value), "{field_type} {cell}");
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
            "expected a date like `%d/%m/%Y`",
        ),
        (
            "date",
            r#"{"time": {"patterns": ["%d.%m.%Y"]}}"#,
            "29.02.2024",
            "29.02.2025",
            "expected a date like `%d.%m.%Y`",
        ),
        (
            "datetime",
            r#"{"time": {"patterns": ["%Y-%m-%d %H:%M"], "zone": "Europe/Berlin"}}"#,
            "2025-03-30 03:30",
            // The clocks in Berlin never showed it.
            "2025-03-30 02:30",
            "the clocks of Europe/Berlin never show this time, or show it twice, where they are put forward or back; \
             write such a time with its offset",
        ),
        (
            "decimal(9,2)",
            r#"{"number": {"decimal_mark": ";", "grouping": "."}}"#,
            "1.234;50",
            "1.23;50",
            "expected a decimal number within the field's digits, like 1.234;56",
        ),
        (
            "boolean",
            r#"{"boolean": {"true": ["yes", "y"], "false": ["no", "n"]}}"#,
            "YES",
            "perhaps",
            "expected `yes` or `y` for true or `no` or `n` for false",
        ),
    ] {
        let column = Column::new("v", field_type.parse().unwrap()).with_format(format(json));
        let message = becomes(column, good, bad).unwrap_err();
        assert_eq!(message, expected, "{field_type} {bad}");
    }
}
