//! Delimited files of every kind: separators, quotes, escapes, comments, skipped lines, header rules; and what is
//! written in them is read back.

use std::sync::Arc;

use futures::TryStreamExt as _;
use futures::executor::block_on;
use proptest::prelude::*;
use syncline::dataset::{Dataset as _, ReadRequest};
use syncline::destination::{CommitRequest, Destination as _, OpenRequest, WriteField};
use syncline::file::{DelimitedDataset, DelimitedEncoder, FileDestination};
use syncline::host::Context;
use syncline::memory::MemoryFiles;
use syncline::record::{Batch, Field, FieldType, Reason, RowsAsRead, Schema, array};
use syncline::spec::{
    Column, Compression, Delimited, Encoding, Escape, FileSource, Header, WriteMode,
};
use syncline::{Error, ErrorKind, Result};

type Row = Vec<Option<String>>;

/// Rows, and of each reject its line, byte and reason.
#[derive(Debug, Clone, PartialEq)]
struct Read {
    columns: Vec<String>,
    rows: Vec<Row>,
    rejects: Vec<(u64, u64, Reason)>,
    messages: Vec<String>,
}

fn texts(names: &[&str], format: Delimited) -> FileSource {
    let columns = names.iter().map(|name| Column::new(*name, FieldType::Text));
    let mut source = FileSource::new("f", columns);
    source.format = format;
    source
}

fn read_in_pieces(bytes: &[u8], source: &FileSource, size: usize) -> Result<Read> {
    let files = MemoryFiles::new().with_chunk_bytes(size);
    files.insert("f", bytes.to_vec());
    let context = Context::new();
    let (columns, batches) = block_on(async {
        let dataset = DelimitedDataset::open(&context, Arc::new(files), source).await?;
        let batches = dataset.read(&context, ReadRequest::new());
        let batches: Vec<Batch> = batches.try_collect().await?;
        Ok::<_, Error>((dataset.info().columns.to_vec(), batches))
    })?;
    let bytes_read: u64 = batches.iter().map(|batch| batch.bytes_read).sum();
    assert_eq!(bytes_read, bytes.len() as u64);
    let mut read = Read {
        columns,
        rows: Vec::new(),
        rejects: Vec::new(),
        messages: Vec::new(),
    };
    for batch in batches {
        for row in 0..batch.len() {
            let cell = |column: &array::ArrayRef| {
                let mut text = Vec::new();
                let is_valid = syncline::record::format::value(column, row, &mut text);
                is_valid.then(|| String::from_utf8(text).unwrap())
            };
            read.rows
                .push(batch.records.columns().iter().map(cell).collect());
        }
        for reject in batch.rejects {
            let (byte, line) = reject.position.byte_and_line.unwrap();
            read.rejects.push((line, byte, reject.refusal.reason));
            read.messages.push(reject.refusal.message.into_owned());
        }
    }
    Ok(read)
}

/// Reads a file in pieces of some sizes; the sizes must not show.
fn read(bytes: impl AsRef<[u8]>, source: &FileSource) -> Result<Read> {
    let bytes = bytes.as_ref();
    let whole = read_in_pieces(bytes, source, 1 << 20);
    for size in [1, 2, 3, 7] {
        match (&whole, read_in_pieces(bytes, source, size)) {
            (Ok(whole), Ok(read)) => assert_eq!(*whole, read, "in pieces of {size}"),
            (Err(whole), Err(error)) => assert_eq!(whole.to_string(), error.to_string()),
            (whole, other) => panic!("{whole:?} and {other:?} in pieces of {size}"),
        }
    }
    whole
}

fn format(change: impl FnOnce(&mut Delimited)) -> Delimited {
    let mut format = Delimited::csv();
    change(&mut format);
    format
}

fn row(cells: &[&str]) -> Row {
    cells.iter().map(|cell| Some((*cell).to_owned())).collect()
}

