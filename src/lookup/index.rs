//! A lookup over an object that was read once.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow_buffer::NullBuffer;
use async_trait::async_trait;
use futures::StreamExt;

use super::table::{Hit, KeyTable, MAX_ROWS, NO_ROW};
use super::{Lookup, LookupInfo, LookupKeys, LookupMatches, LookupRequest, Match};
use crate::dataset::{Dataset, ReadRequest};
use crate::host::Context;
use crate::record::key::{KeyColumn, KeyColumns};
use crate::record::touch::touch;
use crate::record::{Field, Reject, Schema};
use crate::{Error, ErrorKind, Result};

/// A [`Lookup`] that holds the keys and the fetched values of an object in memory.
///
/// Keys and values stay in Arrow arrays; a hash table of row numbers finds them, at 11 bytes for
/// each distinct key. Fetched texts are views into the index's own buffers, so fetching copies none.
///
/// ```
/// use std::sync::Arc;
/// use syncline::lookup::{LookupIndexBuilder, LookupKeys, LookupRequest, Match};
/// use syncline::record::array::{ArrayRef, Int64Array, RecordBatch, StringViewArray};
/// use syncline::record::{Field, FieldType, Schema};
///
/// let schema = Schema::new(vec![Field::new("code", FieldType::Text), Field::new("number", FieldType::Integer)]);
/// let codes: ArrayRef = Arc::new(StringViewArray::from(vec!["a", "b", "b"]));
/// let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
/// let records = RecordBatch::try_new(Arc::clone(schema.arrow()), vec![codes, numbers]).unwrap();
///
/// let request = LookupRequest::new("codes", vec!["code".into()], "number");
/// let mut builder = LookupIndexBuilder::new(&request, &schema, 1 << 20)?;
/// builder.push(&records)?;
/// let index = builder.finish()?;
///
/// let keys: ArrayRef = Arc::new(StringViewArray::from(vec![Some("b"), Some("c"), None, Some("a")]));
/// let matches = index.find(&LookupKeys::new(vec![keys]))?;
/// assert_eq!(matches.found, [Match::Many, Match::None, Match::Empty, Match::One]);
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug)]
pub struct LookupIndex {
    info: LookupInfo,
    table: KeyTable,
    keys: KeyColumns,
    values: ArrayRef,
    /// For keys of several rows whose order decides: the first of them by the least of them.
    firsts: HashMap<u32, u32>,
}

impl LookupIndex {
    /// Reads an object and builds an index of at most `budget_bytes` over it.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) for a field that the object does not have,
    /// [`Malformed`](ErrorKind::Malformed) at the first record that the dataset refuses: a lookup that
    /// silently misses records would be wrong. [`LimitExceeded`](ErrorKind::LimitExceeded) over the
    /// budget, [`Cancelled`](ErrorKind::Cancelled), and what reading fails with.
    pub async fn read(
        context: &Context,
        dataset: &dyn Dataset,
        request: &LookupRequest,
        budget_bytes: u64,
    ) -> Result<Self> {
        let mut builder = LookupIndexBuilder::new(request, dataset.schema(), budget_bytes)?;
        let fields = builder.fields.iter().map(|f| f.name.clone()).collect();
        let mut batches = dataset.read(context, ReadRequest::new().with_fields(fields));
        while let Some(batch) = batches.next().await {
            if context.cancel().is_cancelled() {
                let message = "cancelled while reading the object of a lookup";
                return Err(Error::new(ErrorKind::Cancelled, message).during("lookup"));
            }
            let batch = batch?;
            if let Some(reject) = batch.rejects.first() {
                return Err(bad_record(&request.object, reject));
            }
            builder.push(&batch.records)?;
        }
        builder.finish()
    }

