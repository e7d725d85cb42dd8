//! What a file is, from a sample of it.

use std::fmt::Write as _;
use std::sync::Arc;

use futures::executor::block_on;
use proptest::prelude::*;
use serde_json::{Value, json};
use syncline::file::{
    AnalyseRequest, Analysis, CheckRequest, Guess, analyse, analyse_bytes, check,
};
use syncline::host::{CancelToken, Context};
use syncline::memory::MemoryFiles;
use syncline::record::FieldType;
use syncline::spec::{Compression, Encoding, Escape, FileSource, Header};
use syncline::{ErrorKind, Result};

fn of(text: impl AsRef<[u8]>) -> Analysis {
    analyse_bytes(text.as_ref(), true).unwrap()
}

fn confidences<T>(guess: &Guess<T>) -> Vec<f64> {
    let others = guess.alternatives.iter().map(|other| other.confidence);
    std::iter::once(guess.confidence).chain(others).collect()
}

/// Type and format of the likeliest reading of values, and of its alternatives, as a spec has them.
fn readings(values: &[&str]) -> Vec<Value> {
    let text = format!(
        "key|it\n{}",
        values.iter().fold(String::new(), |mut text, value| {
            let _ = writeln!(text, "k|{value}");
            text
        })
    );
    let mut found = of(text);
    let column = found.columns.remove(1).column;
    let all = confidences(&column);
    assert!(all.iter().sum::<f64>() <= 1.0 + 1e-9, "{all:?}");
    assert!(all.iter().all(|one| (0.0..=1.0).contains(one)), "{all:?}");
    let others = column.alternatives.into_iter().map(|other| other.value);
    let readings = std::iter::once(column.value)
        .chain(others)
        .map(|column| match column.format {
            None => json!(column.field_type),
            Some(format) => json!([column.field_type, format]),
        });
    readings.collect()
}

fn first_reading(values: &[&str]) -> Value {
    readings(values).remove(0)
}

fn pattern(field_type: &str, pattern: &str) -> Value {
    json!([field_type, {"time": {"patterns": [pattern]}}])
}

#[test]
fn usual_forms_have_a_type_and_no_format() {
    for (values, field_type) in [
        (&["1", "-20", "0"][..], "integer"),
        (&["1.5", "20"], "decimal(18,1)"),
        (&["123456789012345678901"], "decimal(38,0)"),
        (&["1e3", "2.5"], "float"),
        (&["true", "FALSE"], "boolean"),
        (&["2025-01-31"], "date"),
        (
            &["2025-01-31T10:00:00Z", "2025-01-31 10:00:00+01:00"],
            "datetime",
        ),
        (
            &["2025-01-31T10:00:00", "2025-01-31 10:00:00.5"],
            "local_datetime",
        ),
        (&["ada@example.org"], "email"),
        (&["https://example.org/a"], "url"),
        (&["{\"a\": 1}", "[]"], "json"),
        (&["Ada", "2025-01-31"], "text"),
        (&["007", "123"], "text"),
        (&["+4930123456"], "text"),
        (&[], "text"),
    ] {
        assert_eq!(first_reading(values), json!(field_type), "{values:?}");
    }
}

#[test]
fn other_forms_have_a_format_too() {
    let number = |field_type: &str, mark: char, grouping: char| json!([field_type, {"number": {"decimal_mark": mark, "grouping": grouping}}]);
    for (values, reading) in [
        (&["31.01.2025"][..], pattern("date", "%d.%m.%Y")),
        (&["1.2.2025", "31.12.2025"], pattern("date", "%-d.%-m.%Y")),
        (&["31/01/2025"], pattern("date", "%d/%m/%Y")),
        (&["01/31/2025"], pattern("date", "%m/%d/%Y")),
        (&["20250131", "20241224"], pattern("date", "%Y%m%d")),
        (&["31 Jan 2025"], pattern("date", "%d %b %Y")),
        (&["January 5, 2025"], pattern("date", "%B %-d, %Y")),
        (
            &["31.01.2025 10:30"],
            pattern("local_datetime", "%d.%m.%Y %H:%M"),
        ),
        (
            &["01/31/2025 9:05 PM"],
            pattern("local_datetime", "%m/%d/%Y %-I:%M %p"),
        ),
        (
            &["31.01.2025 10:30:00 +0100"],
            pattern("datetime", "%d.%m.%Y %H:%M:%S %z"),
        ),
        (&["1.234,50", "0,99"], number("decimal(18,2)", ',', '.')),
        (&["1,234.50", "999"], number("decimal(18,2)", '.', ',')),
        (&["1 234 567", "1"], number("integer", ',', ' ')),
        (&["1'234.5"], number("decimal(18,1)", '.', '\'')),
        (
            &["0,5", "1,25"],
            json!(["decimal(18,2)", {"number": {"decimal_mark": ","}}]),
        ),
        (
            &["yes", "no", "Yes"],
            json!(["boolean", {"boolean": {"true": ["yes"], "false": ["no"]}}]),
        ),
        (
            &["Y", "N"],
            json!(["boolean", {"boolean": {"true": ["y"], "false": ["n"]}}]),
        ),
    ] {
        assert_eq!(first_reading(values), reading, "{values:?}");
    }
}