#[test]
fn any_separator_with_any_qualifier() {
    for delimiter in [',', '|', ';', ' ', '\t', ':', '\u{1}'] {
        for quote in ['"', '\''] {
            let (d, q) = (delimiter, quote);
            let source = texts(
                &["a", "b"],
                format(|format| {
                    format.delimiter = delimiter;
                    format.quote = Some(quote);
                }),
            );
            let text =
                format!("a{d}b\n{q}1{d}2{q}{d}x{q}y\n{q}{q}{d}{q}a{q}{q}\r\n{q}\n3{d}4{d}5\n");
            let byte = text.find(&format!("3{d}4")).unwrap() as u64;
            let read = read(text, &source).unwrap();
            let inner = format!("1{d}2");
            let quoted = format!("x{q}y");
            let lines = format!("a{q}\r\n");
            assert_eq!(
                read.rows,
                [row(&[&inner, &quoted]), row(&["", &lines])],
                "{delimiter:?} {quote:?}"
            );
            assert_eq!(read.rejects, [(5, byte, Reason::WrongColumnCount)]);
        }
        let source = texts(
            &["a", "b"],
            format(|format| {
                format.delimiter = delimiter;
                format.quote = None;
            }),
        );
        let d = delimiter;
        let read = read(
            format!("a{d}b\n\"1\"{d}'2\n\"{d}\0\n3\n\"4{d}5\"{d}6\n{d}\n"),
            &source,
        )
        .unwrap();
        assert_eq!(
            read.rows,
            [row(&["\"1\"", "'2"]), row(&["\"", "\0"]), vec![None, None]]
        );
        assert_eq!(
            read.rejects,
            [
                (4, 15, Reason::WrongColumnCount),
                (5, 17, Reason::WrongColumnCount)
            ]
        );
        let advice = "without quotes no cell can hold the delimiter";
        assert!(read.messages[1].ends_with(advice), "{:?}", read.messages);
    }
}

#[test]
fn a_backslash_takes_the_meaning_from_one_byte() {
    let mut backslash = format(|format| format.escape = Escape::Backslash);
    backslash.null_tokens = vec![r"\N".into()];
    let source = texts(&["a", "b"], backslash.clone());
    let text = "a,b\n\
        1\\,2,\"3\\\"4\"\n\
        \\\"5,\\\\\n\
        6\\\r\n7,\"8\"\"\\\n9\"\n\
        \\N,\"\\N\"\n\
        \\NN,\\é\n\
        \"x\"\\,y\n\
        z,\\";
    let read_quoted = read(text, &source).unwrap();
    assert_eq!(
        read_quoted.rows,
        [
            row(&["1,2", "3\"4"]),
            row(&["\"5", "\\"]),
            row(&["6\r\n7", "8\"\n9"]),
            vec![None, Some("N".into())],
            row(&["NN", "é"]),
            row(&["z", "\\"]),
        ]
    );
    let byte = text.find("\"x\"").unwrap() as u64;
    assert_eq!(read_quoted.rejects, [(9, byte, Reason::BadQuotes)]);
    assert!(read_quoted.messages[0].contains("backslash"));

    backslash.quote = None;
    let source = texts(&["a", "b"], backslash);
    let read = read("a,b\n\"1\\,2\",\"\\\n\n3,4,5", &source).unwrap();
    assert_eq!(read.rows, [row(&["\"1,2\"", "\"\n"])]);
    assert_eq!(read.rejects, [(4, 15, Reason::WrongColumnCount)]);
    assert!(read.messages[0].contains("has a backslash in front"));
}

#[test]
fn comments_are_no_records_and_count_as_lines() {
    let commented = format(|format| format.comment = Some('#'));
    let source = texts(&["a", "b"], commented.clone());
    let text = "\u{FEFF}# made by \"x\n#\r\n\na,b\n#1,2\r\n1,#\n#,\n\"\n#\",2\n #,3\n4\n#end";
    let read_all = read(text, &source).unwrap();
    assert_eq!(
        read_all.rows,
        [row(&["1", "#"]), row(&["\n#", "2"]), row(&[" #", "3"])]
    );
    let byte = text.find("4\n#end").unwrap() as u64;
    assert_eq!(read_all.rejects, [(11, byte, Reason::WrongColumnCount)]);

    // No longer than a record may be.
    let mut source = source;
    source.format.limits.record_bytes = 8;
    let long = format!("a,b\n#{}\n1,2\n", "x,\"".repeat(100));
    assert_eq!(read(long, &source).unwrap().rows, [row(&["1", "2"])]);

    for nothing in ["#a,b", "#\n", "\n#a\r\n\r\n#"] {
        let error = read(nothing, &source).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        assert!(error.message().contains("is empty"), "{error}");
    }
    source.format.limits.header_bytes = 100;
    let error = read(format!("#{}\na,b\n", "x".repeat(100)), &source).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    assert!(error.message().contains("comments"), "{error}");
}

