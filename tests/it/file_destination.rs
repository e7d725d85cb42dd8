//! A file as a destination.

use std::sync::Arc;

use futures::StreamExt;
use futures::executor::block_on;
use proptest::prelude::*;
use syncline::dataset::{Dataset, ReadRequest};
use syncline::destination::{
    CommitRequest, Destination, Durability, OpenRequest, Opened, RowOutcome, WriteField, Writer,
};
use syncline::file::{DelimitedDataset, DelimitedEncoder, FileDestination, write_delimited};
use syncline::host::{Context, FileStore, ThreadPool};
use syncline::memory::MemoryFiles;
use syncline::record::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch,
    StringViewArray, TimestampMicrosecondArray,
};
use syncline::record::{Batch, Field, FieldType, Reason, RowOp, RowsAsRead, Schema};
use syncline::spec::{Delimited, FileSource, WriteMode, WriteOn};
use syncline::{Error, ErrorKind};

fn schema() -> Schema {
    Schema::new(vec![
        Field::new("name", FieldType::Text).required(),
        Field::new("seats", FieldType::Integer),
        Field::new("note", FieldType::Text),
    ])
}

fn destination(files: &MemoryFiles) -> FileDestination {
    let files = Arc::new(files.clone());
    FileDestination::new(files, "out/x.csv", "x", schema(), Delimited::csv())
}

fn batch(names: &[Option<&str>], seats: &[Option<i64>]) -> Batch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("seats", Arc::new(Int64Array::from(seats.to_vec()))),
        ("name", Arc::new(StringViewArray::from(names.to_vec()))),
    ];
    let records = RecordBatch::try_from_iter_with_nullable(
        columns
            .into_iter()
            .map(|(name, column)| (name, column, true)),
    )
    .unwrap();
    Batch::new(
        records.clone(),
        RowsAsRead::new("in", 0, records).into_origins(),
    )
}

fn request() -> OpenRequest {
    let fields = vec![WriteField::new("seats"), WriteField::new("name")];
    OpenRequest::new("job", fields, WriteMode::Insert)
}

fn open(files: &MemoryFiles, request: OpenRequest) -> Result<Box<dyn Writer>, Error> {
    let context = Context::new();
    block_on(destination(files).open(&context, request)).map(|Opened { writer, .. }| writer)
}

#[test]
fn all_fields_of_the_schema_are_written_and_only_at_the_last_commit() {
    let files = MemoryFiles::new();
    let context = Context::new().with_executor(Arc::new(ThreadPool::new(2).unwrap()));
    block_on(async {
        let opened = destination(&files).open(&context, request()).await.unwrap();
        let mut writer = opened.writer;
        let first = batch(&[Some("a"), None, Some("")], &[Some(1), Some(2), None]);
        let report = writer.write(&context, first).await.unwrap();
        assert_eq!(
            report.outcomes,
            [
                RowOutcome::Inserted,
                RowOutcome::Rejected,
                RowOutcome::Inserted
            ]
        );
        let [(1, refusal)] = &report.refusals[..] else {
            panic!("{report:?}")
        };
        assert_eq!(refusal.reason, Reason::MissingRequired);
        assert_eq!(refusal.field.as_deref(), Some("name"));
        let commit = writer
            .commit(&context, CommitRequest::new(1))
            .await
            .unwrap();
        assert_eq!(commit.durability, Durability::Accepted);
        assert!(files.list("").await.unwrap().is_empty());

        for number in 0..20 {
            let next = batch(&[Some("b")], &[Some(number)]);
            writer.write(&context, next).await.unwrap();
        }
        // The answer may be lost and the commit repeated.
        for _ in 0..2 {
            let last = CommitRequest::new(2).as_last();
            let commit = writer.commit(&context, last).await.unwrap();
            assert_eq!(commit.durability, Durability::Durable { through: 2 });
        }
        let late = writer
            .write(&context, batch(&[Some("c")], &[None]))
            .await
            .unwrap_err();
        assert_eq!(late.kind(), ErrorKind::Closed);
    });
    let rest: String = (0..20).map(|number| format!("b,{number},\n")).collect();
    let expected = format!("name,seats,note\na,1,\n\"\",,\n{rest}");
    assert_eq!(files.bytes("out/x.csv").unwrap(), expected);
}

