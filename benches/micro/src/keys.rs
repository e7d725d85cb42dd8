//! Keys: looked up, within the same object too, and written by.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use futures::executor::block_on;
use syncline::destination::{CommitRequest, Destination, OpenRequest, WriteField};
use syncline::host::Context;
use syncline::job::{Job, RunRequest, SyncJob};
use syncline::lookup::{Lookup, LookupIndex, LookupIndexBuilder, LookupKeys, LookupRequest, Match};
use syncline::memory::{
    MemoryConnection, MemoryDataset, MemoryDestination, MemoryObject, MemoryRejects,
};
use syncline::record::{Batch, Field, FieldType, RowsAsRead, Schema};
use syncline::spec::{
    DestinationSpec, FieldMapping, Identity, MappingSpec, MatchPair, ObjectSpec, SelfLookupSpec,
    WriteMode,
};

use crate::Work;
use crate::data::{KeyKind, draws, records, slices};

pub(crate) fn build_text(rows: usize) -> Work {
    build(rows, KeyKind::Text)
}

pub(crate) fn build_integer(rows: usize) -> Work {
    build(rows, KeyKind::Integer)
}

fn build(rows: usize, kind: KeyKind) -> Work {
    let (schema, object) = object(rows, kind);
    Work::new(rows, rows * kind.bytes(), move || {
        index(&schema, &object).info().memory_bytes
    })
}

pub(crate) fn probe_text(rows: usize) -> Work {
    probe(rows, KeyKind::Text)
}

pub(crate) fn probe_integer(rows: usize) -> Work {
    probe(rows, KeyKind::Integer)
}

/// Each key of the index once on average, in no order; one of a hundred is not there.
fn probe(rows: usize, kind: KeyKind) -> Work {
    let (schema, object) = object(rows, kind);
    let index = index(&schema, &object);
    let sought = kind.column(draws(rows, rows + rows / 100));
    let batches: Vec<_> = slices(rows)
        .map(|(first, length)| LookupKeys::new(vec![sought.slice(first, length)]))
        .collect();
    Work::new(rows, rows * kind.bytes(), move || {
        let mut found = 0;
        for keys in &batches {
            let matches = index.find(keys).unwrap();
            found += (matches.found.iter())
                .filter(|&&found| found == Match::One)
                .count();
        }
        found as u64
    })
}

/// An object with a key and an id for each row.
fn object(rows: usize, kind: KeyKind) -> (Schema, Vec<RecordBatch>) {
    let schema = Schema::new(vec![
        Field::new("key", kind.field_type()),
        Field::new("id", FieldType::Text),
    ]);
    let batches = slices(rows)
        .map(|(first, length)| {
            let numbers = first as u64..(first + length) as u64;
            let ids = KeyKind::Text.column(numbers.clone());
            records(&schema, vec![kind.column(numbers), ids])
        })
        .collect();
    (schema, batches)
}

fn index(schema: &Schema, object: &[RecordBatch]) -> LookupIndex {
    let request = LookupRequest::new("object", vec!["key".into()], "id");
    let mut builder = LookupIndexBuilder::new(&request, schema, 1 << 32).unwrap();
    for batch in object {
        builder.push(batch).unwrap();
    }
    builder.finish().unwrap()
}

/// A job that makes a tree: each row names a parent somewhere in the same data.
pub(crate) fn self_lookup(rows: usize) -> Work {
    let fields = ["code", "parent_code"].map(|name| Field::new(name, FieldType::Text));
    let schema = Schema::new(fields.to_vec());
    let columns = vec![
        KeyKind::Text.column(0..rows as u64),
        KeyKind::Text.column(draws(rows, rows)),
    ];
    let rows_read = records(&schema, columns);
    let dataset = Arc::new(MemoryDataset::new("tree", schema, vec![rows_read]).unwrap());
    let object = ObjectSpec::new(
        "node",
        Identity::Supplied(vec!["code".into()]),
        vec![
            Field::new("code", FieldType::Text),
            Field::new("parent", FieldType::Lookup("node".into())),
        ],
    );
    let pairs = vec![MatchPair::new("parent_code", "code")];
    let mapping = MappingSpec::new(vec![
        FieldMapping::direct("code", "code"),
        FieldMapping::self_lookup("parent", SelfLookupSpec::new(pairs)),
    ]);
    let spec = DestinationSpec::new("node", WriteMode::upsert(["code"]), mapping);
    let context = Context::new();
    Work::new(rows, rows * 2 * KeyKind::Text.bytes(), move || {
        let home = MemoryConnection::new("home").with_object(&object).unwrap();
        let job = SyncJob::new("tree", Arc::clone(&dataset) as _).to(Arc::new(home), spec.clone());
        let request = RunRequest::new(Arc::new(MemoryRejects::new()));
        let report = block_on(job.run(&context, request)).unwrap();
        report.destinations[0].lookups["parent"].resolved
    })
}

/// An upsert in which every other row has the key of an earlier one.
pub(crate) fn dedupe(rows: usize) -> Work {
    let numbers: Vec<u64> = (0..rows as u64)
        .map(|row| if row % 2 == 0 { row } else { row / 2 })
        .collect();
    upsert(&numbers, new_object)
}

pub(crate) fn upsert_new(rows: usize) -> Work {
    let numbers: Vec<u64> = draws(rows, usize::MAX).collect();
    upsert(&numbers, new_object)
}

/// An upsert of records that are all there.
pub(crate) fn upsert_known(rows: usize) -> Work {
    let numbers: Vec<u64> = draws(rows, rows).collect();
    let known = new_object();
    for batch in batches(&(0..rows as u64).collect::<Vec<_>>()) {
        known.insert(batch.records).unwrap();
    }
    upsert(&numbers, move || known.clone())
}

fn upsert(numbers: &[u64], object: impl Fn() -> MemoryObject + 'static) -> Work {
    let rows = numbers.len();
    let batches = batches(numbers);
    let context = Context::new();
    Work::new(rows, rows * KeyKind::Text.bytes(), move || {
        let object = object();
        let destination = MemoryDestination::new(object.clone());
        let fields = ["key", "seats"].map(WriteField::new).to_vec();
        let request = OpenRequest::new("upsert", fields, WriteMode::upsert(["key"]));
        let mut writer = block_on(destination.open(&context, request))
            .unwrap()
            .writer;
        for batch in &batches {
            block_on(writer.write(&context, batch.clone())).unwrap();
        }
        block_on(writer.commit(&context, CommitRequest::new(1).as_last())).unwrap();
        object.len() as u64
    })
}

fn upsert_fields() -> Vec<Field> {
    vec![
        Field::new("key", FieldType::Text),
        Field::new("seats", FieldType::Integer),
    ]
}

fn new_object() -> MemoryObject {
    let identity = Identity::Supplied(vec!["key".into()]);
    MemoryObject::new(&ObjectSpec::new("object", identity, upsert_fields())).unwrap()
}

/// A row with a key and a number for each of `numbers`.
fn batches(numbers: &[u64]) -> Vec<Batch> {
    let schema = Schema::new(upsert_fields());
    let batch = |(first, length): (usize, usize)| {
        let numbers = || numbers[first..first + length].iter().copied();
        let columns: Vec<ArrayRef> = vec![
            KeyKind::Text.column(numbers()),
            KeyKind::Integer.column(numbers()),
        ];
        let rows = records(&schema, columns);
        let origins = RowsAsRead::new("rows", first as u64, rows.clone()).into_origins();
        Batch::new(rows, origins)
    };
    slices(numbers.len()).map(batch).collect()
}