#[test]
fn lines_in_front_are_passed_over_whatever_is_in_them() {
    let skipping = |lines| texts(&["a"], format(|format| format.skip_lines = lines));
    for front in ["x\n\"y\n", "\r\n\r\n", "\u{FEFF}\r\r", "\n\"\",,\r"] {
        let text = format!("{front}a\n1\n\"2\n");
        let read = read(&text, &skipping(2)).unwrap();
        assert_eq!(read.rows, [row(&["1"])], "{front:?}");
        let byte = front.len() as u64 + 4;
        assert_eq!(read.rejects, [(5, byte, Reason::BadQuotes)], "{front:?}");
    }
    let long = format!("{}\r\na\n1", "x".repeat(100_000));
    assert_eq!(
        read_in_pieces(long.as_bytes(), &skipping(1), 999)
            .unwrap()
            .rows,
        [row(&["1"])]
    );
    for (text, lines) in [
        ("", 1),
        ("x\ny", 2),
        ("x\ny", 3),
        ("x\r\n", 1),
        ("x\n\n", 2),
        ("\u{FEFF}", 9),
    ] {
        let error = read(text, &skipping(lines)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        assert!(error.message().contains("is empty"), "{error}");
        assert!(error.message().contains("skip_lines"), "{error}");
    }
}

#[test]
fn without_header_columns_are_found_by_their_place() {
    let absent = format(|format| format.header = Header::Absent);
    let source = texts(&["a", "b"], absent);
    let read_all = read("\u{FEFF}1,2\n\n3\n4,5,6\n\"7\",\"\"", &source).unwrap();
    assert_eq!(read_all.columns, ["a", "b"]);
    assert_eq!(read_all.rows, [row(&["1", "2"]), row(&["7", ""])]);
    assert_eq!(
        read_all.rejects,
        [
            (3, 8, Reason::WrongColumnCount),
            (4, 10, Reason::WrongColumnCount)
        ]
    );
    assert_eq!(
        read_all.messages,
        [
            "1 cells where 2 columns are declared",
            "more cells than the 2 declared; a cell with the delimiter in it is quoted"
        ]
    );
    for empty in ["", "\u{FEFF}", "\r\n\n"] {
        assert_eq!(read(empty, &source).unwrap().rows, Vec::<Row>::new());
    }
    let mut source = source;
    source.format.skip_lines = 2;
    source.format.comment = Some('#');
    let read_rest = read("a,b\n\"\n#x\n1,2\n3", &source).unwrap();
    assert_eq!(read_rest.rows, [row(&["1", "2"])]);
    assert_eq!(read_rest.rejects, [(5, 13, Reason::WrongColumnCount)]);
    assert_eq!(read("x\ny", &source).unwrap().rows, Vec::<Row>::new());
    let error = read("x", &source).unwrap_err();
    assert!(error.message().contains("is empty"), "{error}");
}

#[test]
fn a_header_is_compared_as_its_rule_says() {
    let with = |rule, names: &[&str]| texts(names, format(|format| format.header = rule));
    let header = " Name ,\"ÉTAT\tcivil\",\u{A0}x\u{3000}\n1,2,3\n";
    for (rule, names) in [
        (Header::Exact, [" Name ", "ÉTAT\tcivil", "\u{A0}x\u{3000}"]),
        (Header::Trimmed, ["Name", " ÉTAT\tcivil", "x"]),
        (Header::IgnoreCase, ["NAME ", "état\tCIVIL", "X"]),
    ] {
        let source = with(rule, &names);
        assert_eq!(source.problems("s"), []);
        let read = read(header, &source).unwrap();
        assert_eq!(read.rows, [row(&["1", "2", "3"])]);
        // As they are written.
        assert_eq!(read.columns, [" Name ", "ÉTAT\tcivil", "\u{A0}x\u{3000}"]);
    }
    for (rule, header, name, spellings) in [
        (Header::Exact, "a,b,a\n", "a", "`a` and `a`"),
        (Header::Trimmed, "a,b,\" a\"\n", "a", "`a` and ` a`"),
        (Header::IgnoreCase, "É,b, é\n", "É", "`É` and ` é`"),
    ] {
        let error = read(header, &with(rule, &["b", name])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        let [problem] = error.problems() else {
            panic!("{error}")
        };
        assert_eq!(problem.path, "columns[1].name");
        assert!(problem.message.ends_with(spellings), "{error}");
        // What is not asked for may be there as often as it likes.
        assert!(read(header, &with(rule, &["b"])).is_ok());
    }
}

#[test]
fn missing_columns_are_told_all_at_once() {
    let source = texts(&["id", "Unit Price", "city"], Delimited::csv());
    let error = read("ID,city,unit_price\n", &source).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    let paths: Vec<&str> = error.problems().iter().map(|p| p.path.as_str()).collect();
    assert_eq!(paths, ["columns[0].name", "columns[1].name"]);
    let text = error.to_string();
    let missing = "missing: `id` (the header has `ID`), `Unit Price` (the header has `unit_price`)";
    assert!(text.contains(missing), "{text}");
    assert!(text.contains("`header`"), "{text}");
}

#[test]
fn two_columns_of_one_name_are_one_too_many() {
    let source = |header| texts(&["a", " A"], format(|format| format.header = header));
    assert_eq!(source(Header::Exact).problems("s"), []);
    assert_eq!(source(Header::Trimmed).problems("s"), []);
    let problems = source(Header::IgnoreCase).problems("s");
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].path, "s.columns[1].name");
    assert!(
        problems[0]
            .message
            .starts_with("`a` and ` A` are the same column")
    );
}