#[test]
fn what_can_be_read_in_two_ways_is_said_to_be() {
    for (values, first, second) in [
        (
            &["01/02/2025", "03/04/2025"][..],
            pattern("date", "%d/%m/%Y"),
            pattern("date", "%m/%d/%Y"),
        ),
        (
            &["1,234", "5,678"],
            json!(["integer", {"number": {"decimal_mark": ".", "grouping": ","}}]),
            json!(["decimal(18,3)", {"number": {"decimal_mark": ","}}]),
        ),
        (
            &["1.234", "5.678"],
            json!("decimal(18,3)"),
            json!(["integer", {"number": {"decimal_mark": ",", "grouping": "."}}]),
        ),
    ] {
        let found = readings(values);
        assert_eq!((&found[0], &found[1]), (&first, &second), "{values:?}");
        let lines: String = values.iter().map(|value| format!("k|{value}\n")).collect();
        let found = of(format!("key|it\n{lines}"));
        let guess = &found.columns[1].column;
        assert_eq!(guess.confidence, guess.alternatives[0].confidence);
        assert!(guess.confidence <= 0.5);
        let warned: Vec<_> = found
            .warnings
            .iter()
            .map(|warning| warning.path.as_str())
            .collect();
        assert!(warned.contains(&"columns[1]"), "{:?}", found.warnings);
    }
    // A day behind the twelfth decides.
    let decided = readings(&["01/02/2025", "13/04/2025"]);
    assert_eq!(decided, [pattern("date", "%d/%m/%Y"), json!("text")]);
    assert!(readings(&["1,234", "5,67"]).len() == 2);
    // And without doubt there are lesser alternatives.
    assert_eq!(
        readings(&["0", "1"])[1],
        json!(["boolean", {"boolean": {"true": ["1"], "false": ["0"]}}])
    );
    assert_eq!(readings(&["007", "008"]), [json!("text"), json!("integer")]);
    let items = ["open", "closed"].repeat(5);
    assert_eq!(
        readings(&items),
        [json!("text"), json!({"picklist": ["closed", "open"]})]
    );
}

#[test]
fn one_bad_value_of_twenty_does_not_change_the_type() {
    let mut values = vec!["5"; 39];
    values.push("many");
    assert_eq!(first_reading(&values), json!("integer"));
    let lines: String = values.iter().map(|value| format!("k|{value}\n")).collect();
    let found = of(format!("key|it\n{lines}"));
    assert_eq!(found.columns[1].unfit, 1);
    let warning = found
        .warnings
        .iter()
        .find(|warning| warning.path == "columns[1]")
        .unwrap();
    assert_eq!(
        warning.message,
        "1 of 40 values are not of the type; their records would be refused"
    );
    assert!(!format!("{:?}", found.warnings).contains("many"));
    values.extend(["some", "few"]);
    assert_eq!(first_reading(&values), json!("text"));
}

