//! The own datasets, connections, lookups and jobs.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::executor::block_on;
use serde_json::json;
use syncline::conformance;
use syncline::connection::{Connection as _, DEFAULT_LOOKUP_BYTES};
use syncline::dataset::Dataset;
use syncline::file::{DelimitedDataset, FileDestination};
use syncline::host::Context;
use syncline::job::{Job as _, RunRequest, SyncJob};
use syncline::lookup::{LookupIndexBuilder, LookupRequest};
use syncline::memory::{MemoryConnection, MemoryDataset, MemoryFiles, MemoryRejects};
use syncline::record::array::RecordBatch;
use syncline::record::{Field, FieldType, Reason, RecordBuilder, Refusal, Schema};
use syncline::spec::{
    Delimited, DestinationSpec, Encoding, FieldMapping, FileSource, Identity, MappingSpec,
    ObjectSpec, WriteMode,
};
use syncline::testing::conformance::{
    ConnectionFixture, DatasetFixture, JobFixture, LookupFixture, every_type, fidelity,
};

fn every_value() -> MemoryDataset {
    let records = fidelity(&every_type()).unwrap();
    MemoryDataset::new("every value", every_type(), vec![records]).unwrap()
}

fn memory_dataset(dataset: MemoryDataset) -> DatasetFixture {
    DatasetFixture::new(move || Arc::new(dataset.clone()))
}

conformance!(memory_dataset_of_every_type: dataset,
    memory_dataset(every_value()).holding(fidelity(&every_type())?),
    skip: [("DS-09", "records have no unparsed text"), ("DS-10", "it filters nothing"), ("DS-11", "it has no clock")]);
conformance!(memory_dataset_with_rejects: dataset, {
    let refusal = || Refusal::new(Reason::BadValue, "a refusal that a test asked for");
    memory_dataset(every_value().with_reject(0, refusal()).with_reject(7, refusal()).with_reject(19, refusal()))
}, skip: [
    ("DS-09", "records have no unparsed text"), ("DS-10", "it filters nothing"), ("DS-11", "it has no clock"),
    ("DS-13", "some are refused")]);
conformance!(memory_dataset_without_cursors: dataset, memory_dataset(every_value().without_resume()), skip: [
    ("DS-05", "it gives no cursors"), ("DS-06", "it gives no cursors"), ("DS-07", "it gives no cursors"),
    ("DS-09", "records have no unparsed text"), ("DS-10", "it filters nothing"), ("DS-11", "it has no clock"), ("DS-12", "it gives no cursors"),
    ("DS-13", "shown with cursors")]);

/// Records with all that a delimited file may have, and some that must be refused.
const DIFFICULT: &str = "id,name,seats,since\r\n1,Ada,3,2025-01-31\n2,\"Bo, the \"\"second\"\"\",,\n\
    3,\"two\r\nlines\",x,2025-02-30\n4,too,many,cells,here\n\n5,\"\",7,\n6,e\u{301}\u{1f600},-0,2024-02-29\r\n7,,+8,1969-12-31\n";

pub(crate) fn delimited_dataset(
    encoding: Encoding,
) -> impl Fn() -> Arc<dyn Dataset> + Send + Sync + 'static {
    let bytes: Vec<u8> = match encoding {
        Encoding::Utf16Le => std::iter::once(0xFEFF)
            .chain(DIFFICULT.encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect(),
        _ => DIFFICULT.into(),
    };
    let files = MemoryFiles::new().with_chunk_bytes(11);
    files.insert("difficult.csv", bytes);
    let fields = [
        ("id", "integer"),
        ("name", "text"),
        ("seats", "integer"),
        ("since", "date"),
    ];
    let fields = fields.map(|(name, of)| Field::new(name, of.parse().unwrap()));
    let mut source = FileSource::new("difficult.csv", fields.to_vec());
    source.format.encoding = encoding;
    move || -> Arc<dyn Dataset> {
        // An executor does not run within another one, as it would in a test of a clause.
        let context = Context::new();
        let opened = DelimitedDataset::open(&context, Arc::new(files.clone()), &source);
        Arc::new(opened.now_or_never().unwrap().unwrap())
    }
}

fn delimited(encoding: Encoding) -> DatasetFixture {
    DatasetFixture::new(delimited_dataset(encoding))
}

conformance!(delimited_file: dataset, delimited(Encoding::default()), skip: [
    ("DS-10", "it filters nothing"), ("DS-11", "it has no clock"), ("DS-13", "some are refused")]);
conformance!(delimited_file_in_utf16: dataset, delimited(Encoding::Utf16Le), skip: [
    ("DS-10", "it filters nothing"), ("DS-11", "it has no clock"), ("DS-13", "some are refused")]);

/// A file that our own destination wrote.
fn written_file() -> DatasetFixture {
    let files = Arc::new(MemoryFiles::new());
    let destination = FileDestination::new(
        files.clone(),
        "all.csv",
        "all",
        every_type(),
        Delimited::csv(),
    );
    let records = fidelity(&every_type()).unwrap();
    super::destinations::write_all(&destination, records.clone());
    let source = FileSource::new("all.csv", every_type().fields().to_vec());
    let open = move || {
        let context = Context::new();
        let opened = DelimitedDataset::open(&context, files.clone(), &source);
        Arc::new(opened.now_or_never().unwrap().unwrap()) as Arc<dyn Dataset>
    };
    DatasetFixture::new(open).holding(records)
}

conformance!(delimited_file_of_every_type: dataset, written_file(), skip: [("DS-10", "it filters nothing"), ("DS-11", "it has no clock")]);