#[test]
fn marks_are_ascii_and_differ() {
    type Change = fn(&mut Delimited);
    let changes: [(&[&str], Change); 12] = [
        (&["delimiter"], |format| format.delimiter = 'x'),
        (&["delimiter"], |format| format.delimiter = '\r'),
        (&["quote"], |format| format.quote = Some('0')),
        (&["quote"], |format| format.quote = Some('»')),
        (&["quote"], |format| format.quote = Some(',')),
        (&["comment"], |format| format.comment = Some('\n')),
        (&["comment"], |format| format.comment = Some('\0')),
        (&["comment"], |format| format.comment = Some(',')),
        (&["comment"], |format| format.comment = Some('"')),
        (&["delimiter"], |format| {
            (format.delimiter, format.escape) = ('\\', Escape::Backslash);
        }),
        (&["comment"], |format| {
            (format.comment, format.escape) = (Some('\\'), Escape::Backslash);
        }),
        (&["quote", "comment"], |format| {
            (format.quote, format.comment) = (Some('é'), Some('é'));
        }),
    ];
    for (number, (fields, change)) in changes.into_iter().enumerate() {
        let problems = format(change).problems("f");
        let mut paths: Vec<&str> = problems
            .iter()
            .map(|problem| problem.path.as_str())
            .collect();
        paths.dedup();
        let expected: Vec<String> = fields.iter().map(|field| format!("f.{field}")).collect();
        assert_eq!(paths, expected, "{number}");
    }
    let unquoted = format(|format| (format.quote, format.delimiter) = (None, '"'));
    assert_eq!(unquoted.problems("f"), []);
    let backslash = format(|format| format.delimiter = '\\');
    assert_eq!(backslash.problems("f"), []);
    let read = read("a\\b\n1\\\"\\\"\n", &texts(&["a", "b"], backslash)).unwrap();
    assert_eq!(read.rows, [row(&["1", "\\"])]);
}

#[test]
fn files_are_written_as_plain_utf8() {
    let strange = format(|format| {
        format.encoding = Encoding::Utf16Le;
        format.compression = Compression::Gzip;
        format.skip_lines = 1;
    });
    let error = DelimitedEncoder::new(&strange).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let paths: Vec<&str> = error.problems().iter().map(|p| p.path.as_str()).collect();
    assert_eq!(
        paths,
        ["format.encoding", "format.compression", "format.skip_lines"]
    );
    for problem in error.problems() {
        assert!(problem.message.contains("plain UTF-8"), "{problem}");
        assert!(problem.message.contains("leave it at"), "{problem}");
    }
}