#[test]
fn marks_are_found() {
    for (text, delimiter, quote, escape, comment, skip_lines) in [
        ("a,b\n1,2\n", ',', Some('"'), Escape::Doubled, None, 0),
        ("a;b\n1,5;2,5\n", ';', Some('"'), Escape::Doubled, None, 0),
        ("a\tb\nx, y\tz\n", '\t', Some('"'), Escape::Doubled, None, 0),
        ("a|b\n1|2\n3|4\n", '|', Some('"'), Escape::Doubled, None, 0),
        ("a:b\nx:y\nz:w\n", ':', Some('"'), Escape::Doubled, None, 0),
        ("a b\n1 2\n3 4\n", ' ', Some('"'), Escape::Doubled, None, 0),
        (
            "a,b\n'x, y',2\n'z',3\n",
            ',',
            Some('\''),
            Escape::Doubled,
            None,
            0,
        ),
        (
            "a,b\n\"x\n,y\",2\n\"z\"\"\",3\n",
            ',',
            Some('"'),
            Escape::Doubled,
            None,
            0,
        ),
        (
            "a,b\n\"x \\\", y\",2\n\"z\",3\n",
            ',',
            Some('"'),
            Escape::Backslash,
            None,
            0,
        ),
        (
            "a|b\n5\" pipe|2\n\"6 inch|3\n",
            '|',
            None,
            Escape::Doubled,
            None,
            0,
        ),
        (
            "# made by hand\na,b\n1,2\n# done\n",
            ',',
            Some('"'),
            Escape::Doubled,
            Some('#'),
            0,
        ),
        ("#,b\n1,2\n", ',', Some('"'), Escape::Doubled, None, 0),
        (
            "Seats of 2025\n\na,b,c\n1,2,3\n4,5,6\n",
            ',',
            Some('"'),
            Escape::Doubled,
            None,
            2,
        ),
        ("a,b\r1,2\r", ',', Some('"'), Escape::Doubled, None, 0),
        ("name\nAda\nBob\n", ',', Some('"'), Escape::Doubled, None, 0),
        (
            "at\n2025-01-31 10:00:00\n2025-01-31 11:00:00\n",
            ',',
            Some('"'),
            Escape::Doubled,
            None,
            0,
        ),
        (
            "path,n\nC:\\temp\\x,2\nC:\\new,3\n",
            ',',
            Some('"'),
            Escape::Doubled,
            None,
            0,
        ),
    ] {
        let found = of(text);
        let format = found.format();
        assert_eq!(
            (
                format.delimiter,
                format.quote,
                format.escape,
                format.comment,
                format.skip_lines
            ),
            (delimiter, quote, escape, comment, skip_lines),
            "{text:?}: {found:#?}"
        );
        assert!(format.problems("format").is_empty());
        for all in [
            confidences(&found.delimiter),
            confidences(&found.quote),
            confidences(&found.escape),
        ] {
            assert!(all.iter().sum::<f64>() <= 1.0 + 1e-9, "{text:?}: {all:?}");
            assert!(
                all[1..].iter().all(|other| *other <= all[0]),
                "{text:?}: {all:?}"
            );
        }
    }
}

#[test]
fn the_header_is_told_from_values() {
    for (text, header, names) in [
        (
            "name,seats\nAda,3\nBob,4\n",
            Header::Exact,
            &["name", "seats"][..],
        ),
        ("Ada,3\nBob,4\n", Header::Absent, &["column_1", "column_2"]),
        (
            "2025-01-31,x\n2025-02-01,y\n",
            Header::Absent,
            &["column_1", "column_2"],
        ),
        (
            "first,last\nAda,Lovelace\nMary,Shelley\n",
            Header::Exact,
            &["first", "last"],
        ),
        (
            "red,blue\nblue,red\nred,red\nblue,blue\n",
            Header::Absent,
            &["column_1", "column_2"],
        ),
        (
            "name, seats\nAda,3\nBob,4\n",
            Header::Trimmed,
            &["name", "seats"],
        ),
        ("name,seats\n", Header::Exact, &["name", "seats"]),
        ("id,note\n1,\n2,\n", Header::Exact, &["id", "note"]),
    ] {
        let found = of(text);
        assert_eq!(found.header.value, header, "{text:?}: {found:#?}");
        let columns = found.source("f").columns;
        let found: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(found, names, "{text:?}");
    }
}

