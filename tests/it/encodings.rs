//! Files in other encodings, and columns with formats of their own.

use std::sync::Arc;

use futures::TryStreamExt;
use futures::executor::block_on;
use proptest::prelude::*;
use syncline::dataset::{Dataset, ReadRequest};
use syncline::file::DelimitedDataset;
use syncline::host::Context;
use syncline::memory::MemoryFiles;
use syncline::record::{Field, FieldType, Reason, format};
use syncline::spec::{Column, Compression, Encoding, FileSource};
use syncline::{Error, ErrorKind};

use crate::support::{problems, run};

/// Rows as text, rejects as position, reason, field and message.
#[derive(Debug, PartialEq, Default)]
struct Read {
    rows: Vec<Vec<Option<String>>>,
    rejects: Vec<(String, Reason, Option<String>, String)>,
    bytes: u64,
    size: Option<u64>,
}

fn read(bytes: &[u8], pieces: usize, source: &FileSource) -> Result<Read, Error> {
    let files = MemoryFiles::new().with_chunk_bytes(pieces);
    files.insert("t.csv", bytes.to_vec());
    let context = Context::new();
    let mut read = Read::default();
    block_on(async {
        let dataset = DelimitedDataset::open(&context, Arc::new(files), source).await?;
        read.size = dataset.info().size_bytes;
        let mut batches = dataset.read(&context, ReadRequest::new());
        while let Some(batch) = batches.try_next().await? {
            for row in 0..batch.len() {
                let columns = batch.records.columns().iter();
                let cells = columns.map(|column| {
                    let mut text = Vec::new();
                    format::value(column, row, &mut text).then(|| String::from_utf8(text).unwrap())
                });
                read.rows.push(cells.collect());
            }
            for reject in batch.rejects {
                let refusal = reject.refusal;
                let message = refusal.message.into_owned();
                read.rejects.push((
                    reject.position.to_string(),
                    refusal.reason,
                    refusal.field,
                    message,
                ));
            }
            read.bytes += batch.bytes_read;
        }
        Ok(())
    })
    .map(|()| read)
}

fn texts(encoding: Encoding) -> FileSource {
    let columns = ["a", "é"].map(|name| Field::new(name, FieldType::Text));
    let mut source = FileSource::new("t.csv", columns);
    source.format.encoding = encoding;
    source
}

fn utf_16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn latin_1(text: &str) -> Vec<u8> {
    text.chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap())
        .collect()
}

#[test]
fn positions_count_the_text() {
    let text = "a,é\nü,1\n\"2\n2\"\n3,4\n";
    let as_read = |bytes: &[u8], encoding| {
        let whole = read(bytes, 1 << 20, &texts(encoding)).unwrap();
        for pieces in 1..6 {
            assert_eq!(read(bytes, pieces, &texts(encoding)).unwrap(), whole);
        }
        whole
    };
    let plain = as_read(text.as_bytes(), Encoding::Utf8);
    assert_eq!(plain.rows.len(), 2);
    assert_eq!(plain.rejects[0].0, "t.csv:3 (byte 10)");
    assert_eq!(plain.size, Some(text.len() as u64));
    for (bytes, encoding) in [
        (utf_16(text), Encoding::Utf16Le),
        (utf_16(&format!("\u{FEFF}{text}")), Encoding::Utf16),
        (latin_1(text), Encoding::Iso8859_1),
        (latin_1(text), Encoding::Windows1252),
    ] {
        let other = as_read(&bytes, encoding);
        assert_eq!(other.size, None);
        assert_eq!(
            other,
            Read {
                size: None,
                ..as_read(text.as_bytes(), Encoding::Utf8)
            }
        );
    }
}

#[test]
fn bytes_without_meaning_cost_their_record() {
    let mut bytes = utf_16("a,é\n1,2\n3,");
    bytes.extend([0x00, 0xD8]);
    bytes.extend(utf_16("x\n5,6"));
    bytes.push(b'?');
    let found = read(&bytes, 3, &texts(Encoding::Utf16Le)).unwrap();
    assert_eq!(found.rows, [[Some("1".to_owned()), Some("2".to_owned())]]);
    let places: Vec<_> = found
        .rejects
        .iter()
        .map(|(at, reason, field, _)| (&**at, *reason, field.as_deref()))
        .collect();
    assert_eq!(
        places,
        [
            ("t.csv:3 (byte 9)", Reason::BadEncoding, Some("é")),
            ("t.csv:4 (byte 14)", Reason::BadEncoding, Some("é")),
        ]
    );
    assert!(
        found.rejects[0].3.contains("the format's `encoding`"),
        "{:?}",
        found.rejects
    );
    // A column that is not wanted harms nobody.
    let mut source = texts(Encoding::Windows1252);
    source.columns.truncate(1);
    let found = read(b"a,\xE9\n1,\x81\n", 3, &source).unwrap();
    assert_eq!((found.rows.len(), found.rejects.len()), (1, 0));
}

