//! The own destinations.

use std::sync::Arc;

use futures::StreamExt as _;
use syncline::conformance;
use syncline::dataset::{Dataset as _, ReadRequest};
use syncline::file::{DelimitedDataset, FileDestination};
use syncline::host::FileStore as _;
use syncline::memory::{Commits, MemoryDestination, MemoryFiles, MemoryObject};
use syncline::record::array::{ArrayRef, Int64Array, StringViewArray};
use syncline::record::{Field, FieldType, Schema};
use syncline::spec::{Delimited, FileSource, Identity, ObjectSpec};
use syncline::testing::conformance::{DestinationFixture, every_type};

use futures::FutureExt as _;
use syncline::destination::{CommitRequest, Destination, OpenRequest, RowOutcome, WriteField};
use syncline::host::Context;
use syncline::record::array::RecordBatch;
use syncline::record::{Batch, RowsAsRead};
use syncline::spec::WriteMode;

/// Inserts records, all of which must be taken.
pub(crate) fn write_all(destination: &dyn Destination, records: RecordBatch) {
    let fields = destination.schema().fields().iter();
    let fields = fields.map(|field| WriteField::new(&field.name)).collect();
    let origins = RowsAsRead::new("all", 0, records.clone()).into_origins();
    let written = async {
        let context = Context::new();
        let request = OpenRequest::new("job", fields, WriteMode::Insert);
        let mut writer = destination.open(&context, request).await?.writer;
        let report = writer.write(&context, Batch::new(records, origins)).await?;
        writer
            .commit(&context, CommitRequest::new(1).as_last())
            .await?;
        Ok::<_, syncline::Error>(report)
    };
    let report = written.now_or_never().unwrap().unwrap();
    assert!(
        report
            .outcomes
            .iter()
            .all(|outcome| *outcome == RowOutcome::Inserted),
        "{report:?}"
    );
}

/// A name, seats, and a field of each type.
fn fields() -> Vec<Field> {
    let own = [
        Field::new("name", FieldType::Text).required(),
        Field::new("seats", FieldType::Integer),
    ];
    own.into_iter()
        .chain(every_type().fields().iter().cloned())
        .collect()
}

/// A row without a name.
pub(crate) fn nameless() -> RecordBatch {
    let name: ArrayRef = Arc::new(StringViewArray::new_null(1));
    let seats: ArrayRef = Arc::new(Int64Array::from(vec![3]));
    RecordBatch::try_from_iter_with_nullable([("name", name, true), ("seats", seats, true)])
        .unwrap()
}

pub(crate) fn object(identity: Identity) -> MemoryObject {
    MemoryObject::new(&ObjectSpec::new("team", identity, fields())).unwrap()
}

/// A fixture over an object in memory, whose destination may be wrapped.
pub(crate) fn in_memory(
    object: MemoryObject,
    destination: Arc<dyn Destination>,
) -> DestinationFixture {
    let read_back = move || std::future::ready(object.scan());
    DestinationFixture::new(destination, "name", "seats", read_back).refusing(nameless())
}

fn memory(identity: Identity, commits: Commits) -> DestinationFixture {
    let object = object(identity);
    let destination = MemoryDestination::new(object.clone()).with_commits(commits);
    in_memory(object, Arc::new(destination))
}

conformance!(memory_at_once: destination, memory(Identity::Generated, Commits::AtOnce), skip: [
    ("DW-11", "groups are not told apart"), ("DW-13", "it keeps no checkpoint"), ("DW-14", "it keeps no checkpoint")]);
conformance!(memory_by_group: destination, memory(Identity::Generated, Commits::ByGroup), skip: [
    ("DW-13", "it keeps no checkpoint"), ("DW-14", "it keeps no checkpoint")]);
conformance!(memory_with_checkpoint: destination, memory(Identity::Generated, Commits::WithCheckpoint), skip: [
    ("DW-11", "the checkpoint is what it goes by")]);
conformance!(memory_with_supplied_identity: destination,
    memory(Identity::Supplied(vec!["name".into()]), Commits::WithCheckpoint), skip: [
    ("DW-11", "the checkpoint is what it goes by")]);
conformance!(memory_without_identity: destination, memory(Identity::None, Commits::ByGroup), skip: [
    ("DW-13", "it keeps no checkpoint"), ("DW-14", "it keeps no checkpoint"),
    ("DW-15", "records have no identity"), ("DW-16", "records have no identity")]);
conformance!(memory_inserts_only: destination, memory(Identity::Generated, Commits::InsertsOnly), skip: [
    ("DW-05", "it only inserts"), ("DW-06", "it only inserts"), ("DW-07", "it only inserts"), ("DW-08", "it only inserts"),
    ("DW-09", "it only inserts"), ("DW-11", "groups are not told apart"), ("DW-12", "batches are not told apart"),
    ("DW-13", "it keeps no checkpoint"), ("DW-14", "it keeps no checkpoint"), ("DW-15", "it does not delete")]);
conformance!(memory_without_same_run: destination, {
    let object = object(Identity::Generated);
    let destination = MemoryDestination::new(object.clone()).without_same_run();
    in_memory(object, Arc::new(destination))
}, skip: [
    ("DW-09", "that is what it does not tell"), ("DW-11", "groups are not told apart"),
    ("DW-13", "it keeps no checkpoint"), ("DW-14", "it keeps no checkpoint")]);

fn file(in_parts: bool) -> DestinationFixture {
    let files = Arc::new(MemoryFiles::new());
    let schema = Schema::new(fields());
    let whole = FileDestination::new(
        files.clone(),
        "out/teams.csv",
        "team",
        schema,
        Delimited::csv(),
    );
    let destination = Arc::new(if in_parts { whole.in_parts() } else { whole });
    let read_back = move || {
        let files = files.clone();
        async move {
            let mut records = Vec::new();
            for name in files.list("out/teams").await? {
                let source = FileSource::new(&name, fields());
                let context = Context::new();
                let dataset = DelimitedDataset::open(&context, files.clone(), &source).await?;
                let mut batches = dataset.read(&context, ReadRequest::new());
                while let Some(batch) = batches.next().await {
                    let batch = batch?;
                    assert!(batch.rejects.is_empty(), "{:?}", batch.rejects);
                    records.push(batch.records);
                }
            }
            Ok(records)
        }
    };
    DestinationFixture::new(destination, "name", "seats", read_back).refusing(nameless())
}

conformance!(a_whole_file: destination, file(false), skip: [
    ("DW-05", "it only inserts"), ("DW-06", "it only inserts"), ("DW-07", "it only inserts"), ("DW-08", "it only inserts"),
    ("DW-09", "it only inserts"), ("DW-11", "one file, whatever the groups"), ("DW-12", "batches are not told apart"),
    ("DW-13", "it keeps no checkpoint"), ("DW-14", "it keeps no checkpoint"), ("DW-15", "it does not delete"),
    ("DW-16", "it cannot be looked up")]);
conformance!(a_file_in_parts: destination, file(true), skip: [
    ("DW-05", "it only inserts"), ("DW-06", "it only inserts"), ("DW-07", "it only inserts"), ("DW-08", "it only inserts"),
    ("DW-09", "it only inserts"), ("DW-12", "batches are not told apart"),
    ("DW-13", "it keeps no checkpoint"), ("DW-14", "it keeps no checkpoint"), ("DW-15", "it does not delete"),
    ("DW-16", "it cannot be looked up")]);