#[test]
fn encodings_are_found() {
    let text = "näme;ort\nJörg;Köln\nZoë;Gößweinstein\n";
    let latin: Vec<u8> = text.chars().map(|character| character as u8).collect();
    let mut windows = latin.clone();
    windows.extend(b"\x93Ada\x94;\x80\n");
    let wide = |order: fn(u16) -> [u8; 2], mark: &str| -> Vec<u8> {
        format!("{mark}{text}")
            .encode_utf16()
            .flat_map(order)
            .collect()
    };
    let mut broken = format!("{text}{}", "Jürgen;Düren\n".repeat(9)).into_bytes();
    broken.extend(b"x\xFF;y\n");
    for (bytes, encoding, least) in [
        (text.as_bytes().to_vec(), Encoding::Utf8, 0.9),
        (format!("\u{FEFF}{text}").into_bytes(), Encoding::Utf8, 1.0),
        (b"a;b\n1;2\n".to_vec(), Encoding::Utf8, 0.8),
        (broken, Encoding::Utf8, 0.7),
        (wide(u16::to_le_bytes, "\u{FEFF}"), Encoding::Utf16, 1.0),
        (wide(u16::to_be_bytes, "\u{FEFF}"), Encoding::Utf16, 1.0),
        (wide(u16::to_le_bytes, ""), Encoding::Utf16Le, 0.9),
        (wide(u16::to_be_bytes, ""), Encoding::Utf16Be, 0.9),
        (latin, Encoding::Windows1252, 0.2),
        (windows, Encoding::Windows1252, 0.6),
    ] {
        let found = of(&bytes);
        assert_eq!(found.encoding.value, encoding, "{bytes:x?}");
        assert!(found.encoding.confidence >= least, "{:?}", found.encoding);
        assert_eq!(found.delimiter.value, ';');
        // What was found reads the file.
        let source = found.source("f.csv");
        let names: Vec<&str> = source
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        assert_eq!(
            names[1],
            if bytes.starts_with(b"a;b") {
                "b"
            } else {
                "ort"
            }
        );
        reads(&bytes, &source).unwrap();
    }
    let doubtful = of("a;b\nJ\u{f6}rg;1\n"
        .chars()
        .map(|character| character as u8)
        .collect::<Vec<_>>());
    assert!(
        doubtful
            .warnings
            .iter()
            .any(|warning| warning.path == "encoding")
    );
}

fn reads(bytes: &[u8], source: &FileSource) -> Result<u64> {
    let files = MemoryFiles::new();
    files.insert(&source.name, bytes.to_vec());
    let report = block_on(check(
        &Context::new(),
        Arc::new(files),
        source,
        CheckRequest::new(),
    ))?;
    Ok(report.good)
}

#[test]
fn null_tokens_are_those_among_values_of_a_type() {
    for (text, tokens) in [
        ("a,b\n1,x\nNA,y\n2,z\n", &["NA"][..]),
        ("a,b\n1,x\n-,y\n2,N/A\n", &["-"]),
        ("a,b\n1,x\n2,\\N\n", &["\\N"]),
        ("a,b\n1,x\n\"NA\",y\n", &[]),
        ("a,b\n1,x\n2,none\n", &[]),
    ] {
        let found = of(text);
        assert_eq!(found.null_tokens, tokens, "{text:?}");
        assert_eq!(found.source("f").format.null_tokens, tokens);
    }
    let found = of("a,b\n1,x\nNA,y\n2,z\n,\n");
    let column = &found.columns[0];
    assert_eq!(column.column.value.field_type, FieldType::Integer);
    assert_eq!((column.values, column.nulls, column.distinct), (2, 2, 2));
}

#[test]
fn columns_without_a_name_of_their_own_are_left_out() {
    let found = of("id,name,,name\n1,x,y,z\n2,x,y,z\n");
    let columns = found.source("f").columns;
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["id"]);
    let warned: Vec<_> = found
        .warnings
        .iter()
        .map(|warning| warning.path.as_str())
        .collect();
    assert!(
        warned.contains(&"columns[2]") && warned.contains(&"columns[3]"),
        "{warned:?}"
    );
}

#[test]
fn what_is_odd_is_counted_in_warnings() {
    let found = of("a,b\n1,2\n3\n4,5,6\n\"7\"x,8\n9, 10\n\"11\",12\n\"13\",\"14\"\n\"15\",16\n");
    let warnings: Vec<String> = found.warnings.iter().map(ToString::to_string).collect();
    for expected in [
        "records: 1 of 8 records have bad quotes, or no end; they would be refused",
        "records: 2 of 8 records have more or fewer cells than there are columns; they would be refused",
        "columns[1]: values begin or end with white space, which is part of them; trim them with a formula",
    ] {
        assert!(
            warnings.iter().any(|warning| warning == expected),
            "{warnings:#?}"
        );
    }
}