#[test]
fn nothing_is_kept_of_a_dry_run_or_an_aborted_one() {
    let files = MemoryFiles::new();
    let context = Context::new();
    let mut dry = open(&files, request().with_dry_run(true)).unwrap();
    let mut aborted = open(&files, request()).unwrap();
    block_on(async {
        let report = dry.write(&context, batch(&[None], &[None])).await.unwrap();
        assert_eq!(report.outcomes, [RowOutcome::Rejected]);
        let last = CommitRequest::new(1).as_last();
        let commit = dry.commit(&context, last.clone()).await.unwrap();
        assert_eq!(commit.durability, Durability::Durable { through: 1 });

        aborted
            .write(&context, batch(&[Some("a")], &[None]))
            .await
            .unwrap();
        aborted.abort(&context).await.unwrap();
        assert_eq!(
            aborted.commit(&context, last).await.unwrap_err().kind(),
            ErrorKind::Closed
        );
        assert!(files.list("").await.unwrap().is_empty());
    });
}

#[test]
fn a_run_without_rows_leaves_a_header() {
    let files = MemoryFiles::new();
    let mut writer = open(&files, request()).unwrap();
    block_on(writer.commit(&Context::new(), CommitRequest::new(1).as_last())).unwrap();
    assert_eq!(files.bytes("out/x.csv").unwrap(), "name,seats,note\n");
}

#[test]
fn what_a_file_cannot_do_is_refused() {
    let files = MemoryFiles::new();
    let kind = |request| open(&files, request).map(drop).unwrap_err().kind();
    let fields = |names: &[&str]| names.iter().map(|name| WriteField::new(*name)).collect();
    let insert = |names: &[&str]| OpenRequest::new("job", fields(names), WriteMode::Insert);
    let update = OpenRequest::new("job", fields(&["name"]), WriteMode::update(["name"]));
    assert_eq!(kind(update), ErrorKind::Unsupported);
    assert_eq!(kind(request().with_ids(true)), ErrorKind::Unsupported);
    assert_eq!(kind(insert(&["name", "gone"])), ErrorKind::Invalid);
    assert_eq!(kind(insert(&["name", "name"])), ErrorKind::Invalid);
    assert_eq!(kind(insert(&["seats"])), ErrorKind::Invalid);
    let on_update = vec![WriteField::new("name").on(WriteOn::Update)];
    assert_eq!(
        kind(OpenRequest::new("job", on_update, WriteMode::Insert)),
        ErrorKind::Invalid
    );

    let mut writer = open(&files, request()).unwrap();
    let mut deleted = batch(&[Some("a"), Some("b")], &[None, None]);
    deleted.ops = Some(vec![RowOp::Upsert, RowOp::Delete]);
    let report = block_on(writer.write(&Context::new(), deleted)).unwrap();
    assert_eq!(
        report.outcomes,
        [RowOutcome::Inserted, RowOutcome::Rejected]
    );
    let narrow = batch(&[Some("a")], &[None]).records.project(&[0]).unwrap();
    let narrow = Batch::new(
        narrow.clone(),
        RowsAsRead::new("in", 0, narrow).into_origins(),
    );
    let error = block_on(writer.write(&Context::new(), narrow)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Contract);
}

#[test]
fn a_null_has_a_token_where_the_empty_cell_cannot_stand_for_it() {
    let schema = Schema::new(vec![Field::new("n", FieldType::Integer)]);
    let column: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    let records = RecordBatch::try_new(Arc::clone(schema.arrow()), vec![column]).unwrap();
    let files = MemoryFiles::new();
    let context = Context::new();
    let written = write_delimited(&context, &files, "n.csv", &schema, [Ok(records.clone())]);
    block_on(written).unwrap();
    assert_eq!(files.bytes("n.csv").unwrap(), "n\n1\n\\N\n");

    let mut text = Vec::new();
    let error = DelimitedEncoder::new(&Delimited::csv())
        .unwrap()
        .batch(&records, &mut text)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);

    let mut format = Delimited::csv();
    format.null_tokens = vec!["1".into()];
    let mut text = Vec::new();
    DelimitedEncoder::new(&format)
        .unwrap()
        .batch(&records, &mut text)
        .unwrap();
    assert_eq!(text, b"\"1\"\n1\n");
}