#[test]
fn what_a_format_cannot_express_is_an_error_and_nothing_is_written() {
    let unquoted = format(|format| {
        format.quote = None;
        format.comment = Some('#');
        format.null_tokens = vec!["-".into()];
    });
    let encoder = DelimitedEncoder::new(&unquoted).unwrap();
    let mut out = b"x\n".to_vec();
    for text in ["", ",", "a\nb", "\r", "-", "#", "\u{FEFF}a"] {
        let error = encoder
            .cells([Some(text.as_bytes()), Some(b"good")], &mut out)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{text:?}");
        assert!(error.to_string().contains("`quote`"), "{error}");
        assert!(error.to_string().contains("column: number 1"), "{error}");
        assert_eq!(out, b"x\n");
    }
    let error = encoder.header(["good", "a,b"], &mut out).unwrap_err();
    assert!(error.to_string().contains("column: number 2"), "{error}");
    encoder
        .cells([Some(&b"\"\\"[..]), Some(b"#"), None], &mut out)
        .unwrap();
    assert_eq!(out, b"x\n\"\\,#,\n");

    let absent = format(|format| format.header = Header::Absent);
    let mut out = Vec::new();
    DelimitedEncoder::new(&absent)
        .unwrap()
        .header(["a"], &mut out)
        .unwrap();
    assert_eq!(out, b"");
}

#[test]
fn what_needs_an_escape_gets_one() {
    let written = |format: Delimited, cells: &[&str]| {
        let mut out = Vec::new();
        let cells = cells.iter().map(|cell| Some(cell.as_bytes()));
        DelimitedEncoder::new(&format)
            .unwrap()
            .cells(cells, &mut out)
            .unwrap();
        String::from_utf8(out).unwrap()
    };
    let mut backslash = format(|format| {
        format.escape = Escape::Backslash;
        format.comment = Some('#');
        format.null_tokens = vec!["-".into(), r"\N".into()];
    });
    assert_eq!(
        written(backslash.clone(), &["#", "a\"b\\", "-", "x"]),
        "\"#\",\"a\\\"b\\\\\",\"-\",x\n"
    );
    backslash.quote = None;
    assert_eq!(
        written(backslash.clone(), &["#", "a\"b\\,", "-", "\r\n", "\r"]),
        "\\#,a\"b\\\\\\,,\\-,\\\r\\\n,\\\r\r\n"
    );
    // `N` with a backslash in front would be null.
    backslash.null_tokens.push("N".into());
    let encoder = DelimitedEncoder::new(&backslash).unwrap();
    let error = encoder
        .cells([Some(&b"N"[..])], &mut Vec::new())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(written(backslash, &["NN"]), "NN\n");
}

#[test]
fn a_file_destination_refuses_what_its_format_cannot_express() {
    let plain = format(|format| {
        format.quote = None;
        format.header = Header::Absent;
    });
    let schema = Schema::new(vec![
        Field::new("a", FieldType::Text),
        Field::new("b", FieldType::Text),
    ]);
    let texts = |cells: [Option<&str>; 4]| -> array::ArrayRef {
        Arc::new(array::StringViewArray::from(cells.to_vec()))
    };
    let columns = vec![
        texts([Some("1"), Some("x,y"), None, Some("2")]),
        texts([Some("\""), Some("z"), Some(""), None]),
    ];
    let records = array::RecordBatch::try_new(Arc::clone(schema.arrow()), columns).unwrap();
    let files = MemoryFiles::new();
    let context = Context::new();
    let shared = Arc::new(files.clone());
    let destination = FileDestination::new(shared, "o", "o", schema, plain.clone());
    let report = block_on(async {
        let fields = ["a", "b"].map(WriteField::new);
        let request = OpenRequest::new("job", fields.to_vec(), WriteMode::Insert);
        let mut writer = destination.open(&context, request).await.unwrap().writer;
        let report = writer
            .write(
                &context,
                Batch::new(
                    records.clone(),
                    RowsAsRead::new("t", 0, records).into_origins(),
                ),
            )
            .await
            .unwrap();
        writer
            .commit(&context, CommitRequest::new(1).as_last())
            .await
            .unwrap();
        report
    });
    let refused: Vec<_> = report
        .refusals
        .iter()
        .map(|(row, refusal)| (*row, refusal.reason, refusal.field.as_deref()))
        .collect();
    assert_eq!(
        refused,
        [
            (1, Reason::Refused, Some("a")),
            (2, Reason::Refused, Some("b"))
        ]
    );
    assert_eq!(files.bytes("o").unwrap(), "1,\"\n2,\n");
}

