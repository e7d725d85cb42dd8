//! Delimited files, read and written, against the `csv` crate and the csv-spectrum files.

use std::path::Path;
use std::sync::Arc;

use futures::StreamExt;
use futures::executor::block_on;
use proptest::prelude::*;
use syncline::dataset::{Dataset, ReadRequest};
use syncline::file::{DelimitedDataset, DelimitedEncoder, LocalFiles};
use syncline::host::{Context, FileStore, ThreadPool};
use syncline::memory::MemoryFiles;
use syncline::record::{Field, FieldType, RawRecord, Reason, format};
use syncline::spec::{Column, Delimited, FileSource};
use syncline::{Error, ErrorKind, Problem};

type Row = Vec<Option<String>>;

/// All that a read says.
#[derive(Debug, Clone, PartialEq, Default)]
struct Read {
    /// Position, and the canonical text of each cell.
    rows: Vec<(String, Row)>,
    /// Position, reason, field, raw cells (or what was not split).
    rejects: Vec<(String, Reason, Option<String>, RawRecord)>,
    bytes: u64,
    resume: Option<String>,
    largest_batch: usize,
}

impl Read {
    fn texts(&self) -> Vec<Row> {
        self.rows.iter().map(|(_, row)| row.clone()).collect()
    }

    fn reasons(&self) -> Vec<(&str, Reason)> {
        self.rejects
            .iter()
            .map(|(at, reason, ..)| (at.as_str(), *reason))
            .collect()
    }
}

fn read_with(
    context: &Context,
    files: impl FileStore + 'static,
    source: &FileSource,
    request: ReadRequest,
) -> Result<Read, Error> {
    block_on(async {
        let dataset = DelimitedDataset::open(context, Arc::new(files), source).await?;
        let mut batches = dataset.read(context, request);
        let mut read = Read::default();
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            assert_eq!(batch.len(), batch.origins.len());
            for row in 0..batch.len() {
                let cell = |column| {
                    let mut text = Vec::new();
                    format::value(column, row, &mut text).then(|| String::from_utf8(text).unwrap())
                };
                let cells = batch
                    .records
                    .columns()
                    .iter()
                    .map(|column| cell(column))
                    .collect();
                read.rows
                    .push((batch.origins.position(row).to_string(), cells));
            }
            for reject in batch.rejects {
                read.rejects.push((
                    reject.position.to_string(),
                    reject.refusal.reason,
                    reject.refusal.field,
                    reject.raw,
                ));
            }
            read.bytes += batch.bytes_read;
            read.resume = batch.resume.map(|cursor| cursor.as_str().to_owned());
            read.largest_batch = read.largest_batch.max(batch.records.num_rows());
        }
        assert_eq!(Some(read.bytes), dataset.info().size_bytes);
        Ok(read)
    })
}

fn read(bytes: impl AsRef<[u8]>, source: &FileSource) -> Result<Read, Error> {
    let files = MemoryFiles::new();
    files.insert(&source.name, bytes.as_ref().to_vec());
    read_with(&Context::new(), files, source, ReadRequest::new())
}

/// All columns `names` as text.
fn texts(names: &[&str]) -> FileSource {
    let columns = names.iter().map(|name| Field::new(*name, FieldType::Text));
    FileSource::new("t.csv", columns)
}

fn row(cells: &[&str]) -> Row {
    cells.iter().map(|cell| Some((*cell).to_owned())).collect()
}