    /// Looks up a batch of keys, without waiting for anything.
    ///
    /// # Errors
    /// [`Contract`](ErrorKind::Contract) if the columns are not those of [`LookupInfo::keys`].
    pub fn find(&self, keys: &LookupKeys) -> Result<LookupMatches> {
        let keys = key_columns(&self.info, keys)?;
        let mut hashes = Vec::new();
        keys.hash(self.table.seed(), &mut hashes);
        let mut found = Vec::with_capacity(hashes.len());
        let mut rows = Vec::with_capacity(hashes.len());
        self.table.find_each(
            &hashes,
            |i| keys.is_null_any(i),
            |row| row as usize,
            |rows| {
                let rows = || rows.iter().flatten();
                for column in self.keys.columns() {
                    touch(rows().map(|&row| (column, row)));
                }
            },
            |i, row| keys.equal(i, &self.keys, row),
            |i, hit| {
                found.push(if keys.is_null_any(i) {
                    Match::Empty
                } else {
                    hit.found()
                });
                let first = hit.first();
                rows.push(match hit {
                    Hit::Many(_) => *self.firsts.get(&first).unwrap_or(&first),
                    _ => first,
                });
            },
        );
        let present = (rows.contains(&NO_ROW))
            .then(|| NullBuffer::from_iter(rows.iter().map(|&row| row != NO_ROW)));
        for row in &mut rows {
            *row = if *row == NO_ROW { 0 } else { *row };
        }
        let rows = UInt32Array::new(rows.into(), present);
        let values = arrow_select::take::take(&self.values, &rows, None)?;
        Ok(LookupMatches::new(found, values))
    }
}

#[async_trait]
impl Lookup for LookupIndex {
    fn info(&self) -> &LookupInfo {
        &self.info
    }

    async fn resolve(&self, _: &Context, keys: LookupKeys) -> Result<LookupMatches> {
        self.find(&keys)
    }
}

/// The columns of `keys` if they are what the lookup takes.
pub(crate) fn key_columns(info: &LookupInfo, keys: &LookupKeys) -> Result<KeyColumns> {
    let types = keys.columns.iter().map(|column| column.data_type());
    let expected = info.keys.iter().map(|field| field.field_type.data_type());
    if keys.columns.len() != info.keys.len() || !types.zip(expected).all(|(a, b)| *a == b) {
        return Err(Error::contract(
            "the keys of a lookup have one column for each key field, in its type",
        ));
    }
    KeyColumns::new(&keys.columns)
}

/// The named field of an object that is looked up.
pub(crate) fn field_of<'a>(schema: &'a Schema, object: &str, name: &str) -> Result<&'a Field> {
    schema.field(name).ok_or_else(|| {
        Error::new(
            ErrorKind::NotFound,
            "the object of the lookup has no such field; check its keys, what it fetches and what orders it",
        )
        .with("object", object)
        .with("field", name)
    })
}

fn over_budget(request: &LookupRequest, budget_bytes: u64, rows: usize) -> Error {
    Error::new(
        ErrorKind::LimitExceeded,
        "the object of the lookup does not fit its memory; give the lookup a larger budget, \
         or look up in a connection that answers without reading the whole object",
    )
    .during("lookup")
    .with("object", &request.object)
    .with("budget_bytes", budget_bytes)
    .with("rows_read", rows)
}

/// The refused record, told without any of its values.
fn bad_record(object: &str, reject: &Reject) -> Error {
    let mut error = Error::new(
        ErrorKind::Malformed,
        "a record of the object that is looked up is bad; mend it, or a lookup would silently miss it",
    )
    .during("lookup")
    .with("object", object)
    .with("position", &reject.position)
    .with("reason", reject.refusal.reason.code());
    if let Some(field) = &reject.refusal.field {
        error = error.with("field", field);
    }
    error
}

/// Collects the records of an object for a [`LookupIndex`].
#[derive(Debug)]
pub struct LookupIndexBuilder {
    request: LookupRequest,
    /// The fields in use, each once: keys, then what is fetched, then what orders.
    fields: Vec<Field>,
    chunks: Vec<Vec<ArrayRef>>,
    rows: usize,
    bytes: u64,
    budget_bytes: u64,
}