#[test]
fn a_wrong_encoding_is_told_with_the_right_one() {
    for (bytes, encoding, says) in [
        (
            utf_16("\u{FEFF}a,é\n"),
            Encoding::Utf8,
            "set the format's `encoding` to `utf-16le`",
        ),
        (
            utf_16("\u{FEFF}a,é\n"),
            Encoding::Utf16Be,
            "set the format's `encoding` to `utf-16le`",
        ),
        (utf_16("a,é\n"), Encoding::Utf16, "`utf-16le` or `utf-16be`"),
        (
            utf_16("a,é\n"),
            Encoding::Iso8859_1,
            "`utf-16le` or `utf-16be`",
        ),
        (
            latin_1("a,é\n"),
            Encoding::Utf8,
            "or the format's `encoding`",
        ),
        (
            b"a,\x81\n".to_vec(),
            Encoding::Windows1252,
            "or the format's `encoding`",
        ),
        (
            "\u{FEFF}a,é\n".into(),
            Encoding::Iso8859_15,
            "set the format's `encoding` to `utf-8`",
        ),
    ] {
        for pieces in [1, 100] {
            let error = read(&bytes, pieces, &texts(encoding)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed);
            assert!(error.to_string().contains(says), "{error}");
            assert!(error.to_string().contains("file: t.csv"), "{error}");
        }
    }
}

#[cfg(not(feature = "compression"))]
#[test]
fn packed_files_need_a_feature() {
    let mut source = texts(Encoding::Utf8);
    source.format.compression = Compression::Gzip;
    let error = read(b"\x1F\x8B\x08\0", 9, &source).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(
        error.to_string().contains("feature `compression`"),
        "{error}"
    );
}

