//! Objects, datasets and lookups in memory.

mod lookups;
mod model;
mod writer;

use std::sync::Arc;

use futures::executor::block_on;
use syncline::destination::{
    Destination, OpenRequest, RowOutcome, WriteField, WriteReport, Writer,
};
use syncline::host::{Context, SeededEntropy};
use syncline::memory::{MemoryDestination, MemoryObject};
use syncline::record::array::{Array, ArrayRef, Int64Array, RecordBatch, StringViewArray};
use syncline::record::{Batch, Field, FieldType, Reason, RowsAsRead, format};
use syncline::spec::{Identity, ObjectSpec, WriteMode};

/// A cell, as text; the column decides what is made of it.
type Cell = Option<&'static str>;

fn text(values: &[Cell]) -> ArrayRef {
    Arc::new(StringViewArray::from(values.to_vec()))
}

fn numbers(values: &[Cell]) -> ArrayRef {
    let numbers = values
        .iter()
        .map(|value| value.map(|v| v.parse::<i64>().unwrap()));
    Arc::new(numbers.collect::<Int64Array>())
}

/// Columns by name; a name that begins with `#` is that of a number.
fn records(names: &[&str], rows: &[Vec<Cell>]) -> RecordBatch {
    let columns = names.iter().enumerate().map(|(i, name)| {
        let values: Vec<Cell> = rows.iter().map(|row| row[i]).collect();
        match name.strip_prefix('#') {
            Some(name) => (name, numbers(&values), true),
            None => (*name, text(&values), true),
        }
    });
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn spec(identity: Identity, names: &[&str]) -> ObjectSpec {
    let field = |name: &&str| match name.strip_prefix('#') {
        Some(name) => Field::new(name, FieldType::Integer),
        None => Field::new(*name, FieldType::Text),
    };
    ObjectSpec::new("thing", identity, names.iter().map(field).collect())
}

fn supplied(name: &str) -> Identity {
    Identity::Supplied(vec![name.into()])
}

fn identifiers(mode: &str, alternatives: &[&[&str]]) -> WriteMode {
    let identifiers = alternatives
        .iter()
        .map(|names| names.iter().map(|&name| name.to_owned()).collect())
        .collect();
    match mode {
        "update" => WriteMode::Update { identifiers },
        _ => WriteMode::Upsert { identifiers },
    }
}

fn fields(names: &[&str]) -> Vec<WriteField> {
    names
        .iter()
        .map(|name| WriteField::new(name.trim_start_matches('#')))
        .collect()
}

/// A context in which ids repeat.
fn context() -> Context {
    Context::new().with_entropy(Arc::new(SeededEntropy::new(1)))
}

/// A writer and the number of the next record of its source.
struct Run {
    writer: Box<dyn Writer>,
    names: Vec<&'static str>,
    next: u64,
}

impl Run {
    fn new(object: &MemoryObject, names: &[&'static str], request: OpenRequest) -> Self {
        Self::to(&MemoryDestination::new(object.clone()), names, request)
    }

    fn to(destination: &MemoryDestination, names: &[&'static str], request: OpenRequest) -> Self {
        let opened = block_on(destination.open(&context(), request)).unwrap();
        Run {
            writer: opened.writer,
            names: names.to_vec(),
            next: 0,
        }
    }

    fn batch(&mut self, rows: &[Vec<Cell>]) -> Batch {
        let records = records(&self.names, rows);
        let origins = RowsAsRead::new("source", self.next, records.clone()).into_origins();
        self.next += rows.len() as u64;
        Batch::new(records, origins)
    }

    fn write(&mut self, rows: &[Vec<Cell>]) -> WriteReport {
        let batch = self.batch(rows);
        block_on(self.writer.write(&context(), batch)).unwrap()
    }
}

/// The outcome of each row, or the reason of its refusal.
fn fates(report: &WriteReport) -> Vec<Result<RowOutcome, Reason>> {
    let mut refusals = report.refusals.iter();
    let fate = |(row, outcome): (usize, &RowOutcome)| match outcome {
        RowOutcome::Rejected => {
            let (number, refusal) = refusals.next().unwrap();
            assert_eq!(*number as usize, row);
            Err(refusal.reason)
        }
        outcome => Ok(*outcome),
    };
    let fates = report.outcomes.iter().enumerate().map(fate).collect();
    assert!(refusals.next().is_none());
    fates
}

/// A column's values as text, `-` for null.
fn cells(column: &ArrayRef) -> Vec<String> {
    let cell = |row| {
        let mut out = Vec::new();
        match format::value(column, row, &mut out) {
            true => String::from_utf8(out).unwrap(),
            false => "-".to_owned(),
        }
    };
    (0..column.len()).map(cell).collect()
}

/// All records, each as its values joined by blanks.
fn table(object: &MemoryObject) -> Vec<String> {
    let mut rows = Vec::new();
    for batch in object.scan().unwrap() {
        let columns: Vec<Vec<String>> = batch.columns().iter().map(cells).collect();
        rows.extend((0..batch.num_rows()).map(|row| {
            columns
                .iter()
                .map(|column| column[row].as_str())
                .collect::<Vec<_>>()
                .join(" ")
        }));
    }
    assert_eq!(rows.len(), object.len());
    rows
}

/// Rows written as words; `-` is null.
macro_rules! rows {
    ($($row:literal),* $(,)?) => {
        [$($row.split_whitespace().map(|word| (word != "-").then_some(word)).collect::<Vec<_>>()),*]
    };
}
use rows;