impl LookupIndexBuilder {
    /// An index over an object of this schema that holds at most `budget_bytes`, 16 bytes a row for the
    /// hash table included. While it is built, the largest of its columns is held twice.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) for a field that the object does not have,
    /// [`Invalid`](ErrorKind::Invalid) without keys.
    pub fn new(request: &LookupRequest, schema: &Schema, budget_bytes: u64) -> Result<Self> {
        if request.keys.is_empty() {
            let message = "a lookup has at least one key field";
            return Err(Error::new(ErrorKind::Invalid, message).with("object", &request.object));
        }
        let mut fields: Vec<Field> = Vec::new();
        let names = request
            .keys
            .iter()
            .chain([&request.fetch])
            .chain(&request.order_by);
        for name in names {
            let field = field_of(schema, &request.object, name)?;
            if !fields.contains(field) {
                fields.push(field.clone());
            }
        }
        Ok(LookupIndexBuilder {
            request: request.clone(),
            chunks: vec![Vec::new(); fields.len()],
            fields,
            rows: 0,
            bytes: 0,
            budget_bytes,
        })
    }

    /// Adds records; their columns are found by name.
    ///
    /// # Errors
    /// [`LimitExceeded`](ErrorKind::LimitExceeded) over the budget,
    /// [`Contract`](ErrorKind::Contract) if a column is missing or has another type.
    pub fn push(&mut self, records: &RecordBatch) -> Result<()> {
        for (field, chunks) in self.fields.iter().zip(&mut self.chunks) {
            let column = (records.column_by_name(&field.name))
                .filter(|column| *column.data_type() == field.field_type.data_type())
                .ok_or_else(|| {
                    Error::contract("the records for a lookup lack a field, or it has another type")
                        .with("object", &self.request.object)
                        .with("field", &field.name)
                })?;
            let column = compact(column)?;
            self.bytes += column.get_array_memory_size() as u64;
            chunks.push(column);
        }
        self.rows += records.num_rows();
        if self.rows >= MAX_ROWS || self.bytes + self.rows as u64 * 16 > self.budget_bytes {
            return Err(over_budget(&self.request, self.budget_bytes, self.rows));
        }
        Ok(())
    }

    /// Builds the index.
    ///
    /// # Errors
    /// [`LimitExceeded`](ErrorKind::LimitExceeded) if it turns out larger than the budget: keys of several
    /// records take more than the 16 bytes a row. [`Contract`](ErrorKind::Contract) if a column would pass Arrow's limits.
    pub fn finish(self) -> Result<LookupIndex> {
        let LookupIndexBuilder {
            request,
            fields,
            chunks,
            rows,
            budget_bytes,
            ..
        } = self;
        let mut columns = Vec::with_capacity(fields.len());
        for (field, chunks) in fields.iter().zip(chunks) {
            columns.push(joined(field, chunks)?);
        }
        let column = |name: &String| -> Result<&ArrayRef> {
            let position = fields.iter().position(|field| field.name == *name);
            (position.and_then(|position| columns.get(position)))
                .ok_or_else(|| Error::contract("a lookup lost one of its fields"))
        };
        let key_arrays: Vec<ArrayRef> = (request.keys.iter())
            .map(|key| column(key).cloned())
            .collect::<Result<_>>()?;
        let keys = KeyColumns::new(&key_arrays)?;
        let values = Arc::clone(column(&request.fetch)?);

        let mut table = KeyTable::with_room_for(rows);
        let mut hashes = Vec::new();
        keys.hash(table.seed(), &mut hashes);
        for (row, &hash) in hashes.iter().enumerate() {
            if !keys.is_null_any(row) {
                table.insert(hash, row as u32, |other| {
                    keys.equal(row, &keys, other as usize)
                });
            }
        }

        table.shrink();
        let mut firsts = HashMap::new();
        if let Some(order_by) = &request.order_by {
            let order = KeyColumn::new(column(order_by)?)?;
            for rows in table.groups() {
                let least = rows.iter().copied().min_by(|&a, &b| {
                    // Of equal ones `min_by` takes the first.
                    order.compare(a as usize, &order, b as usize)
                });
                if let (Some(&first), Some(least)) = (rows.first(), least) {
                    firsts.insert(first, least);
                }
            }
        }

        let field = |name: &String| fields.iter().find(|field| field.name == *name).cloned();
        let key_fields: Vec<Field> = request.keys.iter().filter_map(field).collect();
        let fetch = field(&request.fetch)
            .ok_or_else(|| Error::contract("a lookup lost the field that it fetches"))?;
        let mut bytes = table.memory_bytes() + firsts.capacity() as u64 * 9;
        // What is fetched may be one of the keys; what ordered is let go.
        for (field, column) in fields.iter().zip(&columns) {
            if request.keys.contains(&field.name) || request.fetch == field.name {
                bytes += column.get_array_memory_size() as u64;
            }
        }
        if bytes > budget_bytes {
            return Err(over_budget(&request, budget_bytes, rows));
        }
        Ok(LookupIndex {
            info: LookupInfo::new(key_fields, fetch).in_memory(bytes),
            table,
            keys,
            values,
            firsts,
        })
    }
}