/// Any format that has no problem and can be written.
fn any_format() -> impl Strategy<Value = Delimited> {
    let mark = |marks: &'static [char]| prop::sample::select(marks);
    let tokens = prop::sample::subsequence(
        vec!["NULL", "N", r"\N", "-", "#", "'a'", "a,", "\"", r"\\"],
        0..4,
    );
    let rules = [
        Header::Exact,
        Header::Trimmed,
        Header::IgnoreCase,
        Header::Absent,
    ];
    let formats = (
        mark(&[',', ';', '|', '\t', ' ', '-', '\\', '"']),
        prop::option::weighted(0.6, mark(&['"', '\'', '-'])),
        prop::option::of(mark(&['#', '-', '"', '\'', ' '])),
        prop::sample::select(vec![Escape::Doubled, Escape::Backslash]),
        prop::sample::select(rules.to_vec()),
        tokens,
        any::<bool>(),
    );
    let formats = formats.prop_map(
        |(delimiter, quote, comment, escape, header, tokens, empty)| {
            format(|format| {
                format.delimiter = delimiter;
                format.quote = quote;
                format.comment = comment;
                format.escape = escape;
                format.header = header;
                format.null_tokens = tokens.into_iter().map(str::to_owned).collect();
                format.empty_is_text = empty;
            })
        },
    );
    formats.prop_filter("the marks differ", |format| format.problems("").is_empty())
}