#[test]
fn a_packed_file_that_is_not_declared_is_told() {
    for (bytes, name) in [
        (&b"\x1F\x8B\x08\0\0\0\0\0\0\x03"[..], "gzip"),
        (b"BZh91AY&SY\0", "bzip2"),
        (b"\x28\xB5\x2F\xFD\x04\0", "zstd"),
    ] {
        let error = read(bytes, 2, &texts(Encoding::Utf8)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        let advice = format!("set the format's `compression` to `{name}`");
        assert!(error.to_string().contains(&advice), "{error}");
    }
    // A text may begin with the letters of bzip2.
    let error = read(b"BZh9,b\n", 2, &texts(Encoding::Utf8)).unwrap_err();
    assert!(
        error.to_string().contains("the header lacks columns"),
        "{error}"
    );
    assert_eq!(Compression::default(), Compression::None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A byte that is another one costs no more than the records that it touches, and those that follow it in a quote.
    #[test]
    fn damage_costs_the_records_that_it_touches(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        pieces in 1..9usize,
    ) {
        let text: String = (0..40).map(|n| format!("r\u{E9}cord,{n}\n")).collect();
        let text = format!("a,\u{E9}\n{text}");
        for (mut bytes, encoding, width) in [
            (utf_16(&text), Encoding::Utf16Le, 2),
            (latin_1(&text), Encoding::Iso8859_3, 1),
        ] {
            // Behind the header.
            let at = 4 * width + at.index(bytes.len() - 4 * width);
            bytes[at] = byte;
            let found = read(&bytes, pieces, &texts(encoding)).unwrap();
            let whole = read(&bytes, 1 << 20, &texts(encoding)).unwrap();
            prop_assert_eq!(&found, &whole);
            let same = found.rows.iter().filter(|row| {
                row[0].as_deref() == Some("r\u{E9}cord")
            }).count();
            prop_assert!(same >= 38, "{:?}", found);
        }
    }
}

fn formatted(columns: &str) -> FileSource {
    let columns: Vec<Column> = serde_json::from_str(columns).unwrap();
    let mut source = FileSource::new("t.csv", columns);
    source.format.delimiter = ';';
    source
}

fn row(cells: &[&str]) -> Vec<Option<String>> {
    cells.iter().map(|cell| Some((*cell).to_owned())).collect()
}

#[test]
fn a_column_is_read_by_its_format() {
    let source = formatted(
        r#"[
            {"name": "n", "type": "integer", "format": {"number": {"decimal_mark": ",", "grouping": "."}}},
            {"name": "d", "type": "decimal(12,2)", "format": {"number": {"decimal_mark": ",", "grouping": "."}}},
            {"name": "f", "type": "float", "format": {"number": {"decimal_mark": ","}}},
            {"name": "b", "type": "boolean", "format": {"boolean": {"true": ["ja", "j"], "false": ["nein"]}}}
        ]"#,
    );
    let bytes = "n;d;f;b\n1.234;1.234.567,8;1,5e3;JA\n\"-1234\";\"1234,5\";1;nein\n1,5;1;1;j\n1;1.23;1.5;no\n;;;\n";
    let found = read(bytes.as_bytes(), 5, &source).unwrap();
    assert_eq!(
        found.rows,
        [
            row(&["1234", "1234567.80", "1500", "true"]),
            row(&["-1234", "1234.50", "1", "false"]),
            vec![None; 4],
        ]
    );
    let messages: Vec<_> = found
        .rejects
        .iter()
        .map(|(at, reason, field, message)| (&**at, *reason, field.as_deref().unwrap(), &**message))
        .collect();
    assert_eq!(
        messages,
        [
            (
                "t.csv:4 (byte 59)",
                Reason::BadValue,
                "n",
                "expected a whole number of at most 64 bits like 1.234"
            ),
            (
                "t.csv:5 (byte 69)",
                Reason::BadValue,
                "d",
                "expected a decimal number within the field's digits, like 1.234,56; also bad: `f`, `b`"
            ),
        ]
    );
}

#[test]
fn times_are_read_by_their_patterns() {
    let source = formatted(
        r#"[
            {"name": "day", "type": "date", "format": {"time": {"patterns": ["%d/%m/%Y", "%Y%m%d"]}}},
            {"name": "at", "type": "datetime", "format": {"time": {"patterns": ["%d.%m.%Y %H:%M"], "zone": "Europe/Berlin"}}},
            {"name": "wall", "type": "local_datetime", "format": {"time": {"patterns": ["%d.%m.%Y %H:%M"]}}}
        ]"#,
    );
    let bytes = "day;at;wall\n03/04/2025;31.07.2025 12:00;30.03.2025 02:30\n20250403;31.01.2025 12:00;\n2025-04-03;;\n;30.03.2025 02:30;\n;26.10.2025 02:30;\n";
    let found = read(bytes.as_bytes(), 7, &source).unwrap();
    assert_eq!(
        found.rows,
        [
            row(&["2025-04-03", "2025-07-31T10:00:00Z", "2025-03-30T02:30:00"]),
            vec![
                Some("2025-04-03".to_owned()),
                Some("2025-01-31T11:00:00Z".to_owned()),
                None
            ],
        ]
    );
    let [day, gap, twice] = &found.rejects[..] else {
        panic!("{found:?}")
    };
    assert_eq!(
        (day.1, &*day.3),
        (
            Reason::BadValue,
            "expected a date like `%d/%m/%Y` or `%Y%m%d`"
        )
    );
    for stray in [gap, twice] {
        assert_eq!(
            (stray.1, stray.2.as_deref()),
            (Reason::BadValue, Some("at"))
        );
        assert!(
            stray
                .3
                .contains("the clocks of Europe/Berlin never show this time, or show it twice"),
            "{stray:?}"
        );
    }
}

#[test]
fn without_a_format_nothing_is_guessed() {
    for (field_type, text, advised) in [
        ("date", "03/04/2025", true),
        ("datetime", "03.04.2025 12:00", true),
        ("date", "soon", false),
        ("decimal(9,2)", "1.234,50", true),
        ("integer", "1'234", true),
        ("integer", "12x", false),
        ("boolean", "yes", true),
        ("email", "1.2", false),
    ] {
        let columns = format!(r#"[{{"name": "a", "type": "{field_type}"}}]"#);
        let found = read(format!("a\n{text}\n").as_bytes(), 9, &formatted(&columns)).unwrap();
        let [(_, Reason::BadValue, _, message)] = &found.rejects[..] else {
            panic!("{text}: {found:?}")
        };
        assert!(message.starts_with("expected "), "{message}");
        let advice = "; if it is written in another way, say so in the column's `format`";
        assert_eq!(message.ends_with(advice), advised, "{text}: {message}");
        assert!(!message.contains(text), "{message}");
    }
}

#[test]
fn formats_that_cannot_be_are_problems_with_their_path() {
    let source = formatted(
        r#"[
            {"name": "a", "type": "integer", "format": {"number": {"decimal_mark": ".", "grouping": "."}}},
            {"name": "b", "type": "text", "format": {"number": {}}},
            {"name": "c", "type": "boolean", "format": {"boolean": {"true": ["y"], "false": []}}},
            {"name": "d", "type": "date", "format": {"boolean": {"true": ["y"], "false": ["n"]}}},
            {"name": "e", "type": "datetime", "format": {"time": {"patterns": ["%Y-%m-%d %H:%M"]}}},
            {"name": "f", "type": "datetime", "format": {"time": {"patterns": ["%Y-%m-%d %H:%M"], "zone": "Mars"}}}
        ]"#,
    );
    let paths = |problems: &[syncline::Problem]| -> Vec<String> {
        problems
            .iter()
            .map(|problem| problem.path.clone())
            .collect()
    };
    let expected = [
        "columns[0].format.number.grouping",
        "columns[1].format",
        "columns[2].format.boolean.false",
        "columns[3].format",
        "columns[4].format.time.patterns[0]",
        "columns[5].format.time.zone",
    ];
    let at = |path: &str| -> Vec<String> {
        expected
            .iter()
            .map(|below| format!("{path}{below}"))
            .collect()
    };
    assert_eq!(
        paths(&source.problems("dataset.source.file")),
        at("dataset.source.file.")
    );
    let error = read(b"a;b;c;d\n", 9, &source).unwrap_err();
    assert_eq!(
        (error.kind(), paths(error.problems())),
        (ErrorKind::Invalid, at(""))
    );
}