#[test]
fn a_table_of_one_text_column_reads_back() {
    let schema = Schema::new(vec![Field::new("t", FieldType::Text)]);
    let texts = [Some("a"), None, Some(""), Some(r"\N"), None];
    let column: ArrayRef = Arc::new(StringViewArray::from(texts.to_vec()));
    let records = RecordBatch::try_new(Arc::clone(schema.arrow()), vec![column]).unwrap();
    let files = MemoryFiles::new();
    let context = Context::new();
    let written = write_delimited(&context, &files, "t.csv", &schema, [Ok(records.clone())]);
    block_on(written).unwrap();
    let mut source = FileSource::new("t.csv", schema.fields().to_vec());
    source.format.null_tokens = vec![r"\N".into()];
    let open = DelimitedDataset::open(&context, Arc::new(files), &source);
    let dataset = block_on(open).unwrap();
    let read = block_on(dataset.read(&context, ReadRequest::new()).next());
    assert_eq!(read.unwrap().unwrap().records, records);
}

#[test]
fn a_record_whose_null_the_format_cannot_express_is_refused() {
    let schema = Schema::new(vec![Field::new("t", FieldType::Text)]);
    let column: ArrayRef = Arc::new(StringViewArray::from(vec![Some("a"), None, Some("")]));
    let records = RecordBatch::try_new(Arc::clone(schema.arrow()), vec![column]).unwrap();
    let context = Context::new();
    for dry_run in [false, true] {
        let files = MemoryFiles::new();
        let store = Arc::new(files.clone());
        let one = FileDestination::new(store, "x.csv", "x", schema.clone(), Delimited::csv());
        let request = OpenRequest::new("job", vec![WriteField::new("t")], WriteMode::Insert);
        let opened = block_on(one.open(&context, request.with_dry_run(dry_run))).unwrap();
        let mut writer = opened.writer;
        let batch = Batch::new(
            records.clone(),
            RowsAsRead::new("in", 0, records.clone()).into_origins(),
        );
        let report = block_on(writer.write(&context, batch)).unwrap();
        let [(1, refusal)] = &report.refusals[..] else {
            panic!("{report:?}")
        };
        assert_eq!(refusal.reason, Reason::MissingRequired);
        assert!(refusal.message.contains("null token"));
        assert_eq!(report.outcomes[1], RowOutcome::Rejected);
        block_on(writer.commit(&context, CommitRequest::new(1).as_last())).unwrap();
        let text = (!dry_run).then(|| "t\na\n\"\"\n".into());
        assert_eq!(files.bytes("x.csv"), text);
    }
}

#[test]
fn a_value_that_no_reader_reads_is_refused() {
    let files = MemoryFiles::new();
    let schema = Schema::new(vec![
        Field::new("f", FieldType::Float),
        Field::new("day", FieldType::Date),
    ]);
    let floats = [
        Some(1.5),
        Some(f64::NAN),
        Some(f64::NEG_INFINITY),
        Some(2.0),
        None,
    ];
    let days = [Some(0), Some(0), Some(0), Some(2_932_897), None];
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Float64Array::from(floats.to_vec())),
        Arc::new(Date32Array::from(days.to_vec())),
    ];
    let records = RecordBatch::try_new(Arc::clone(schema.arrow()), columns).unwrap();
    let encoder = DelimitedEncoder::new(&Delimited::csv()).unwrap();
    let mut out = Vec::new();
    let error = encoder.batch(&records, &mut out).unwrap_err();
    assert_eq!(
        (error.kind(), out.as_slice()),
        (ErrorKind::Invalid, &b"1.5,1970-01-01\n"[..])
    );

    let store = Arc::new(files.clone());
    let destination = FileDestination::new(store, "x.csv", "x", schema, Delimited::csv());
    let fields = vec![WriteField::new("f"), WriteField::new("day")];
    let request = OpenRequest::new("job", fields, WriteMode::Insert);
    let context = Context::new();
    let origins = RowsAsRead::new("in", 0, records.clone()).into_origins();
    block_on(async {
        let mut writer = destination.open(&context, request).await.unwrap().writer;
        let report = writer
            .write(&context, Batch::new(records, origins))
            .await
            .unwrap();
        let refused: Vec<_> = report
            .refusals
            .iter()
            .map(|(row, refusal)| (*row, refusal.field.as_deref()))
            .collect();
        assert_eq!(refused, [(1, Some("f")), (2, Some("f")), (3, Some("day"))]);
        assert!(report.refusals[0].1.message.contains("must be finite"));
        writer
            .commit(&context, CommitRequest::new(1).as_last())
            .await
            .unwrap();
    });
    assert_eq!(files.bytes("x.csv").unwrap(), "f,day\n1.5,1970-01-01\n,\n");
}