/// The same values in an array that keeps no more than them alive: a text array may hold whole read blocks,
/// a slice its whole array.
fn compact(column: &ArrayRef) -> Result<ArrayRef> {
    let (column, text_bytes): (ArrayRef, usize) = match column.as_string_view_opt() {
        Some(texts) => {
            let texts = texts.gc();
            let bytes = texts.data_buffers().iter().map(|buffer| buffer.len()).sum();
            (Arc::new(texts), bytes)
        }
        None => (Arc::clone(column), 0),
    };
    let needed = text_bytes + column.to_data().get_slice_memory_size()?;
    if column.get_array_memory_size() <= needed + needed / 4 + 1024 {
        return Ok(column);
    }
    let rows = UInt32Array::from_iter_values(0..column.len() as u32);
    Ok(arrow_select::take::take(&column, &rows, None)?)
}

/// One array of all chunks, its texts in one buffer.
fn joined(field: &Field, chunks: Vec<ArrayRef>) -> Result<ArrayRef> {
    match chunks.as_slice() {
        [] => Ok(arrow_array::new_empty_array(&field.field_type.data_type())),
        [only] => Ok(Arc::clone(only)),
        several => {
            let parts: Vec<&dyn Array> = several.iter().map(|chunk| &**chunk).collect();
            compact(&arrow_select::concat::concat(&parts)?)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arrow_array::{Int64Array, StringViewArray};

    use super::*;

    fn kept(column: &ArrayRef) -> (usize, bool) {
        let kept = compact(column).unwrap();
        let buffers = |column: &ArrayRef| column.to_data().buffers()[0].as_ptr();
        (
            kept.get_array_memory_size(),
            buffers(&kept) == buffers(column),
        )
    }

    /// Copied is what would keep much more alive than it needs, and only that.
    #[test]
    fn a_part_of_a_column_keeps_little_more_alive_than_itself() {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1000));
        for rows in [1, 100, 300, 600] {
            let (bytes, shared) = kept(&numbers.slice(7, rows));
            assert!(bytes < rows * 10 + 1200 && !shared, "{rows}: {bytes}");
        }
        let codes: ArrayRef = Arc::new(StringViewArray::from(vec!["short"; 1000]));
        for column in [&numbers.slice(0, 860), &numbers, &codes] {
            assert!(
                kept(column).1,
                "{} of {:?}",
                column.len(),
                column.data_type()
            );
        }
        let texts: ArrayRef = Arc::new(StringViewArray::from_iter_values(
            (0..1000).map(|n| format!("{n:0100}")),
        ));
        let (bytes, shared) = kept(&texts.slice(0, 10));
        assert!(bytes < 10 * 200 + 1200 && !shared, "{bytes}");
    }
}