/// A job that maps a column with a default for invalid values, for which the column is read as text.
fn job(field_type: &str, format: &str, default: &str) -> String {
    format!(
        r#"{{"version": 1, "name": "j", "dataset": {{"version": 1, "source": {{"file": {{"name": "in.csv",
            "format": {{"delimiter": ";"}},
            "columns": [{{"name": "id", "type": "text"}}, {{"name": "v", "type": "{field_type}", "format": {format}}}]}}}}}},
          "objects": [{{"name": "o", "identity": {{"supplied": ["id"]}}, "fields": [
            {{"name": "id", "type": "text"}}, {{"name": "v", "type": "{field_type}"}}]}}],
          "destinations": [{{"object": "o", "mode": "insert", "mapping": {{"fields": [
            {{"field": "id", "from": "id"}},
            {{"field": "v", "from": "v", "default": {{"value": "{default}", "when_missing": false}}}}]}}}}]}}"#
    )
}

#[test]
fn a_default_for_invalid_values_knows_the_format() {
    let german = r#"{"number": {"decimal_mark": ",", "grouping": "."}}"#;
    let words = r#"{"boolean": {"true": ["y"], "false": ["n"]}}"#;
    let day = r#"{"time": {"patterns": ["%d.%m.%Y"]}}"#;
    let clock = r#"{"time": {"patterns": ["%d.%m.%Y %H:%M"], "zone": "Europe/Berlin"}}"#;
    let wall = r#"{"time": {"patterns": ["%d.%m.%Y %H:%M"]}}"#;
    // Each with a good value, and with one of the usual form, which is none of this one.
    for (field_type, format, default, good, value, usual) in [
        (
            "decimal(9,1)",
            german,
            "-1.0",
            "1.234,5",
            "1234.5",
            "1234.5",
        ),
        ("integer", german, "-1", "1.234", "1234", "1.5"),
        ("float", german, "-1", "1.234,5", "1234.5", "1234.5"),
        ("boolean", words, "false", "Y", "true", "true"),
        (
            "date",
            day,
            "1970-01-01",
            "03.04.2025",
            "2025-04-03",
            "2025-04-03",
        ),
        (
            "datetime",
            clock,
            "1970-01-01T00:00:00Z",
            "03.04.2025 12:00",
            "2025-04-03T10:00:00Z",
            "30.03.2025 02:30",
        ),
        (
            "local_datetime",
            wall,
            "1970-01-01T00:00:00",
            "30.03.2025 02:30",
            "2025-03-30T02:30:00",
            "2025-03-30T02:30:00",
        ),
    ] {
        let job = job(field_type, format, default);
        let text = format!("id;v\na;{good}\nb;many\nc;\nd;{usual}\n");
        let ran = run(&job, &[("in.csv", &text)]);
        assert_eq!(
            ran.object("o"),
            format!("id,v\na,{value}\nb,{default}\nc,\nd,{default}\n")
        );
        assert_eq!(ran.reasons(), []);
    }
    let wrong = job("date", r#"{"time": {"patterns": ["%d"]}}"#, "1970-01-01");
    let found = problems(&wrong, &[("in.csv", "id;v\n")]);
    assert_eq!(
        found[0].0,
        "dataset.source.file.columns[1].format.time.patterns[0]"
    );
}
