//! Rows become versions of records.
//!
//! Rows are taken one by one, in order: each sees what the rows before it did. What a row does to the
//! indexes and slots is done at once; its values are stored after the last row, column by column. Until
//! then a version of this batch is read from the columns given ([`Versions`]).

use arrow_array::ArrayRef;

use super::chunks::{Chunks, NO_VERSION, typed};
use super::ids::Ids;
use super::plan::{Mode, Plan, Source};
use super::store::Batch;
use super::table::{Index, Table};
use super::touched::Touched;
use crate::Result;
use crate::destination::RowOutcome;
use crate::lookup::{Hit, NO_ROW};
use crate::record::key::{KeyColumn, KeyColumns};
use crate::record::{Reason, Refusal};
use crate::spec::{NoMatchOnUpdate, WriteOn};

/// What became of the rows of a batch.
#[derive(Debug, Default)]
pub(super) struct Applied {
    pub(super) outcomes: Vec<RowOutcome>,
    pub(super) refusals: Vec<(u32, Refusal)>,
    pub(super) replaced: Vec<(u32, u64)>,
    /// The columns of the rows' versions, one for each field; null or anything where nothing was written.
    pub(super) columns: Vec<ArrayRef>,
}

/// What a writer remembers from batch to batch.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) ids: Ids,
    /// `None` if nobody asks which rows belong to this run.
    pub(super) touched: Option<Touched>,
}

/// Rows whose places in the indexes are fetched together.
const STRIP: usize = 64;

/// Writes the rows of `given`: the columns of the plan, then the stamps. `sequence` numbers the rows.
pub(super) fn apply(
    table: &mut Table,
    plan: &Plan,
    given: Vec<ArrayRef>,
    rows: usize,
    memory: &mut Memory,
    sequence: impl Fn(usize) -> u64,
) -> Result<Applied> {
    table.check_room(rows)?;
    let base = table.chunks.len();
    let mut pass = Pass {
        versions: Versions {
            chunks: &table.chunks,
            sources: &plan.sources,
            given: typed(&given)?,
            base,
            origins: vec![NO_VERSION; rows],
        },
        slots: &mut table.slots,
        indexes: &mut table.indexes,
        plan,
        keys: Vec::new(),
        uses: Vec::new(),
        slot_of: vec![NO_ROW; rows],
    };
    pass.prepare()?;

    let mut applied = Applied {
        outcomes: Vec::with_capacity(rows),
        ..Applied::default()
    };
    for row in 0..rows {
        if row % STRIP == 0 {
            pass.warm(row..rows.min(row + STRIP));
        }
        let outcome = match pass.step(row, memory.touched.as_ref()) {
            Ok(outcome) => outcome,
            Err(refusal) => {
                applied.refusals.push((row as u32, refusal));
                applied.outcomes.push(RowOutcome::Rejected);
                continue;
            }
        };
        let slot = pass.slot_of[row];
        let outcome = match &mut memory.touched {
            Some(touched) if slot != NO_ROW => {
                let earlier = touched.get(slot);
                touched.set(slot, sequence(row));
                match earlier {
                    Some(earlier) => {
                        applied.replaced.push((row as u32, earlier));
                        RowOutcome::Replaced
                    }
                    None => outcome,
                }
            }
            _ => outcome,
        };
        applied.outcomes.push(outcome);
    }

    let Pass {
        versions: Versions { origins, .. },
        slot_of,
        ..
    } = pass;
    let batch = Batch {
        plan,
        base,
        origins,
        slot_of,
    };
    applied.columns = batch.store(table, &given, &mut memory.ids)?;
    table.compact()?;
    Ok(applied)
}

/// Versions of before this batch and of this batch, value by value.
struct Versions<'a> {
    chunks: &'a Chunks,
    sources: &'a [Source],
    /// The columns given.
    given: Vec<KeyColumn>,
    /// The version that row 0 makes.
    base: u32,
    /// For each row the version that its record had before this batch, or the version that made it.
    origins: Vec<u32>,
}

