//! The values of a batch's versions, column by column.

use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::{ArrayRef, BooleanArray, StringViewArray, UInt32Array, new_null_array};
use arrow_select::nullif::nullif;

use super::chunks::{NO_VERSION, typed};
use super::ids::{ID_LENGTH, Ids};
use super::plan::{Plan, Source};
use super::table::{Table, insert};
use crate::Result;
use crate::lookup::{Hit, NO_ROW};
use crate::record::key::KeyColumns;
use crate::spec::WriteOn;

/// A batch whose rows have their slots and wait for their values.
pub(super) struct Batch<'a> {
    pub(super) plan: &'a Plan,
    /// The version that row 0 makes.
    pub(super) base: u32,
    /// For each row the version that its record had before this batch, or the version that made it.
    pub(super) origins: Vec<u32>,
    /// For each row the slot that it wrote, or [`NO_ROW`].
    pub(super) slot_of: Vec<u32>,
}

/// With which rows of a batch an index lags.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lags {
    Never,
    /// Those that made a record.
    Made,
    Always,
}

impl Batch<'_> {
    /// Appends the versions to the table and answers with their columns, one for each field; in rows that
    /// wrote nothing they hold anything.
    pub(super) fn store(
        self,
        table: &mut Table,
        given: &[ArrayRef],
        ids: &mut Ids,
    ) -> Result<Vec<ArrayRef>> {
        let columns = self.columns(table, given, ids)?;
        let last = |row: usize, slots: &[u32]| {
            let slot = self.slot_of[row];
            slot != NO_ROW && slots[slot as usize] == self.base + row as u32
        };
        let live = (0..self.slot_of.len()).filter(|&row| last(row, &table.slots));
        let live: Vec<u32> = live.map(|row| row as u32).collect();
        self.unindex(table, &live);

        let mut stored = columns.clone();
        let mut rows = live.clone();
        if live.len() * 2 < self.slot_of.len() {
            // Mostly refused or replaced at once: only the others are worth keeping.
            let indices = UInt32Array::from(live.clone());
            stored = arrow_select::take::take_arrays(&stored, &indices, None)?;
            for (row, &was) in (0u32..).zip(&live) {
                table.slots[self.slot_of[was as usize] as usize] = self.base + row;
            }
            rows = (0..live.len() as u32).collect();
        }
        table.texts.keep(&mut stored);
        let keys = typed(&stored)?;
        table.chunks.append(stored, keys)?;
        self.index(table, &live, &rows);
        Ok(columns)
    }

    /// The columns of the rows' versions.
    fn columns(&self, table: &Table, given: &[ArrayRef], ids: &mut Ids) -> Result<Vec<ArrayRef>> {
        let (rows, base) = (self.slot_of.len(), self.base);
        let made =
            |row: usize| self.origins[row] == base + row as u32 && self.slot_of[row] != NO_ROW;
        let only_new = (0..rows).all(|row| self.slot_of[row] == NO_ROW || made(row));
        // Where a row was refused, any value will do.
        let kept = |column: usize, given: Option<&ArrayRef>| match given {
            Some(given) if only_new => Ok(Arc::clone(given)),
            None if only_new => Ok(new_null_array(
                table.chunks.schema().field(column).data_type(),
                rows,
            )),
            _ => {
                let origins: Vec<u32> = (self.origins.iter().zip(&self.slot_of))
                    .map(|(&origin, &slot)| if slot == NO_ROW { NO_VERSION } else { origin })
                    .collect();
                table.chunks.gather_with(column, &origins, base, given)
            }
        };
        let sources = self.plan.sources.iter().enumerate();
        sources
            .map(|(field, source)| match *source {
                Source::Given {
                    column,
                    on: WriteOn::Always,
                } => Ok(Arc::clone(&given[column])),
                Source::Given {
                    column,
                    on: WriteOn::Update,
                } => {
                    let new: BooleanArray = (0..rows).map(|row| Some(made(row))).collect();
                    Ok(nullif(&given[column], &new)?)
                }
                Source::Given { column, .. } => kept(field, Some(&given[column])),
                Source::Kept => kept(field, None),
                Source::Generated | Source::Matched { .. } => {
                    let count = (0..rows).filter(|&row| made(row)).count();
                    let mut fresh = self.fresh_ids(table, ids, count)?.into_iter();
                    let mut new = StringViewBuilder::with_capacity(rows);
                    for row in 0..rows {
                        let id = if made(row) { fresh.next() } else { None };
                        new.append_option(id.as_ref().and_then(|id| std::str::from_utf8(id).ok()));
                    }
                    kept(field, Some(&(Arc::new(new.finish()) as ArrayRef)))
                }
            })
            .collect()
    }

    /// The next so many ids that no record has: those that are taken are passed over one by one, so which
    /// come does not depend on the batch size.
    fn fresh_ids(
        &self,
        table: &Table,
        ids: &mut Ids,
        count: usize,
    ) -> Result<Vec<[u8; ID_LENGTH]>> {
        let mut fresh = Vec::with_capacity(count);
        while fresh.len() < count {
            let drawn: Vec<_> = (fresh.len()..count).map(|_| ids.next()).collect();
            let Some(index) = self.plan.ids.map(|index| &table.indexes[index]) else {
                fresh.extend(drawn);
                continue;
            };
            let texts = drawn.iter().map(|id| std::str::from_utf8(id).ok());
            let keys = KeyColumns::new(&[Arc::new(StringViewArray::from_iter(texts)) as ArrayRef])?;
            let mut hashes = Vec::new();
            keys.hash(index.table.seed(), &mut hashes);
            let same = |i: usize, slot: u32| {
                let mut version = table.slots[slot as usize];
                if let Some(row) = version.checked_sub(self.base) {
                    // Changed by this batch, which is not stored yet; its id stayed.
                    version = self.origins[row as usize];
                }
                if version >= self.base {
                    return false;
                }
                let (columns, row) = table.chunks.keys(version);
                let mut parts = index.fields.iter().zip(keys.columns());
                parts.all(|(&field, key)| key.equal(i, &columns[field], row))
            };
            for (i, (id, hash)) in drawn.into_iter().zip(hashes).enumerate() {
                if let Hit::None = index.table.find(hash, |slot| same(i, slot)) {
                    fresh.push(id);
                }
            }
        }
        Ok(fresh)
    }

    /// Of which rows an index has to be brought up to date with the versions: of all indexes that the plan does not
    /// use, and of the others those over a generated id that did not exist until now.
    fn lags(&self, number: usize, fields: &[usize]) -> Lags {
        match self.plan.uses(number) {
            true if fields.iter().any(|&field| self.makes_ids(field)) => Lags::Made,
            true => Lags::Never,
            false if self.plan.is_steady(fields) => Lags::Made,
            false => Lags::Always,
        }
    }

    fn makes_ids(&self, field: usize) -> bool {
        matches!(
            self.plan.sources[field],
            Source::Generated | Source::Matched { .. }
        )
    }

    /// Takes the records that these rows changed out of the indexes that lag. All must be out before the first
    /// goes in again: an index compares by the present versions of the slots in it.
    fn unindex(&self, table: &mut Table, live: &[u32]) {
        for (number, index) in table.indexes.iter_mut().enumerate() {
            if self.lags(number, &index.fields) != Lags::Always {
                // A record that was made is in none yet.
                continue;
            }
            for &row in live {
                let old = self.origins[row as usize];
                if old >= self.base {
                    continue;
                }
                let (columns, at) = table.chunks.keys(old);
                if let Some(hash) = index.hash(columns, at) {
                    index.table.remove(hash, self.slot_of[row as usize]);
                }
            }
        }
    }

    /// Puts the records that these rows wrote into the indexes that lag; `stored` are the rows as appended.
    fn index(&self, table: &mut Table, live: &[u32], stored: &[u32]) {
        for (number, index) in table.indexes.iter_mut().enumerate() {
            let lags = self.lags(number, &index.fields);
            if lags == Lags::Never {
                continue;
            }
            for (&row, &at) in live.iter().zip(stored) {
                if lags == Lags::Always || self.origins[row as usize] >= self.base {
                    let slot = self.slot_of[row as usize];
                    insert(index, slot, self.base + at, &table.chunks, &table.slots);
                }
            }
        }
    }
}