#[test]
fn csv_spectrum_reads_as_its_json_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/csv-spectrum");
    let files = Arc::new(LocalFiles::new(folder.join("csvs")));
    let names = block_on(files.list("")).unwrap();
    assert_eq!(names.len(), 12);
    let context = Context::new();
    for name in names {
        let json = folder.join("json").join(name.replace(".csv", ".json"));
        let json: serde_json::Value =
            serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
        let mut expected = match json {
            serde_json::Value::Array(rows) => rows,
            one => vec![one],
        };
        let mut source = FileSource::new(&name, Vec::<Field>::new());
        source.format.empty_is_text = true;
        let shared: Arc<dyn FileStore> = Arc::clone(&files) as _;
        let header = block_on(DelimitedDataset::open(&context, shared, &source)).unwrap();
        let header = header.info().columns.to_vec();
        source.columns = header
            .iter()
            .map(|name| Column::new(name, FieldType::Text))
            .collect();
        if name == "location_coordinates.csv" {
            // This JSON has another number than its CSV.
            expected[0]["Contact Phone Number"] = "2095257564".into();
        }
        let expected: Vec<Row> = expected
            .iter()
            .map(|row| {
                header
                    .iter()
                    .map(|name| Some(row[name].as_str().unwrap().to_owned()))
                    .collect()
            })
            .collect();
        let read = read_with(&context, (*files).clone(), &source, ReadRequest::new()).unwrap();
        assert_eq!(read.texts(), expected, "{name}");
        assert_eq!(read.rejects, [], "{name}");
    }
}

#[test]
fn null_and_empty_text_differ() {
    let mut source = texts(&["a", "b"]);
    source.format.null_tokens = vec!["NULL".into(), "-".into()];
    let bytes = "a,b\n,\"\"\nNULL,\"NULL\"\n-,null\n";
    let null_and = |text: &str| vec![None, Some(text.to_owned())];
    let read_null = read(bytes, &source).unwrap();
    assert_eq!(
        read_null.texts(),
        [null_and(""), null_and("NULL"), null_and("null")]
    );
    source.format.empty_is_text = true;
    assert_eq!(read(bytes, &source).unwrap().texts()[0], row(&["", ""]));
}