impl Versions<'_> {
    /// Where a value stands; `None` if it is null. The id of a record that this batch makes counts as null:
    /// no row can know it yet.
    #[inline]
    fn value(&self, version: u32, field: usize) -> Option<(&KeyColumn, usize)> {
        let old = |version| {
            let (columns, row) = self.chunks.keys(version);
            (&columns[field], row)
        };
        let (column, row) = if version < self.base {
            old(version)
        } else {
            let row = (version - self.base) as usize;
            let origin = self.origins[row];
            match self.sources[field] {
                Source::Given {
                    column,
                    on: WriteOn::Always,
                } => (&self.given[column], row),
                Source::Given {
                    on: WriteOn::Update,
                    ..
                } if origin == version => return None,
                Source::Given {
                    column,
                    on: WriteOn::Update,
                } => (&self.given[column], row),
                _ if origin < self.base => old(origin),
                Source::Given { column, .. } => {
                    (&self.given[column], (origin - self.base) as usize)
                }
                _ => return None,
            }
        };
        (!column.is_null(row)).then_some((column, row))
    }

    /// The hash of a version's key; `None` if a part is null.
    fn hash(&self, index: &Index, version: u32) -> Option<u64> {
        index
            .fields
            .iter()
            .try_fold(index.table.seed(), |hash, &field| {
                let (column, row) = self.value(version, field)?;
                Some(column.hash_one(row, hash))
            })
    }

    /// Whether two versions have the same key.
    fn same(&self, fields: &[usize], a: u32, b: u32) -> bool {
        fields.iter().all(
            |&field| match (self.value(a, field), self.value(b, field)) {
                (Some((x, i)), Some((y, j))) => x.equal(i, y, j),
                (x, y) => x.is_none() && y.is_none(),
            },
        )
    }

    /// Whether a version has the key in `row` of `keys`, which has no null.
    #[inline]
    fn has(&self, fields: &[usize], keys: &KeyColumns, row: usize, version: u32) -> bool {
        if version < self.base {
            let (columns, at) = self.chunks.keys(version);
            let mut parts = fields.iter().zip(keys.columns());
            return parts.all(|(&field, key)| key.equal(row, &columns[field], at));
        }
        fields.iter().zip(keys.columns()).all(|(&field, key)| {
            (self.value(version, field)).is_some_and(|(column, at)| key.equal(row, column, at))
        })
    }
}

/// The keys of all rows for one identifier.
struct Keys {
    index: usize,
    columns: KeyColumns,
    hashes: Vec<u64>,
}

/// What is known of an index beforehand.
struct Use {
    number: usize,
    /// The position of its keys, if it serves an identifier.
    keys: Option<usize>,
    unique: bool,
    /// An update leaves its keys alone.
    steady: bool,
    /// Its keys are always those of the row.
    direct: bool,
}

impl Use {
    /// Whether a record that was found by the index `by` keeps its key in this one.
    fn unmoved(&self, by: usize) -> bool {
        self.steady || self.number == by && self.direct
    }
}

enum Target {
    New,
    /// A slot, and the index that found it.
    Known(u32, usize),
    Nothing,
}

struct Pass<'a> {
    versions: Versions<'a>,
    slots: &'a mut Vec<u32>,
    indexes: &'a mut Vec<Index>,
    plan: &'a Plan,
    /// One for each identifier, in order.
    keys: Vec<Keys>,
    /// The indexes that are kept right row by row.
    uses: Vec<Use>,
    /// For each row the slot that it wrote.
    slot_of: Vec<u32>,
}