/// One column of each layout, of so many rows.
fn records() -> impl Strategy<Value = (Schema, RecordBatch)> {
    let schema = Schema::new(vec![
        Field::new("t", FieldType::Text),
        Field::new("n", FieldType::Integer),
        Field::new(
            "d",
            FieldType::Decimal {
                precision: 38,
                scale: 7,
            },
        ),
        Field::new("f", FieldType::Float),
        Field::new("b", FieldType::Boolean),
        Field::new("day", FieldType::Date),
        Field::new("at", FieldType::DateTime),
        Field::new("clock", FieldType::LocalDateTime),
    ]);
    let decimal = -(10i128.pow(38) - 1)..10i128.pow(38);
    let float = any::<f64>().prop_filter("finite", |value| value.is_finite());
    // Years 1 to 9999, which a date's text can hold.
    let (day, second) = (
        -719_162..2_932_897i32,
        -62_135_596_800_000_000..253_402_300_800_000_000i64,
    );
    let row = (
        prop::option::of("[a-z\"',;\r\n\u{FEFF}é-]{0,30}"),
        prop::option::of(any::<i64>()),
        prop::option::of(decimal),
        prop::option::of(float),
        prop::option::of(any::<bool>()),
        prop::option::of(day),
        prop::option::of(second.clone()),
        prop::option::of(second),
    );
    prop::collection::vec(row, 0..40).prop_map(move |rows| {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(
                rows.iter()
                    .map(|row| row.0.as_deref())
                    .collect::<StringViewArray>(),
            ),
            Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>()),
            Arc::new(
                rows.iter()
                    .map(|row| row.2)
                    .collect::<Decimal128Array>()
                    .with_precision_and_scale(38, 7)
                    .unwrap(),
            ),
            Arc::new(rows.iter().map(|row| row.3).collect::<Float64Array>()),
            Arc::new(rows.iter().map(|row| row.4).collect::<BooleanArray>()),
            Arc::new(rows.iter().map(|row| row.5).collect::<Date32Array>()),
            Arc::new(
                rows.iter()
                    .map(|row| row.6)
                    .collect::<TimestampMicrosecondArray>()
                    .with_timezone("UTC"),
            ),
            Arc::new(
                rows.iter()
                    .map(|row| row.7)
                    .collect::<TimestampMicrosecondArray>(),
            ),
        ];
        let records = RecordBatch::try_new(Arc::clone(schema.arrow()), columns).unwrap();
        (schema.clone(), records)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_written_is_read_back_as_it_was(
        (schema, records) in records(),
        delimiter in prop_oneof![Just(','), Just('-'), Just('.'), Just(':'), Just('\t')],
        tokens in prop_oneof![
            Just(vec![]), Just(vec!["null"]), Just(vec!["0", "-"]), Just(vec!["true", "1e0"]),
        ],
        empty_is_text in any::<bool>(),
    ) {
        let mut format = Delimited::csv();
        format.delimiter = delimiter;
        format.null_tokens = tokens.into_iter().map(str::to_owned).collect();
        if empty_is_text {
            format.empty_is_text = true;
            format.null_tokens.push("N".into());
        }
        let encoder = DelimitedEncoder::new(&format).unwrap();
        let mut text = Vec::new();
        encoder.header(schema.fields().iter().map(|field| &field.name), &mut text).unwrap();
        encoder.batch(&records, &mut text).unwrap();
        let files = MemoryFiles::new();
        files.insert("t.csv", text);
        let mut source = FileSource::new("t.csv", schema.fields().to_vec());
        source.format = format;
        let context = Context::new();
        let read = block_on(async {
            let dataset = DelimitedDataset::open(&context, Arc::new(files), &source).await.unwrap();
            let mut batches = dataset.read(&context, ReadRequest::new());
            batches.next().await.unwrap().unwrap()
        });
        prop_assert!(read.rejects.is_empty(), "{:?}", read.rejects);
        prop_assert_eq!(read.records, records);
    }
}