/// Rows of one to three cells; what has a meaning somewhere is likely.
fn any_rows() -> impl Strategy<Value = (usize, Vec<Row>)> {
    let cell = prop_oneof![
        1 => Just(None),
        4 => "[,;|\t \"'\\\\#\n\rN\u{E9}\u{FEFF}a-]{0,5}".prop_map(Some),
        1 => prop::sample::select(vec!["NULL", "N", r"\N", "-", "\r", "\\", ""]).prop_map(|text| Some(text.to_owned())),
        1 => "[a-z\u{E9}\\\\]{1,40}".prop_map(Some),
    ];
    (1..4usize).prop_flat_map(move |columns| {
        let row = prop::collection::vec(cell.clone(), columns);
        (Just(columns), prop::collection::vec(row, 0..9))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn what_is_written_in_any_format_is_read(format in any_format(), (columns, rows) in any_rows()) {
        let names = &["a", "b", "c"][..columns];
        let encoder = DelimitedEncoder::new(&format).unwrap();
        let mut bytes = Vec::new();
        encoder.header(names, &mut bytes).unwrap();
        let header = bytes.len();
        let mut written = Vec::new();
        for row in rows {
            let before = bytes.len();
            match encoder.cells(row.iter().map(|cell| Some(cell.as_ref()?.as_bytes())), &mut bytes) {
                Ok(()) => written.push(row),
                Err(error) => {
                    prop_assert_eq!(error.kind(), ErrorKind::Invalid);
                    prop_assert_eq!(bytes.len(), before);
                    // Quotes express every text, and an escape nearly every one.
                    let has_null = row.iter().any(Option::is_none);
                    let is_hard = |text: &String| match format.escape {
                        Escape::Backslash => text.is_empty() || format.null_tokens.iter().any(|token| token.ends_with(text)),
                        _ => true,
                    };
                    let hard = format.quote.is_none() && row.iter().flatten().any(is_hard);
                    prop_assert!(has_null || hard, "{row:?}");
                }
            }
        }
        let read = read_in_pieces(&bytes, &texts(names, format), 1 << 20).unwrap();
        prop_assert_eq!(&read.rows, &written);
        prop_assert_eq!(read.rejects, []);

        let column = |at: usize| -> array::ArrayRef {
            let texts = written.iter().map(|row| row[at].as_deref());
            Arc::new(texts.collect::<array::StringViewArray>())
        };
        let arrays = names.iter().copied().zip((0..columns).map(column));
        let batch = array::RecordBatch::try_from_iter_with_nullable(
            arrays.map(|(name, array)| (name, array, true)),
        ).unwrap();
        let mut again = Vec::new();
        encoder.batch(&batch, &mut again).unwrap();
        prop_assert_eq!(&again, &bytes[header..]);
    }

    #[test]
    fn valid_text_is_read_as_the_csv_crate_reads_it(
        rows in prop::collection::vec(prop::collection::vec(("[a-z#'\"\\\\,;\n\r\u{E9} ]{0,9}", 0..3u8), 2), 0..20),
        comments in prop::collection::vec(prop::option::of("[a-z#'\"\\\\,; ]{0,80}"), 1..9),
        delimiter in prop::sample::select(vec![',', ';', '|', '\t']),
        quote in prop::sample::select(vec![Some('"'), Some('\''), None]),
        escape in prop::sample::select(vec![Escape::Doubled, Escape::Backslash]),
        has_header in any::<bool>(),
        end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
    ) {
        // Escapes outside quotes are ours alone.
        let escape = if quote.is_some() { escape } else { Escape::Doubled };
        let mut text = String::new();
        if has_header {
            text = format!("a{delimiter}b{end}");
        }
        let mut comments = comments.iter().cycle();
        for row in &rows {
            // That crate ends a comment at `\n` only.
            if let (Some(comment), true) = (comments.next().unwrap(), end != "\r") {
                text.push_str(&format!("#{comment}{end}"));
            }
            for (number, (cell, how)) in row.iter().enumerate() {
                if number > 0 {
                    text.push(delimiter);
                }
                let marks = ['\n', '\r', '\\', '#', delimiter, quote.unwrap_or('\n')];
                match (quote, how) {
                    (Some(quote), 0 | 1) => {
                        text.push(quote);
                        for character in cell.chars() {
                            match (escape, character) {
                                (Escape::Backslash, '\\') => text.push('\\'),
                                (Escape::Backslash, 'a' | '\n') => text.push('\\'),
                                (Escape::Backslash, mark) if mark == quote && *how == 1 => text.push('\\'),
                                (_, mark) if mark == quote => text.push(quote),
                                _ => {}
                            }
                            text.push(character);
                        }
                        text.push(quote);
                    }
                    _ => text.push_str(&cell.replace(marks, "x")),
                }
            }
            text.push_str(end);
        }
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter as u8)
            .quoting(quote.is_some())
            .quote(quote.unwrap_or('"') as u8)
            .escape((escape == Escape::Backslash).then_some(b'\\'))
            .comment(Some(b'#'))
            .has_headers(has_header)
            .from_reader(text.as_bytes());
        let expected: Vec<Row> = reader
            .records()
            .map(|row| row.unwrap().iter().map(|cell| Some(cell.to_owned())).collect())
            .collect();
        prop_assert_eq!(expected.len(), rows.len());
        let format = format(|format| {
            format.delimiter = delimiter;
            format.quote = quote;
            format.escape = escape;
            format.comment = Some('#');
            format.empty_is_text = true;
            if !has_header {
                format.header = Header::Absent;
            }
        });
        prop_assert_eq!(read_in_pieces(text.as_bytes(), &texts(&["a", "b"], format), 99).unwrap().rows, expected);
    }

    #[test]
    fn numbers_and_dates_are_read_in_any_format(
        format in any_format(),
        rows in prop::collection::vec((any::<i32>(), -9999..9999i64, -40_000..40_000i32), 1..5),
    ) {
        let schema = Schema::new(vec![
            Field::new("i", FieldType::Integer),
            Field::new("c", "decimal(9,2)".parse().unwrap()),
            Field::new("d", FieldType::Date),
        ]);
        let integers: array::Int64Array = rows.iter().map(|row| Some(i64::from(row.0))).collect();
        let decimals: array::Decimal128Array = rows.iter().map(|row| Some(i128::from(row.1))).collect();
        let dates: array::Date32Array = rows.iter().map(|row| Some(row.2)).collect();
        let records = array::RecordBatch::try_new(Arc::clone(schema.arrow()), vec![
            Arc::new(integers),
            Arc::new(decimals.with_precision_and_scale(9, 2).unwrap()),
            Arc::new(dates),
        ]).unwrap();
        let encoder = DelimitedEncoder::new(&format).unwrap();
        let mut bytes = Vec::new();
        encoder.header(["i", "c", "d"], &mut bytes).unwrap();
        if encoder.batch(&records, &mut bytes).is_err() {
            prop_assert!(format.quote.is_none());
            return Ok(());
        }
        let mut source = FileSource::new("f", schema.fields().to_vec());
        source.format = format;
        let files = MemoryFiles::new();
        files.insert("f", bytes);
        let context = Context::new();
        let batches: Vec<Batch> = block_on(async {
            let dataset = DelimitedDataset::open(&context, Arc::new(files), &source).await.unwrap();
            dataset.read(&context, ReadRequest::new()).try_collect().await.unwrap()
        });
        prop_assert_eq!(batches.len(), 1);
        prop_assert_eq!(batches[0].records.columns(), records.columns());
    }
}
