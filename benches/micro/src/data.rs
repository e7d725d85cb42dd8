//! What the kernels work on: the usage file of the workload, and keys.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringViewArray};
use futures::StreamExt;
use futures::executor::block_on;
use syncline::dataset::{Dataset, ReadRequest};
use syncline::file::DelimitedDataset;
use syncline::host::Context;
use syncline::memory::MemoryFiles;
use syncline::record::{Batch, Field, FieldType, Schema};
use syncline::spec::FileSource;
use workload::Workload;

/// The most rows of a batch: what jobs have unless told otherwise.
pub(crate) const BATCH_ROWS: usize = 8192;

/// The bytes of `usage.csv`.
pub(crate) fn usage_file(rows: usize) -> Vec<u8> {
    let mut file = Vec::new();
    let workload = Workload::new(rows as u64);
    workload.write_usage(&mut file).unwrap();
    file
}

/// The columns of `usage.csv`, with their types or as text.
pub(crate) fn usage_fields(typed: bool) -> Vec<Field> {
    let mrr = FieldType::Decimal {
        precision: 12,
        scale: 2,
    };
    let fields = [
        ("external_account_id", FieldType::Text),
        ("event_ts", FieldType::DateTime),
        ("product", FieldType::Text),
        ("seats", FieldType::Integer),
        ("mrr", mrr),
        ("active", FieldType::Boolean),
        ("note", FieldType::Text),
    ];
    let typed = |field_type| if typed { field_type } else { FieldType::Text };
    (fields.into_iter())
        .map(|(name, field_type)| Field::new(name, typed(field_type)))
        .collect()
}

pub(crate) fn usage_dataset(file: Vec<u8>, typed: bool) -> DelimitedDataset {
    let files = MemoryFiles::new();
    files.insert("usage.csv", file);
    let source = FileSource::new("usage.csv", usage_fields(typed));
    block_on(DelimitedDataset::open(
        &Context::new(),
        Arc::new(files),
        &source,
    ))
    .unwrap()
}

/// The good rows of `usage.csv`.
pub(crate) fn usage_batches(rows: usize, typed: bool) -> Vec<Batch> {
    let dataset = usage_dataset(usage_file(rows), typed);
    let batches = dataset.read(&Context::new(), ReadRequest::new());
    block_on(batches.map(Result::unwrap).collect())
}

/// One batch of them.
pub(crate) fn usage_batch(rows: usize) -> Batch {
    usage_batches(rows.min(BATCH_ROWS), true).swap_remove(0)
}

/// A column of `usage.csv` as it is written.
pub(crate) fn usage_texts(rows: usize, column: &str) -> StringViewArray {
    let batches = usage_batches(rows.min(BATCH_ROWS), false);
    let column = batches[0].records.column_by_name(column).unwrap();
    column.as_string_view().clone()
}

/// Keys as outside systems have them: 24 characters, or numbers that are spread out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum KeyKind {
    Text,
    Integer,
}

impl KeyKind {
    pub(crate) fn field_type(self) -> FieldType {
        match self {
            KeyKind::Text => FieldType::Text,
            KeyKind::Integer => FieldType::Integer,
        }
    }

    pub(crate) fn bytes(self) -> usize {
        match self {
            KeyKind::Text => 24,
            KeyKind::Integer => 8,
        }
    }

    /// These keys.
    pub(crate) fn column(self, numbers: impl Iterator<Item = u64>) -> ArrayRef {
        match self {
            KeyKind::Text => {
                let key = |n| format!("EXT-{n:010}-{:09x}", spread(n) >> 28);
                let keys: StringViewArray = numbers.map(|n| Some(key(n))).collect();
                Arc::new(keys)
            }
            KeyKind::Integer => {
                let keys: Int64Array = numbers.map(|n| Some((spread(n) >> 1) as i64)).collect();
                Arc::new(keys)
            }
        }
    }
}

/// A number that depends on every bit of another one.
pub(crate) fn spread(number: u64) -> u64 {
    let mut bits = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits ^ (bits >> 29)
}

/// So many numbers below a bound, in no order.
pub(crate) fn draws(count: usize, bound: usize) -> impl Iterator<Item = u64> {
    (0..count as u64).map(move |i| spread(i) % bound as u64)
}

/// The batches of so many rows: first row and length of each.
pub(crate) fn slices(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count)
        .step_by(BATCH_ROWS)
        .map(move |first| (first, BATCH_ROWS.min(count - first)))
}

/// Columns under the names of a schema.
pub(crate) fn records(schema: &Schema, columns: Vec<ArrayRef>) -> RecordBatch {
    RecordBatch::try_new(Arc::clone(schema.arrow()), columns).unwrap()
}
