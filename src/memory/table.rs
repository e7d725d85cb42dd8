//! The typed store of one object: records, their versions, and indexes over them.

use std::sync::Arc;

use arrow_array::RecordBatch;

use super::chunks::{Chunks, NO_VERSION, typed};
use super::texts::Texts;
use crate::lookup::{Hit, KeyTable, MAX_ROWS};
use crate::record::key::{KeyColumn, KeyColumns};
use crate::record::{Picked, Schema};
use crate::{Error, ErrorKind, Result};

/// Records of one object.
///
/// A record is a *slot*, numbered in the order the records were made; a slot holds the number of the
/// record's newest *version*, or none if the record was deleted: its slot is not used again. Beyond the arrays that is four bytes a record, and each index adds eleven to sixteen.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) chunks: Chunks,
    pub(super) slots: Vec<u32>,
    /// How many of them have no version.
    deleted: usize,
    pub(super) indexes: Vec<Index>,
    pub(super) texts: Texts,
}

/// An index over some fields: slots by key. A record with a null among the fields is not in it.
#[derive(Debug, Clone)]
pub(super) struct Index {
    /// Positions of the fields, ascending.
    pub(super) fields: Vec<usize>,
    pub(super) table: KeyTable,
}

/// Batches of a scan have this many rows, save the last.
const SCAN_ROWS: usize = 8192;

/// Fewer dead versions than this are not worth a compaction.
const MIN_DEAD: usize = 65_536;

impl Index {
    /// The hash of a row's key; `None` if a part is null.
    pub(super) fn hash(&self, columns: &[KeyColumn], row: usize) -> Option<u64> {
        self.fields
            .iter()
            .try_fold(self.table.seed(), |hash, &field| {
                let column = &columns[field];
                (!column.is_null(row)).then(|| column.hash_one(row, hash))
            })
    }
}

impl Table {
    pub(super) fn new(schema: &Schema) -> Self {
        Table {
            chunks: Chunks::new(Arc::clone(schema.arrow())),
            slots: Vec::new(),
            deleted: 0,
            indexes: Vec::new(),
            texts: Texts::default(),
        }
    }

    /// The number of the index over these fields, which is made if need be.
    pub(super) fn index(&mut self, fields: &[usize]) -> usize {
        let mut fields = fields.to_vec();
        fields.sort_unstable();
        fields.dedup();
        if let Some(known) = self.indexes.iter().position(|index| index.fields == fields) {
            return known;
        }
        let mut index = Index {
            fields,
            table: KeyTable::new(),
        };
        let slots = self.slots.iter().enumerate();
        for (slot, &version) in slots.filter(|(_, version)| **version != NO_VERSION) {
            insert(&mut index, slot as u32, version, &self.chunks, &self.slots);
        }
        self.indexes.push(index);
        self.indexes.len() - 1
    }

    /// Refuses a batch for which there would be no numbers left.
    pub(super) fn check_room(&self, rows: usize) -> Result<()> {
        if self.slots.len() + rows < MAX_ROWS && self.chunks.len() as usize + rows < MAX_ROWS {
            return Ok(());
        }
        let message =
            "an object in memory holds at most 2^31 versions of records; keep it in a database";
        Err(Error::new(ErrorKind::LimitExceeded, message))
    }

    /// Number of records.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.deleted
    }

    /// The versions of the records in slots `from` on, in the order the records were made.
    fn versions(&self, from: usize) -> Vec<u32> {
        let rest = self.slots.get(from..).unwrap_or_default();
        let live = rest.iter().filter(|version| **version != NO_VERSION);
        live.copied().collect()
    }

    /// The records in the order they were made.
    pub(super) fn scan(&self) -> Result<Vec<RecordBatch>> {
        self.versions(0)
            .chunks(SCAN_ROWS)
            .map(|versions| self.chunks.batch(versions))
            .collect()
    }

    /// The next [`SCAN_ROWS`] records from slot `from` on, where they stand, and the slot behind the last of them; `None`
    /// behind the last record.
    pub(super) fn picked_from(&self, from: usize) -> Result<Option<(Picked, usize)>> {
        let (mut versions, mut next) = (Vec::new(), from);
        for &version in self.slots.get(from..).unwrap_or_default() {
            if versions.len() == SCAN_ROWS {
                break;
            }
            next += 1;
            if version != NO_VERSION {
                versions.push(version);
            }
        }
        if versions.is_empty() {
            return Ok(None);
        }
        Ok(Some((self.chunks.picked(&versions)?, next)))
    }

    /// Deletes the records that have these values in one field, and answers how many there were.
    pub(super) fn delete(&mut self, field: usize, values: &KeyColumns) -> u64 {
        let number = self.index(&[field]);
        let mut count = 0;
        for row in 0..values.len() {
            if values.is_null_any(row) {
                continue;
            }
            let Index { fields, table } = &self.indexes[number];
            let hit = table.find(values.hash_one(table.seed(), row), |slot| {
                let (columns, at) = self.chunks.keys(self.slots[slot as usize]);
                let mut parts = fields.iter().zip(values.columns());
                parts.all(|(&field, key)| key.equal(row, &columns[field], at))
            });
            let slots: Vec<u32> = match hit {
                Hit::None => continue,
                Hit::One(slot) => vec![slot],
                Hit::Many(slots) => slots.iter().copied().collect(),
            };
            for slot in slots {
                let version = std::mem::replace(&mut self.slots[slot as usize], NO_VERSION);
                self.unindex(slot, version);
                self.deleted += 1;
                count += 1;
            }
        }
        count
    }

    /// Takes a slot with this version out of all indexes.
    fn unindex(&mut self, slot: u32, version: u32) {
        let (columns, row) = self.chunks.keys(version);
        for index in &mut self.indexes {
            if let Some(hash) = index.hash(columns, row) {
                index.table.remove(hash, slot);
            }
        }
    }

    /// Lets the dead versions go when they outweigh the records.
    pub(super) fn compact(&mut self) -> Result<()> {
        let dead = self.chunks.len() as usize - self.len();
        if dead <= MIN_DEAD || dead <= self.len() {
            return Ok(());
        }
        let mut compacted = Chunks::new(Arc::clone(self.chunks.schema()));
        for versions in self.versions(0).chunks(SCAN_ROWS * 4) {
            let mut columns = self.chunks.batch(versions)?.columns().to_vec();
            self.texts.keep(&mut columns);
            let keys = typed(&columns)?;
            compacted.append(columns, keys)?;
        }
        self.chunks = compacted;
        let live = self.slots.iter_mut();
        for (version, slot) in (0u32..).zip(live.filter(|version| **version != NO_VERSION)) {
            *slot = version;
        }
        Ok(())
    }

    /// Takes back the records from slot `len` on, which were all made and never changed.
    pub(super) fn truncate(&mut self, len: usize) {
        for slot in len..self.slots.len() {
            self.unindex(slot as u32, self.slots[slot]);
        }
        self.slots.truncate(len);
    }
}

/// Puts a slot into an index by the key of a version. The versions of all slots in the index must be right.
pub(super) fn insert(index: &mut Index, slot: u32, version: u32, chunks: &Chunks, slots: &[u32]) {
    let key = chunks.keys(version);
    let Some(hash) = index.hash(key.0, key.1) else {
        return;
    };
    let Index { fields, table } = index;
    table.insert(hash, slot, |other| {
        let other = chunks.keys(slots[other as usize]);
        fields
            .iter()
            .all(|&field| key.0[field].equal(key.1, &other.0[field], other.1))
    });
}
