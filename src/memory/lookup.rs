//! A lookup over an object in memory as it is at each moment.

use std::collections::HashMap;

use async_trait::async_trait;

use super::chunks::NO_VERSION;
use super::object::MemoryObject;
use super::table::{Index, Table};
use crate::host::Context;
use crate::lookup::{
    Hit, Lookup, LookupInfo, LookupKeys, LookupMatches, LookupRequest, Match, NO_ROW, field_of,
    key_columns,
};
use crate::record::Field;
use crate::record::key::KeyColumns;
use crate::record::touch::touch;
use crate::{Error, ErrorKind, Result};

/// Answers from the object's own index; each batch sees what was written before it.
#[derive(Debug)]
pub(super) struct LiveLookup {
    object: MemoryObject,
    info: LookupInfo,
    index: usize,
    /// For each field of the index, in its order, the column of the keys.
    columns: Vec<usize>,
    fetch: usize,
    order_by: Option<usize>,
}

impl LiveLookup {
    /// A lookup whose index may hold `budget_bytes` at its creation; later it grows with the object.
    pub(super) fn new(
        object: MemoryObject,
        request: &LookupRequest,
        budget_bytes: u64,
    ) -> Result<Self> {
        if request.keys.is_empty() {
            return Err(object
                .facts()
                .invalid("a lookup has at least one key field"));
        }
        let schema = object.schema();
        let field = |name: &String| field_of(schema, object.name(), name).cloned();
        let keys: Vec<Field> = request.keys.iter().map(field).collect::<Result<_>>()?;
        let fetch = field(&request.fetch)?;
        let order_by = request.order_by.as_ref().map(field).transpose()?;
        let position = |field: &Field| schema.index_of(&field.name).unwrap_or_default();
        let positions: Vec<usize> = keys.iter().map(position).collect();

        let mut state = object.write();
        let known = state.table.indexes.len();
        let index = state.table.index(&positions);
        let Index { fields, table } = &state.table.indexes[index];
        if fields.len() != positions.len() {
            return Err(object
                .facts()
                .invalid("a lookup has the same key field twice"));
        }
        let column = |field: &usize| {
            positions
                .iter()
                .position(|p| p == field)
                .unwrap_or_default()
        };
        let columns = fields.iter().map(column).collect();
        let bytes = table.memory_bytes();
        if bytes > budget_bytes {
            // Nobody knows of one that was made just now.
            state.table.indexes.truncate(known);
            let message = "the index of the lookup does not fit its memory; look up by fields with fewer values, \
                           or keep the object in a database";
            return Err(Error::new(ErrorKind::LimitExceeded, message)
                .during("lookup")
                .with("object", object.name())
                .with("budget_bytes", budget_bytes)
                .with("index_bytes", bytes));
        }
        let info = LookupInfo::new(keys, fetch.clone()).in_memory(bytes);
        let (fetch, order_by) = (position(&fetch), order_by.as_ref().map(position));
        drop(state);
        Ok(LiveLookup {
            info,
            index,
            columns,
            fetch,
            order_by,
            object,
        })
    }

    fn find(&self, keys: &LookupKeys) -> Result<LookupMatches> {
        let keys = key_columns(&self.info, keys)?;
        let ordered = self
            .columns
            .iter()
            .map(|&column| keys.columns()[column].clone());
        let keys = KeyColumns::of(ordered.collect())?;
        let state = self.object.read();
        let table = &state.table;
        let index = &table.indexes[self.index];
        let mut hashes = Vec::new();
        keys.hash(index.table.seed(), &mut hashes);

        let mut found = Vec::with_capacity(hashes.len());
        let mut versions = Vec::with_capacity(hashes.len());
        let mut least = HashMap::new();
        index.table.find_each(
            &hashes,
            |i| keys.is_null_any(i),
            |slot| table.chunks.keys(table.slots[slot as usize]),
            |places| {
                let places = || places.iter().flatten();
                for &field in &index.fields {
                    touch(places().map(|&(columns, row)| (&columns[field], row)));
                }
            },
            |i, (columns, row)| {
                let mut parts = index.fields.iter().zip(keys.columns());
                parts.all(|(&field, key)| key.equal(i, &columns[field], row))
            },
            |i, hit| {
                found.push(if keys.is_null_any(i) {
                    Match::Empty
                } else {
                    hit.found()
                });
                versions.push(match self.first(table, hit, &mut least) {
                    NO_ROW => NO_VERSION,
                    slot => table.slots[slot as usize],
                });
            },
        );
        let values = table.chunks.gather(self.fetch, &versions)?;
        Ok(LookupMatches::new(found, values))
    }

    /// The slot that comes first. `least` remembers it by the oldest slot of the key, so that a key of many
    /// records is gone through once, however many rows ask for it.
    fn first(&self, table: &Table, hit: Hit<'_>, least: &mut HashMap<u32, u32>) -> u32 {
        let (Hit::Many(slots), Some(field)) = (hit, self.order_by) else {
            return hit.first();
        };
        *least.entry(hit.first()).or_insert_with(|| {
            let least = slots.iter().copied().min_by(|&a, &b| {
                // Of equal ones `min_by` takes the first.
                let [(a, i), (b, j)] =
                    [a, b].map(|slot| table.chunks.keys(table.slots[slot as usize]));
                a[field].compare(i, &b[field], j)
            });
            least.unwrap_or(NO_ROW)
        })
    }
}

#[async_trait]
impl Lookup for LiveLookup {
    fn info(&self) -> &LookupInfo {
        &self.info
    }

    async fn resolve(&self, _: &Context, keys: LookupKeys) -> Result<LookupMatches> {
        self.find(&keys)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array, RecordBatch};

    use super::*;
    use crate::record::FieldType;
    use crate::spec::{Identity, ObjectSpec};

    #[test]
    fn an_index_over_its_budget_is_refused_and_let_go() {
        let fields = vec![Field::new("number", FieldType::Integer)];
        let object = MemoryObject::new(&ObjectSpec::new("thing", Identity::None, fields)).unwrap();
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1000));
        let records = RecordBatch::try_from_iter([("number", numbers)]).unwrap();
        object.insert(records).unwrap();
        let request = LookupRequest::new("thing", vec!["number".into()], "number");
        let error = LiveLookup::new(object.clone(), &request, 8000).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded);
        assert!(object.read().table.indexes.is_empty());
        let lookup = LiveLookup::new(object.clone(), &request, 20_000).unwrap();
        assert!((8001..=20_000).contains(&lookup.info().memory_bytes));
        // It is there now, and stays.
        LiveLookup::new(object.clone(), &request, 8000).unwrap_err();
        assert_eq!(object.read().table.indexes.len(), 1);
    }
}