impl Pass<'_> {
    fn prepare(&mut self) -> Result<()> {
        for &index in &self.plan.identifiers {
            let columns =
                self.indexes[index]
                    .fields
                    .iter()
                    .map(|&field| match self.plan.sources[field] {
                        Source::Given { column, .. } | Source::Matched { column } => {
                            Ok(self.versions.given[column].clone())
                        }
                        _ => Err(crate::Error::contract("an identifier has no column")),
                    });
            let columns = KeyColumns::of(columns.collect::<Result<_>>()?)?;
            let mut hashes = Vec::new();
            columns.hash(self.indexes[index].table.seed(), &mut hashes);
            self.keys.push(Keys {
                index,
                columns,
                hashes,
            });
        }
        let used = self
            .indexes
            .iter()
            .enumerate()
            .filter(|(number, _)| self.plan.uses(*number));
        self.uses = used
            .map(|(number, index)| Use {
                number,
                keys: self.keys.iter().position(|keys| keys.index == number),
                unique: self.plan.unique.contains(&number),
                steady: self.plan.is_steady(&index.fields),
                direct: self.plan.is_direct(&index.fields),
            })
            .collect();
        Ok(())
    }

    fn warm(&self, rows: std::ops::Range<usize>) {
        for keys in &self.keys {
            self.indexes[keys.index]
                .table
                .warm(&keys.hashes[rows.clone()]);
        }
    }

    /// Writes a row, or refuses it and leaves everything as it was.
    fn step(&mut self, row: usize, touched: Option<&Touched>) -> Result<RowOutcome, Refusal> {
        let new = self.versions.base + row as u32;
        match self.target(row)? {
            Target::Nothing => Ok(RowOutcome::Skipped),
            Target::New => {
                self.check_required(row, WriteOn::Insert)?;
                self.versions.origins[row] = new;
                self.check_unique(new, None)?;
                let slot = self.slots.len() as u32;
                self.slots.push(new);
                self.add_to_indexes(row, slot);
                self.slot_of[row] = slot;
                Ok(RowOutcome::Inserted)
            }
            Target::Known(slot, by) => {
                let written = touched.is_some_and(|touched| touched.get(slot).is_some());
                if self.plan.reject_duplicates && written {
                    let message = "an earlier record of the run has the same key";
                    return Err(Refusal::new(Reason::DuplicateKey, message));
                }
                self.check_required(row, WriteOn::Update)?;
                let old = self.slots[slot as usize];
                let base = self.versions.base;
                self.versions.origins[row] = match old.checked_sub(base) {
                    Some(earlier) => self.versions.origins[earlier as usize],
                    None => old,
                };
                self.check_unique(new, Some((old, by)))?;
                self.move_in_indexes(slot, old, new, by);
                self.slots[slot as usize] = new;
                self.slot_of[row] = slot;
                Ok(RowOutcome::Updated)
            }
        }
    }

    /// Finds the record that a row is for.
    fn target(&self, row: usize) -> Result<Target, Refusal> {
        let mut empty = true;
        for keys in &self.keys {
            if keys.columns.is_null_any(row) {
                continue;
            }
            empty = false;
            let Index { fields, table } = &self.indexes[keys.index];
            let hit = table.find(keys.hashes[row], |slot| {
                self.versions
                    .has(fields, &keys.columns, row, self.slots[slot as usize])
            });
            match hit {
                Hit::None => {}
                Hit::One(slot) => return Ok(Target::Known(slot, keys.index)),
                Hit::Many(_) => {
                    let message = "the identifier hits several records";
                    return Err(Refusal::new(Reason::MultiMatch, message));
                }
            }
        }
        match self.plan.mode {
            Mode::Insert => Ok(Target::New),
            _ if empty => {
                let message = "every identifier has a field without a value";
                Err(Refusal::new(Reason::EmptyIdentifier, message))
            }
            Mode::Upsert => match self.names_an_id(row) {
                false => Ok(Target::New),
                true => {
                    let message = "no record has this id, and the object generates ids itself";
                    Err(Refusal::new(Reason::NoMatch, message))
                }
            },
            Mode::Update => match self.plan.no_match {
                NoMatchOnUpdate::Skip => Ok(Target::Nothing),
                NoMatchOnUpdate::Reject => {
                    let message = "no record has this key, and an update makes none";
                    Err(Refusal::new(Reason::NoMatch, message))
                }
            },
        }
    }

    /// Whether the row asks for a record by its generated id.
    fn names_an_id(&self, row: usize) -> bool {
        self.plan
            .sources
            .first()
            .is_some_and(|&source| match source {
                Source::Matched { column } => !self.versions.given[column].is_null(row),
                _ => false,
            })
    }

    /// Refuses a row that would leave a required field null.
    #[inline]
    fn check_required(&self, row: usize, now: WriteOn) -> Result<(), Refusal> {
        let missing = self
            .plan
            .required
            .iter()
            .find(|&&field| match self.plan.sources[field] {
                Source::Given { column, on } if on == WriteOn::Always || on == now => {
                    self.versions.given[column].is_null(row)
                }
                Source::Generated => false,
                _ => now == WriteOn::Insert,
            });
        match missing {
            None => Ok(()),
            Some(&field) => {
                let name = self.versions.chunks.schema().field(field).name();
                let message = "a required field has no value";
                Err(Refusal::new(Reason::MissingRequired, message).of(name))
            }
        }
    }

    /// Refuses a version whose key another record has; `old` is the record's present version and the index
    /// that found it.
    fn check_unique(&self, new: u32, old: Option<(u32, usize)>) -> Result<(), Refusal> {
        for used in self.uses.iter().filter(|used| used.unique) {
            let known = match old {
                Some((_, by)) => used.unmoved(by),
                // Matching found no record under this key.
                None => used.direct && used.keys.is_some(),
            };
            if known {
                continue;
            }
            let index = &self.indexes[used.number];
            let versions = &self.versions;
            if old.is_some_and(|(old, _)| versions.same(&index.fields, old, new)) {
                continue;
            }
            let Some(hash) = versions.hash(index, new) else {
                continue;
            };
            let same = |slot: u32| versions.same(&index.fields, self.slots[slot as usize], new);
            if let Hit::One(_) | Hit::Many(_) = index.table.find(hash, same) {
                let message = "another record has the same value where values are unique";
                let refusal = Refusal::new(Reason::NotUnique, message);
                return Err(match index.fields.as_slice() {
                    &[field] => refusal.of(versions.chunks.schema().field(field).name()),
                    _ => refusal,
                });
            }
        }
        Ok(())
    }

    /// Adds a new record to the indexes that the plan uses.
    fn add_to_indexes(&mut self, row: usize, slot: u32) {
        let new = self.versions.base + row as u32;
        for used in &self.uses {
            let index = &mut self.indexes[used.number];
            match used
                .keys
                .filter(|_| used.direct)
                .map(|keys| &self.keys[keys])
            {
                // Matching found no record under this key.
                Some(keys) if keys.columns.is_null_any(row) => {}
                Some(keys) => index.table.insert_new(keys.hashes[row], slot),
                None => insert(index, &self.versions, self.slots, slot, new),
            }
        }
    }

    /// Moves a record to its new key in the indexes that the plan uses.
    fn move_in_indexes(&mut self, slot: u32, old: u32, new: u32, by: usize) {
        for used in self.uses.iter().filter(|used| !used.unmoved(by)) {
            let index = &mut self.indexes[used.number];
            if self.versions.same(&index.fields, old, new) {
                continue;
            }
            if let Some(hash) = self.versions.hash(index, old) {
                index.table.remove(hash, slot);
            }
            insert(index, &self.versions, self.slots, slot, new);
        }
    }
}

/// Puts a slot into an index under the key of `new`, if it has one.
fn insert(index: &mut Index, versions: &Versions<'_>, slots: &[u32], slot: u32, new: u32) {
    let Some(hash) = versions.hash(index, new) else {
        return;
    };
    let Index { fields, table } = index;
    let same = |other: u32| versions.same(fields, slots[other as usize], new);
    table.insert(hash, slot, same);
}