#[test]
fn every_type_is_read_into_its_layout() {
    let types = [
        ("text", "héllo"),
        ("integer", "-9223372036854775808"),
        ("decimal(12,2)", "-12.50"),
        ("float", "1.5e300"),
        ("boolean", "true"),
        ("date", "2024-02-29"),
        ("datetime", "2025-01-31T11:34:56.250000Z"),
        ("local_datetime", "2025-01-31T12:34:56"),
        ("email", "a@example.com"),
        ("url", "https://example.com/"),
        ("currency", "0.01"),
        ("percent", "12.5000"),
        ("json", "{\"a\":1}"),
        ("lookup(account)", "x"),
        ("id", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    ];
    let columns: Vec<Field> = types
        .iter()
        .map(|(name, _)| Field::new(*name, name.parse().unwrap()))
        .collect();
    let values = types.iter().map(|(_, value)| Some(value.as_bytes()));
    let mut bytes = Vec::new();
    let encoder = DelimitedEncoder::new(&Delimited::csv()).unwrap();
    encoder
        .header(types.iter().map(|(name, _)| name), &mut bytes)
        .unwrap();
    encoder.cells(values.clone(), &mut bytes).unwrap();
    encoder
        .cells(types.iter().map(|_| None), &mut bytes)
        .unwrap();
    // `text` and `lookup` take anything but bad UTF-8.
    encoder
        .cells(types.iter().map(|_| Some("?".as_bytes())), &mut bytes)
        .unwrap();
    encoder
        .cells(types.iter().map(|_| Some(b"\xFF".as_slice())), &mut bytes)
        .unwrap();
    let source = FileSource::new("t.csv", columns);
    let read = read(bytes, &source).unwrap();
    let expected: Row = values
        .map(|v| Some(String::from_utf8(v.unwrap().into()).unwrap()))
        .collect();
    assert_eq!(read.texts(), [expected, vec![None; types.len()]]);
    assert_eq!(read.rejects.len(), 2);
    let (_, reason, field, raw) = &read.rejects[0];
    assert_eq!(
        (*reason, field.as_deref()),
        (Reason::BadValue, Some("integer"))
    );
    assert_eq!(*raw, RawRecord::Cells(vec![Some("?".into()); types.len()]));
    let (_, reason, field, raw) = &read.rejects[1];
    assert_eq!(
        (*reason, field.as_deref()),
        (Reason::BadEncoding, Some("text"))
    );
    assert_eq!(
        *raw,
        RawRecord::Cells(vec![Some(b"\xFF".as_slice().into()); types.len()])
    );
}

#[test]
fn a_reject_names_fields_and_no_values() {
    let columns = vec![
        Field::new("n", FieldType::Integer),
        Field::new("d", FieldType::Date),
    ];
    let source = FileSource::new("t.csv", columns);
    let files = MemoryFiles::new();
    files.insert("t.csv", "n,x,d\nsecret1,,\"secret\"\"2\"\n1,y,2025-01-01\n");
    let context = Context::new();
    let batch = block_on(async {
        let dataset = DelimitedDataset::open(&context, Arc::new(files), &source)
            .await
            .unwrap();
        let wanted = vec!["d".to_owned(), "n".to_owned()];
        let mut batches = dataset.read(&context, ReadRequest::new().with_fields(wanted));
        batches.next().await.unwrap().unwrap()
    });
    assert_eq!(batch.len(), 1);
    let [reject] = &batch.rejects[..] else {
        panic!("{:?}", batch.rejects)
    };
    assert_eq!(reject.refusal.field.as_deref(), Some("d"));
    assert_eq!(
        reject.refusal.message,
        "expected a date like 2025-01-31; also bad: `n`"
    );
    assert_eq!(reject.position.to_string(), "t.csv:2 (byte 6)");
    let cells = vec![Some("secret1".into()), None, Some("secret\"2".into())];
    assert_eq!(reject.raw, RawRecord::Cells(cells));
    // A late reject shows the same.
    let late = vec![
        Some("1".into()),
        Some("y".into()),
        Some("2025-01-01".into()),
    ];
    assert_eq!(batch.origins.raw(0), RawRecord::Cells(late));
    assert_eq!(batch.origins.sequence(0), 1);
    assert_eq!(batch.origins.position(0).to_string(), "t.csv:3 (byte 27)");
}

#[test]
fn a_bad_value_harms_only_who_asks_for_it() {
    let source = FileSource::new(
        "t.csv",
        vec![
            Field::new("n", FieldType::Integer),
            Field::new("t", FieldType::Text),
        ],
    );
    let files = MemoryFiles::new();
    files.insert("t.csv", b"n,t,other\nx,\xFF,\xFE\n".as_slice());
    let ask = |fields: &[&str], raw: &[&str]| {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let request = ReadRequest::new()
            .with_fields(own(fields))
            .with_raw(own(raw));
        read_with(&Context::new(), files.clone(), &source, request)
    };
    assert_eq!(ask(&[], &[]).unwrap().texts(), [row(&[])]);
    assert_eq!(ask(&["n"], &["n"]).unwrap().texts(), [row(&["x"])]);
    assert_eq!(
        ask(&["n"], &[]).unwrap().reasons(),
        [("t.csv:2 (byte 10)", Reason::BadValue)]
    );
    assert_eq!(
        ask(&["t"], &["t"]).unwrap().reasons(),
        [("t.csv:2 (byte 10)", Reason::BadEncoding)]
    );
    assert_eq!(ask(&["gone"], &[]).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(ask(&["t"], &["n"]).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn bad_records_cost_themselves_only() {
    let bytes = b"a,b\n1,2\n\"open,2\n3,4\n\"x\"y,2\n1\n1,2,3\n5,\0\r6,\xFF\r\n\n7,8";
    let read = read(bytes, &texts(&["a", "b"])).unwrap();
    assert_eq!(
        read.texts(),
        [
            row(&["1", "2"]),
            row(&["3", "4"]),
            row(&["5", "\0"]),
            row(&["7", "8"])
        ]
    );
    assert_eq!(
        read.reasons(),
        [
            ("t.csv:3 (byte 8)", Reason::BadQuotes),
            ("t.csv:5 (byte 20)", Reason::BadQuotes),
            ("t.csv:6 (byte 27)", Reason::WrongColumnCount),
            ("t.csv:7 (byte 29)", Reason::WrongColumnCount),
            ("t.csv:9 (byte 39)", Reason::BadEncoding),
        ]
    );
    assert_eq!(read.resume.as_deref(), Some("byte 48, line 11, record 9"));
}

#[test]
fn what_makes_a_file_unreadable_is_an_error_that_says_what_to_do() {
    let source = texts(&["a", "b"]);
    let fails = |bytes: &[u8]| {
        let error = read(bytes, &source).unwrap_err();
        assert!(error.to_string().contains("file: t.csv"), "{error}");
        (error.kind(), error.to_string())
    };
    for (bytes, says) in [
        (b"".as_slice(), "is empty"),
        (b"\xEF\xBB\xBF", "is empty"),
        (b"\n\r\n", "is empty"),
        (b"\xFF\xFEa\0", "UTF-16 (little-endian)"),
        (b"\xFE\xFF\0a", "UTF-16 (big-endian)"),
        (b"a\xFF,b\n", "number 1"),
        (b"a,b,a\n", "`a`"),
        (b"a,\"b\n", "quote"),
        (b"a,B\n", "`b` (the header has `B`)"),
        (b"a;b\n1;2\n", "`a`, `b`"),
    ] {
        let (kind, message) = fails(bytes);
        assert_eq!(kind, ErrorKind::Malformed, "{message}");
        assert!(message.contains(says), "{message}");
    }
    let wide = vec!["x"; 5000].join(",");
    assert_eq!(fails(wide.as_bytes()).0, ErrorKind::LimitExceeded);
    assert_eq!(
        fails("x".repeat(2 << 20).as_bytes()).0,
        ErrorKind::LimitExceeded
    );
    let mut source = source.clone();
    source.format.quote = Some(',');
    assert_eq!(
        read("a,b\n", &source).unwrap_err().kind(),
        ErrorKind::Invalid
    );
    source.name = "gone.csv".into();
    source.format.quote = Some('"');
    let gone = read_with(
        &Context::new(),
        MemoryFiles::new(),
        &source,
        ReadRequest::new(),
    );
    assert_eq!(gone.unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_format_that_cannot_be_is_refused_wherever_it_is_given() {
    type Change = fn(&mut Delimited);
    let changes: [(&str, Change); 6] = [
        ("delimiter", |format| format.delimiter = '\0'),
        ("quote", |format| format.quote = Some('é')),
        ("quote", |format| format.quote = Some(',')),
        ("limits.record_bytes", |format| {
            format.limits.record_bytes = 0
        }),
        ("limits.record_bytes", |format| {
            format.limits.record_bytes = (1 << 30) + 1
        }),
        ("limits.header_bytes", |format| {
            format.limits.header_bytes = u32::MAX
        }),
    ];
    for (at, change) in changes {
        let mut source = texts(&["a"]);
        change(&mut source.format);
        let paths = |problems: &[Problem]| -> Vec<String> {
            problems
                .iter()
                .map(|problem| problem.path.clone())
                .collect()
        };
        assert_eq!(paths(&source.problems("s")), [format!("s.format.{at}")]);
        let opened = read("a\n", &source).unwrap_err();
        assert_eq!(paths(opened.problems()), [format!("format.{at}")]);
        let encoder = DelimitedEncoder::new(&source.format).unwrap_err();
        assert_eq!(paths(encoder.problems()), [format!("format.{at}")]);
    }
}

#[test]
fn only_a_declared_column_must_have_a_name_of_its_own() {
    let columns = "a,,b,b,\n1,2,3,4,5\n";
    assert_eq!(
        read(columns, &texts(&["a"])).unwrap().texts(),
        [row(&["1"])]
    );
    for ambiguous in ["b", ""] {
        let error = read(columns, &texts(&["a", ambiguous])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        assert!(error.to_string().contains("twice"), "{error}");
    }
}

#[test]
fn a_file_with_another_header_than_at_the_opening_is_not_read() {
    let files = MemoryFiles::new();
    let context = Context::new();
    files.insert("t.csv", "a,b\n1,2\n");
    let source = texts(&["a", "b"]);
    let open = DelimitedDataset::open(&context, Arc::new(files.clone()), &source);
    let dataset = block_on(open).unwrap();
    let next = || block_on(dataset.read(&context, ReadRequest::new()).next()).unwrap();
    files.insert("t.csv", "b,a\n2,1\n");
    let error = next().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    let message = error.to_string();
    assert!(message.contains("file: t.csv") && message.contains("header changed"));
    // Written in another way, it is the same header.
    files.insert("t.csv", "\u{FEFF}\n\"a\",b\n3,4\n5,6\n");
    let batch = next().unwrap();
    assert_eq!(batch.len(), 2);
    assert_eq!(batch.origins.position(1).to_string(), "t.csv:4 (byte 14)");
}

#[test]
fn a_byte_order_mark_is_dropped_even_in_pieces() {
    let files = MemoryFiles::new().with_chunk_bytes(1);
    files.insert("t.csv", "\u{FEFF}\"a\",b\n\u{FEFF},2\n");
    let context = Context::new();
    let read = read_with(&context, files, &texts(&["a", "b"]), ReadRequest::new()).unwrap();
    assert_eq!(read.texts(), [row(&["\u{FEFF}", "2"])]);
    assert_eq!(read.rows[0].0, "t.csv:2 (byte 9)");
}

#[test]
fn a_header_alone_is_a_file_without_records() {
    for bytes in ["a,b", "a,b\n", "a,b\r\n\n"] {
        let read = read(bytes, &texts(&["a", "b"])).unwrap();
        assert_eq!((read.rows.len(), read.rejects.len()), (0, 0));
    }
}

/// Rows of cells, and for each cell whether a writer that has a choice quotes it.
fn table() -> impl Strategy<Value = (usize, Vec<Vec<(String, bool)>>)> {
    let cell = prop_oneof![
        4 => "[a-z0-9 ,\"\n\r\t;é\u{FEFF}-]{0,12}",
        1 => Just(String::new()),
        1 => "[a-z]{1,90}",
    ];
    (1..5usize).prop_flat_map(move |columns| {
        let row = prop::collection::vec((cell.clone(), any::<bool>()), columns);
        (Just(columns), prop::collection::vec(row, 0..30))
    })
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_the_csv_crate_writes_is_read(
        (columns, rows) in table(),
        crlf in any::<bool>(),
        always in any::<bool>(),
        delimiter in prop_oneof![Just(b','), Just(b';'), Just(b'\t')],
    ) {
        let mut writer = csv::WriterBuilder::new()
            .delimiter(delimiter)
            .terminator(if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') })
            .quote_style(if always { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary })
            .from_writer(Vec::new());
        writer.write_record(&NAMES[..columns]).unwrap();
        for row in &rows {
            writer.write_record(row.iter().map(|(cell, _)| cell)).unwrap();
        }
        let bytes = writer.into_inner().unwrap();
        let mut source = texts(&NAMES[..columns]);
        source.format.delimiter = char::from(delimiter);
        source.format.empty_is_text = true;
        let read = read(bytes, &source).unwrap();
        let expected: Vec<Row> = rows
            .iter()
            .map(|row| row.iter().map(|(cell, _)| Some(cell.clone())).collect())
            .collect();
        prop_assert_eq!(read.texts(), expected);
        prop_assert_eq!(read.rejects, []);
    }

    #[test]
    fn valid_text_is_read_as_the_csv_crate_reads_it(
        (columns, rows) in table(),
        ends in prop::collection::vec(prop_oneof![Just("\n"), Just("\r\n"), Just("\r"), Just("\n\n")], 1..4),
        last in any::<bool>(),
    ) {
        // Random quoting, line ends and blank lines.
        let mut text = NAMES[..columns].join(",");
        let mut ends = ends.iter().cycle();
        for row in &rows {
            text.push_str(ends.next().unwrap());
            for (number, (cell, quoted)) in row.iter().enumerate() {
                if number > 0 {
                    text.push(',');
                }
                let must = cell.contains(['\n', '\r', ',']) || cell.starts_with('"')
                    || (columns == 1 && cell.is_empty());
                match must || *quoted {
                    true => text.push_str(&format!("\"{}\"", cell.replace('"', "\"\""))),
                    false => text.push_str(cell),
                }
            }
        }
        if last {
            text.push('\n');
        }
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let expected: Vec<Row> = reader
            .records()
            .map(|row| row.unwrap().iter().map(|cell| Some(cell.to_owned())).collect())
            .collect();
        let mut source = texts(&NAMES[..columns]);
        source.format.empty_is_text = true;
        prop_assert_eq!(expected.len(), rows.len());
        prop_assert_eq!(read(text, &source).unwrap().texts(), expected);
    }

    #[test]
    fn what_is_written_is_read_by_us_and_by_the_csv_crate(
        (columns, rows) in table(),
        nulls in prop::collection::vec(any::<bool>(), 1..9),
        token in prop_oneof![Just(None), Just(Some("-")), Just(Some("null"))],
        empty_is_text in any::<bool>(),
    ) {
        let mut format = Delimited::csv();
        format.null_tokens = token.map(str::to_owned).into_iter().collect();
        format.empty_is_text = empty_is_text;
        let no_null = token.is_none() && (columns == 1 || empty_is_text);
        let mut is_null = nulls.iter().cycle();
        let expected: Vec<Row> = rows
            .iter()
            .map(|row| row.iter().map(|(cell, _)| {
                (no_null || !is_null.next().unwrap()).then(|| cell.clone())
            }).collect())
            .collect();
        let encoder = DelimitedEncoder::new(&format).unwrap();
        let mut bytes = Vec::new();
        encoder.header(&NAMES[..columns], &mut bytes).unwrap();
        for row in &expected {
            let cells = row.iter().map(|cell| cell.as_deref().map(str::as_bytes));
            encoder.cells(cells, &mut bytes).unwrap();
        }
        let mut source = texts(&NAMES[..columns]);
        source.format = format;
        prop_assert_eq!(&read(&bytes, &source).unwrap().texts(), &expected);

        let null = match token {
            Some(token) if columns == 1 || empty_is_text => token,
            _ => "",
        };
        let mut reader = csv::Reader::from_reader(&*bytes);
        let others: Vec<Row> = reader
            .records()
            .map(|row| row.unwrap().iter().map(|cell| Some(cell.to_owned())).collect())
            .collect();
        let expected: Vec<Row> = expected
            .iter()
            .map(|row| row.iter().map(|cell| Some(cell.clone().unwrap_or(null.to_owned()))).collect())
            .collect();
        prop_assert_eq!(others, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_read_is_the_same_for_any_batch_size_and_any_number_of_threads(
        lines in prop::collection::vec(
            prop_oneof![
                6 => "[0-9]{1,3},[a-z\"]{0,9}",
                1 => "x,y", 1 => "\"open,1", 1 => "1,\"two\nlines\"", 1 => "1", 1 => "",
            ],
            0..200,
        ),
        batch_rows in 1..50usize,
        threads in 1..4usize,
        chunk in 1..300usize,
    ) {
        let files = MemoryFiles::new();
        files.insert("t.csv", format!("n,t\n{}\n", lines.join("\n")));
        let columns = vec![Field::new("n", FieldType::Integer), Field::new("t", FieldType::Text)];
        let source = FileSource::new("t.csv", columns);
        let whole = read_with(&Context::new(), files.clone(), &source, ReadRequest::new()).unwrap();
        let context = Context::new().with_executor(Arc::new(ThreadPool::new(threads).unwrap()));
        let request = ReadRequest::new().with_batch_rows(batch_rows);
        let files = files.with_chunk_bytes(chunk);
        let mut other = read_with(&context, files, &source, request).unwrap();
        prop_assert!(other.largest_batch <= batch_rows);
        other.largest_batch = whole.largest_batch;
        prop_assert_eq!(other, whole);
    }
}