/// Two objects with a few records.
pub(crate) fn home() -> MemoryConnection {
    let home = MemoryConnection::new("home");
    for name in ["person", "company"] {
        let fields = vec![
            Field::new("name", FieldType::Text),
            Field::new("seats", FieldType::Integer),
        ];
        let schema = Schema::new(fields.clone());
        let home = home
            .clone()
            .with_object(&ObjectSpec::new(name, Identity::Generated, fields))
            .unwrap();
        let mut rows = RecordBuilder::new(&schema);
        for row in [
            json!({"name": "Ada", "seats": 3}),
            json!({"name": "Bo"}),
            json!({"name": "Bo", "seats": 3}),
        ] {
            rows.push(&row).unwrap();
        }
        home.object(name)
            .unwrap()
            .insert(rows.finish().unwrap())
            .unwrap();
    }
    home
}

conformance!(memory_connection: connection, ConnectionFixture::new(home()));

/// Records with keys of one, of several, with nulls, and with near ones.
pub(crate) fn looked_into() -> (Schema, RecordBatch) {
    let fields = [
        ("name", FieldType::Text),
        ("n", FieldType::Integer),
        ("mark", FieldType::Text),
    ];
    let schema = Schema::new(fields.map(|(name, of)| Field::new(name, of)).to_vec());
    let mut rows = RecordBuilder::new(&schema);
    for row in [
        json!({"name": "Ada", "n": 1, "mark": "a"}),
        json!({"name": "Bo", "n": 2, "mark": "b"}),
        json!({"name": "Bo", "n": 2, "mark": "c"}),
        json!({"name": "Bo", "n": 3, "mark": "d"}),
        json!({"name": "Zoe\u{301}", "n": 1, "mark": "e"}),
        json!({"name": null, "n": 4, "mark": "f"}),
        json!({"name": "Cleo", "n": null, "mark": "g"}),
        json!({"name": "Dan", "n": 9, "mark": null}),
    ] {
        rows.push(&row).unwrap();
    }
    (schema, rows.finish().unwrap())
}

fn index(keys: &[&str]) -> LookupFixture {
    let (schema, records) = looked_into();
    let keys = keys.iter().map(|key| key.to_string()).collect();
    let request = LookupRequest::new("thing", keys, "mark");
    let mut index = LookupIndexBuilder::new(&request, &schema, DEFAULT_LOOKUP_BYTES).unwrap();
    index.push(&records).unwrap();
    LookupFixture::new(Arc::new(index.finish().unwrap()), records)
}

conformance!(lookup_index_by_one_field: lookup, index(&["name"]));
conformance!(lookup_index_by_two_fields: lookup, index(&["name", "n"]));
conformance!(lookup_index_by_a_number: lookup, index(&["n"]), skip: [("LK-04", "a number is no text")]);

async fn live(ordered: bool) -> syncline::Result<LookupFixture> {
    let (schema, records) = looked_into();
    let spec = ObjectSpec::new("thing", Identity::None, schema.fields().to_vec());
    let home = MemoryConnection::new("home").with_object(&spec)?;
    let object = home.object("thing").unwrap();
    // In the order asked for, several matches are taken from the back of the object.
    let backwards = (0..records.num_rows())
        .rev()
        .map(|row| records.slice(row, 1));
    match ordered {
        true => backwards
            .map(|row| object.insert(row))
            .collect::<syncline::Result<Vec<_>>>()
            .map(drop)?,
        false => object.insert(records.clone())?,
    }
    let mut request = LookupRequest::new("thing", vec!["name".into(), "n".into()], "mark");
    if ordered {
        request = request.with_order_by("mark");
    }
    Ok(LookupFixture::new(
        home.lookup(&Context::new(), request).await?,
        records,
    ))
}

conformance!(lookup_in_memory: lookup, live(false).await?);
conformance!(lookup_in_memory_by_order: lookup, live(true).await?);

/// A job that upserts three people and refuses one, with what it changes.
pub(crate) fn people() -> (SyncJob, MemoryConnection) {
    let fields = || vec![Field::new("name", FieldType::Text)];
    let mut rows = RecordBuilder::new(&Schema::new(fields()));
    for name in ["Ada", "Bo", "Cleo", "Dan"] {
        rows.push(&json!({"name": name})).unwrap();
    }
    let records = vec![rows.finish().unwrap()];
    let dataset = MemoryDataset::new("names", Schema::new(fields()), records).unwrap();
    let dataset = dataset.with_reject(
        2,
        Refusal::new(Reason::BadValue, "a refusal that a test asked for"),
    );
    let person = ObjectSpec::new("person", Identity::Generated, fields());
    let home = MemoryConnection::new("home").with_object(&person).unwrap();
    let mapping = MappingSpec::new(vec![FieldMapping::direct("name", "name")]);
    let spec = DestinationSpec::new("person", WriteMode::upsert(["name"]), mapping);
    let job = SyncJob::new("people", Arc::new(dataset)).to(Arc::new(home.clone()), spec);
    (job, home)
}

/// All that is at home, in words.
pub(crate) fn shown(home: &MemoryConnection) -> String {
    format!("{:?}", home.object("person").unwrap().scan().unwrap())
}

fn sync_job() -> JobFixture {
    let (job, home) = people();
    JobFixture::new(job)
        .observed(move || std::future::ready(Ok(shown(&home))))
        .with_dry_run()
}

conformance!(sync_job_in_memory: job, sync_job());

#[test]
fn the_job_of_the_fixture_does_what_it_says() {
    let (job, home) = people();
    let report = block_on(job.run(
        &Context::new(),
        RunRequest::new(Arc::new(MemoryRejects::new())),
    ))
    .unwrap();
    assert_eq!(
        (
            report.destinations[0].inserted,
            home.object("person").unwrap().len()
        ),
        (3, 3)
    );
}