#[test]
fn what_is_no_delimited_file_is_refused_with_advice() {
    for (bytes, advice) in [
        (&b""[..], "empty"),
        (b"\n\n", "empty"),
        (b"\xEF\xBB\xBF", "empty"),
        (
            b"PK\x03\x04\x14\x00",
            "export its table as a delimited file",
        ),
        (b"PAR1\x15\x04", "a Parquet file"),
        (b"\x01\x02\x03\x04\x05\x00\x07", "no text"),
        (b"\xFF\xFE\x00\x00a\x00\x00\x00", "UTF-32"),
    ] {
        let error = analyse_bytes(bytes, true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
        assert!(error.to_string().contains(advice), "{error}");
    }
    let error = analyse_bytes(b"a,b,c", false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    assert!(error.to_string().contains("`sample_bytes`"), "{error}");
}

#[test]
fn a_sample_is_enough_and_its_last_record_may_be_cut() {
    let mut text = String::from("id,day\n");
    for number in 0..20_000 {
        let _ = writeln!(text, "{number},2025-01-{:02}", number % 28 + 1);
    }
    let files = Arc::new(MemoryFiles::new());
    files.insert("days.csv", text.clone());
    let run = |bytes| {
        let request = AnalyseRequest::new().with_sample_bytes(bytes);
        block_on(analyse(&Context::new(), files.clone(), "days.csv", request)).unwrap()
    };
    for bytes in [30, 1000, 1003, 1007, 5000] {
        let found = run(bytes);
        assert!(!found.is_whole);
        assert!(found.warnings.is_empty(), "{:?}", found.warnings);
        assert_eq!(found.columns[1].column.value.field_type, FieldType::Date);
        let whole = text.as_bytes()[..bytes]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        assert_eq!(found.records, whole - 1);
    }
    let found = run(text.len());
    assert!(found.is_whole);
    assert_eq!(found.records, 20_000);
    assert_eq!(
        reads(text.as_bytes(), &found.source("days.csv")).unwrap(),
        20_000
    );
}

#[test]
fn a_missing_file_and_a_cancelled_run_are_errors() {
    let files = Arc::new(MemoryFiles::new());
    let run = |context: &Context| {
        block_on(analyse(
            context,
            files.clone(),
            "f.csv",
            AnalyseRequest::new(),
        ))
        .unwrap_err()
    };
    let error = run(&Context::new());
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("file: f.csv"), "{error}");
    files.insert("f.csv", "a,b\n1,2\n");
    let token = CancelToken::new();
    token.cancel();
    assert_eq!(
        run(&Context::new().with_cancel(token)).kind(),
        ErrorKind::Cancelled
    );
}

#[cfg(feature = "compression")]
#[test]
fn a_packed_file_is_unpacked_for_its_sample() {
    use futures::io::{AsyncReadExt as _, Cursor};
    let text = Cursor::new("a;b\n1;2\n".repeat(50_000));
    let mut packed = Vec::new();
    let mut packer = async_compression::futures::bufread::GzipEncoder::new(text);
    block_on(packer.read_to_end(&mut packed)).unwrap();
    let files = Arc::new(MemoryFiles::new());
    files.insert("f.csv.gz", packed);
    let request = AnalyseRequest::new().with_sample_bytes(4096);
    let found = block_on(analyse(&Context::new(), files, "f.csv.gz", request)).unwrap();
    assert_eq!(
        (found.compression, found.delimiter.value),
        (Compression::Gzip, ';')
    );
    assert_eq!(
        found.source("f.csv.gz").format.compression,
        Compression::Gzip
    );
}

#[test]
fn an_unpacked_file_has_no_compression() {
    assert_eq!(of("a,b\n1,2\n").compression, Compression::None);
}

#[test]
fn an_analysis_can_be_sent_to_a_browser() {
    let found = serde_json::to_value(of("name;since\nAda;31.01.2025\nBob;28.02.2025\n")).unwrap();
    assert_eq!(found["delimiter"]["value"], ";");
    assert_eq!(found["encoding"]["value"], "utf-8");
    let column = &found["columns"][1]["column"];
    assert_eq!(column["value"]["type"], "date");
    assert_eq!(column["value"]["format"]["time"]["patterns"][0], "%d.%m.%Y");
    assert!(column["confidence"].as_f64().unwrap() > 0.6);
}

/// A kind of column: its type, and values of it by number.
#[derive(Debug, Clone, Copy)]
enum Of {
    Number,
    Amount,
    Day,
    Moment,
    Name,
    Flag,
}

impl Of {
    fn field_type(self) -> FieldType {
        match self {
            Of::Number => FieldType::Integer,
            Of::Amount => FieldType::Decimal {
                precision: 18,
                scale: 2,
            },
            Of::Day => FieldType::Date,
            Of::Moment => FieldType::DateTime,
            Of::Name => FieldType::Text,
            Of::Flag => FieldType::Boolean,
        }
    }

    fn value(self, number: u32) -> String {
        match self {
            Of::Number => (number * 7919 % 100_003).to_string(),
            Of::Amount => format!("{}.{:02}", number * 31 % 977, number % 99 + 1),
            Of::Day => format!(
                "20{:02}-{:02}-{:02}",
                number % 90,
                number % 12 + 1,
                number % 28 + 1
            ),
            Of::Moment => format!("2025-01-31T{:02}:{:02}:00Z", number % 24, number % 60),
            Of::Name => {
                let words = [
                    "alpha",
                    "Beta Gamma",
                    "it is",
                    "delta-epsilon",
                    "zeta",
                    "Eta, theta",
                ];
                format!(
                    "{} {}",
                    words[number as usize % words.len()],
                    "i".repeat(number as usize % 9 + 1)
                )
            }
            Of::Flag => (number % 3 == 0).to_string(),
        }
    }
}

fn quoted(text: &str, quote: char) -> String {
    let twice = format!("{quote}{quote}");
    format!("{quote}{}{quote}", text.replace(quote, &twice))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// A table of typed columns, written in any dialect, is found as it was written and read to the last record.
    #[test]
    fn a_table_in_any_dialect_is_found(
        columns in prop::collection::vec(
            prop::sample::select(&[Of::Number, Of::Amount, Of::Day, Of::Moment, Of::Name, Of::Flag][..]), 2..7),
        rows in 20u32..60,
        delimiter in prop::sample::select(&[',', ';', '\t', '|'][..]),
        quote in prop::sample::select(&['"', '\''][..]),
        quote_all in any::<bool>(),
        line_end in prop::sample::select(&["\n", "\r\n", "\r"][..]),
        has_header in any::<bool>(),
    ) {
        // Without a column of a type nothing tells the header.
        prop_assume!(columns.iter().any(|of| !matches!(of, Of::Name)));
        let mut text = String::new();
        if has_header {
            let names: Vec<String> = (0..columns.len()).map(|number| format!("field {number}")).collect();
            text.push_str(&names.join(&delimiter.to_string()));
            text.push_str(line_end);
        }
        let mut has_quotes = false;
        for row in 0..rows {
            let cells = columns.iter().map(|of| {
                let value = of.value(row);
                let needs = quote_all || value.contains(delimiter);
                has_quotes |= needs;
                if needs { quoted(&value, quote) } else { value }
            });
            let cells: Vec<String> = cells.collect();
            text.push_str(&cells.join(&delimiter.to_string()));
            text.push_str(line_end);
        }
        let found = of(&text);
        prop_assert_eq!(found.delimiter.value, delimiter, "{}", text);
        if has_quotes {
            prop_assert_eq!(found.quote.value, Some(quote), "{}", text);
        }
        prop_assert_eq!(found.header.value != Header::Absent, has_header, "{}", text);
        let source = found.source("f.csv");
        let types: Vec<FieldType> = source.columns.iter().map(|column| column.field_type.clone()).collect();
        let expected: Vec<FieldType> = columns.iter().map(|of| of.field_type()).collect();
        prop_assert_eq!(types, expected, "{}", text);
        prop_assert_eq!(reads(text.as_bytes(), &source).unwrap(), u64::from(rows));
    }

    /// Whatever the bytes are: an answer that a job can use, or an error; the same each time.
    #[test]
    fn any_bytes_have_an_answer(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            "[ab1,;|:\t '\"\\\\\n\r#.-]{0,200}".prop_map(String::into_bytes),
        ],
        is_whole in any::<bool>(),
    ) {
        if let Ok(found) = analyse_bytes(&bytes, is_whole) {
            let source = found.source("f.csv");
            if !source.columns.is_empty() {
                prop_assert!(source.problems("source").is_empty(), "{:?}", source.problems("source"));
                // Names that are no text fail the file, and a warning says so.
                let is_name = |column: &syncline::spec::Column| !column.name.contains('\u{FFFD}');
                if found.columns.iter().all(|column| is_name(&column.column.value)) {
                    prop_assert!(reads(&bytes, &source).is_ok(), "{:?}", reads(&bytes, &source));
                }
            }
            prop_assert_eq!(analyse_bytes(&bytes, is_whole).unwrap(), found);
        }
    }
}
