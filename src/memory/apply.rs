//! Rows become versions of records.
//!
//! Rows are taken one by one, in order: each sees what the rows before it did. What a row does to the
//! indexes and slots is done at once; its values are stored after the last row, column by column. Until
//! then a version of this batch is read from the columns given ([`Versions`]).

use arrow_array::ArrayRef;

use super::chunks::{NO_VERSION, typed};
use super::ids::Ids;
use super::plan::{Mode, Plan, Source};
use super::store::Batch;
use super::table::{Index, Table};
use super::touched::Touched;
use super::versions::Versions;
use crate::Result;
use crate::destination::RowOutcome;
use crate::lookup::{Hit, NO_ROW};
use crate::record::key::KeyColumns;
use crate::record::touch::STRIP;
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
        lacking: [Vec::new(), Vec::new()],
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
        match pass.step(row, memory.touched.as_mut(), &sequence) {
            Ok((outcome, earlier)) => {
                applied.outcomes.push(outcome);
                applied
                    .replaced
                    .extend(earlier.map(|earlier| (row as u32, earlier)));
            }
            Err(refusal) => {
                applied.outcomes.push(RowOutcome::Rejected);
                applied.refusals.push((row as u32, refusal));
            }
        }
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

/// A refusal is about a field where the identifiers have no other.
fn about_one(refusal: Refusal, identifiers: &[Vec<&str>]) -> Refusal {
    match identifiers {
        [names] if names.len() == 1 => refusal.of(names[0]),
        _ => refusal,
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
    /// The required fields that a new record, or one that is changed, may lack, and the columns to look at.
    lacking: [Vec<(usize, Option<usize>)>; 2],
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
        self.lacking = [WriteOn::Insert, WriteOn::Update].map(|now| self.lacking(now));
        Ok(())
    }

    fn lacking(&self, now: WriteOn) -> Vec<(usize, Option<usize>)> {
        let column = |&field: &usize| match self.plan.sources[field] {
            Source::Given { column, on } if on == WriteOn::Always || on == now => {
                let some = self.versions.given[column].nulls().is_some();
                some.then_some((field, Some(column)))
            }
            Source::Generated => None,
            _ => (now == WriteOn::Insert).then_some((field, None)),
        };
        self.plan.required.iter().filter_map(column).collect()
    }

    /// Brings into the cache what the next rows will be compared with.
    fn warm(&self, rows: std::ops::Range<usize>) {
        for keys in &self.keys {
            let Index { fields, table } = &self.indexes[keys.index];
            let likely = table.likely(&keys.hashes[rows.clone()]);
            let versions = likely.map(|slot| match slot {
                NO_ROW => NO_VERSION,
                slot => self.slots[slot as usize],
            });
            self.versions.touch(fields, &versions);
        }
    }

    /// Writes a row, or refuses it and leaves everything as it was.
    fn step(
        &mut self,
        row: usize,
        touched: Option<&mut Touched>,
        sequence: impl Fn(usize) -> u64,
    ) -> Result<(RowOutcome, Option<u64>), Refusal> {
        let new = self.versions.base + row as u32;
        match self.target(row)? {
            Target::Nothing => Ok((RowOutcome::Skipped, None)),
            Target::New => {
                self.check_required(row, WriteOn::Insert)?;
                self.versions.origins[row] = new;
                self.check_unique(new, None)?;
                let slot = self.slots.len() as u32;
                self.slots.push(new);
                self.add_to_indexes(row, slot);
                self.slot_of[row] = slot;
                if let Some(touched) = touched {
                    touched.set(slot, sequence(row));
                }
                Ok((RowOutcome::Inserted, None))
            }
            Target::Known(slot, by) => {
                let earlier = touched.as_ref().and_then(|touched| touched.get(slot));
                if self.plan.reject_duplicates && earlier.is_some() {
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
                if let Some(touched) = touched {
                    touched.set(slot, sequence(row));
                }
                let outcome = match earlier {
                    Some(_) => RowOutcome::Replaced,
                    None => RowOutcome::Updated,
                };
                Ok((outcome, earlier))
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
                Hit::Many(_) => return Err(self.several_match(keys)),
            }
        }
        match self.plan.mode {
            Mode::Insert => Ok(Target::New),
            _ if empty => Err(self.empty_identifiers()),
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

    #[cold]
    fn several_match(&self, keys: &Keys) -> Refusal {
        let names = self.identifier(keys);
        let message = format!(
            "several records have this identifier ({}); correct them, or identify by more fields",
            names.join(", ")
        );
        about_one(Refusal::new(Reason::MultiMatch, message), &[names])
    }

    #[cold]
    fn empty_identifiers(&self) -> Refusal {
        let identifiers: Vec<_> = self.keys.iter().map(|keys| self.identifier(keys)).collect();
        let lists: Vec<String> = (identifiers.iter())
            .map(|names| format!("({})", names.join(", ")))
            .collect();
        let message = format!(
            "no identifier has all of its values; fill the fields of one: {}",
            lists.join(", ")
        );
        about_one(Refusal::new(Reason::EmptyIdentifier, message), &identifiers)
    }

    /// The fields of an identifier.
    fn identifier(&self, keys: &Keys) -> Vec<&str> {
        let schema = self.versions.chunks.schema();
        let fields = self.indexes[keys.index].fields.iter();
        let names = fields.map(|&field| schema.field(field).name().as_str());
        names.collect()
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
        let lacking = &self.lacking[usize::from(now == WriteOn::Update)];
        let given = &self.versions.given;
        for &(field, column) in lacking {
            if column.is_none_or(|column| given[column].is_null(row)) {
                let name = self.versions.chunks.schema().field(field).name();
                let message = "a required field has no value";
                return Err(Refusal::new(Reason::MissingRequired, message).of(name));
            }
        }
        Ok(())
    }

    /// Refuses a version whose key another record has; `old` is the record's present version and the index
    /// that found it.
    #[inline]
    fn check_unique(&self, new: u32, old: Option<(u32, usize)>) -> Result<(), Refusal> {
        for used in self.uses.iter().filter(|used| used.unique) {
            let free = match old {
                Some((_, by)) => used.unmoved(by),
                // Matching found no record under this key.
                None => used.direct && used.keys.is_some(),
            };
            if !free && self.is_taken(used, new, old.map(|old| old.0)) {
                let message = "another record has the same value where values are unique";
                let refusal = Refusal::new(Reason::NotUnique, message);
                return Err(match self.indexes[used.number].fields.as_slice() {
                    &[field] => refusal.of(self.versions.chunks.schema().field(field).name()),
                    _ => refusal,
                });
            }
        }
        Ok(())
    }

    /// Whether the key of version `new` belongs to another record than that of version `old`.
    #[inline(never)]
    fn is_taken(&self, used: &Use, new: u32, old: Option<u32>) -> bool {
        let Index { fields, table } = &self.indexes[used.number];
        let versions = &self.versions;
        if old.is_some_and(|old| versions.same(fields, old, new)) {
            return false;
        }
        let Some(hash) = versions.hash(&self.indexes[used.number], new) else {
            return false;
        };
        let same = |slot: u32| versions.same(fields, self.slots[slot as usize], new);
        !matches!(table.find(hash, same), Hit::None)
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
