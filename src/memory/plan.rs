//! How one writer's rows become versions: worked out once, when it is opened.

use super::object::Facts;
use super::table::Table;
use crate::destination::OpenRequest;
use crate::spec::{DuplicateKeys, Identity, NoMatchOnUpdate, WriteMode, WriteOn};
use crate::{Error, ErrorKind, Result};

/// Where a field of a written record comes from. Columns are those of [`Plan::columns`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The record keeps what it has; a new one has null.
    Kept,
    /// The same, but rows have a value to match records by.
    Matched { column: usize },
    /// From a column, at the given times.
    Given { column: usize, on: WriteOn },
    /// A new record gets a new id.
    Generated,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Insert,
    Update,
    Upsert,
}

#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) mode: Mode,
    pub(super) no_match: NoMatchOnUpdate,
    pub(super) reject_duplicates: bool,
    /// For each field of the object.
    pub(super) sources: Vec<Source>,
    /// The fields that the columns of a batch are for, in order.
    pub(super) columns: Vec<usize>,
    /// The indexes to match by, in order.
    pub(super) identifiers: Vec<usize>,
    /// The indexes that hold a key once only.
    pub(super) unique: Vec<usize>,
    /// The fields that may not be null.
    pub(super) required: Vec<usize>,
    /// The index of the ids in use, if new records get an id.
    pub(super) ids: Option<usize>,
}

/// What a system field gets, as a column behind those of the batch.
pub(super) const STAMP_TIME: usize = 0;
pub(super) const STAMP_NAME: usize = 1;

impl Plan {
    /// The plan of a writer.
    ///
    /// Fails with `NotFound` for a field that does not exist, with `Invalid` for anything else.
    pub(super) fn open(facts: &Facts, table: &mut Table, request: &OpenRequest) -> Result<Plan> {
        let identifiers = request.mode.identifiers();
        let names: Vec<&str> = request
            .fields
            .iter()
            .map(|field| field.name.as_str())
            .collect();
        let columns = facts.positions(&names)?;
        let mut sources = vec![Source::Kept; facts.schema.fields().len()];
        for (column, (&field, given)) in columns.iter().zip(&request.fields).enumerate() {
            let refuse = |message| Err(facts.invalid(message).with("field", &given.name));
            if sources[field] != Source::Kept {
                return refuse("a field is written twice; give it one column");
            }
            if facts.system.contains(&field) {
                return refuse("the object keeps this system field itself; do not map it");
            }
            let identifies = identifiers.iter().flatten().any(|name| *name == given.name);
            sources[field] = match facts.identity {
                Identity::Generated if field == 0 && identifies => Source::Matched { column },
                Identity::Generated if field == 0 => {
                    return refuse(
                        "the object generates its id; it can be an identifier, but not be written",
                    );
                }
                _ => Source::Given {
                    column,
                    on: given.on,
                },
            };
        }
        if let Identity::Generated = facts.identity {
            if sources[0] == Source::Kept {
                sources[0] = Source::Generated;
            }
        }
        for (&field, (stamp, on)) in facts.system.iter().zip([
            (STAMP_TIME, WriteOn::Insert),
            (STAMP_NAME, WriteOn::Insert),
            (STAMP_TIME, WriteOn::Always),
            (STAMP_NAME, WriteOn::Always),
        ]) {
            sources[field] = Source::Given {
                column: columns.len() + stamp,
                on,
            };
        }

        let mode = match request.mode {
            WriteMode::Insert => Mode::Insert,
            WriteMode::Update { .. } => Mode::Update,
            WriteMode::Upsert { .. } => Mode::Upsert,
        };
        if mode != Mode::Insert && identifiers.iter().all(Vec::is_empty)
            || identifiers.iter().any(Vec::is_empty)
        {
            let message =
                "an update or upsert has at least one identifier, and each has at least one field";
            return Err(facts.invalid(message));
        }
        if request.wants_ids && facts.identity.single_field().is_none() {
            let message = "records are identified by several fields or none, so there are no ids to answer with";
            return Err(facts.invalid(message));
        }
        let mut keys = Vec::new();
        for identifier in identifiers {
            let names: Vec<&str> = identifier.iter().map(String::as_str).collect();
            let fields = facts.positions(&names)?;
            if let Some(&missing) = fields.iter().find(|field| !columns.contains(field)) {
                let name = &facts.schema.fields()[missing].name;
                let message = "an identifier is not among the fields given; map it";
                return Err(facts.invalid(message).with("field", name));
            }
            keys.push(table.index(&fields));
        }
        let mut plan = Self::of(facts, table, mode, sources, columns);
        plan.no_match = request.no_match;
        plan.reject_duplicates = request.duplicates == DuplicateKeys::Reject;
        plan.identifiers = keys;
        Ok(plan)
    }

    /// The plan of records that are there before any run: every field may be given.
    pub(super) fn preload(facts: &Facts, table: &mut Table, names: &[&str]) -> Result<Plan> {
        let columns = facts.positions(names)?;
        let mut sources = vec![Source::Kept; facts.schema.fields().len()];
        for (column, &field) in columns.iter().enumerate() {
            if sources[field] != Source::Kept {
                let name = &facts.schema.fields()[field].name;
                return Err(facts.invalid("a field is given twice").with("field", name));
            }
            sources[field] = Source::Given {
                column,
                on: WriteOn::Always,
            };
        }
        let mut plan = match facts.identity {
            Identity::Generated if sources[0] == Source::Kept => {
                sources[0] = Source::Generated;
                Self::of(facts, table, Mode::Insert, sources, columns)
            }
            Identity::Generated => {
                let id = table.index(&[0]);
                let mut plan = Self::of(facts, table, Mode::Insert, sources, columns);
                plan.unique.push(id);
                plan.required.push(0);
                plan
            }
            _ => Self::of(facts, table, Mode::Insert, sources, columns),
        };
        plan.unique.dedup();
        Ok(plan)
    }

    fn of(
        facts: &Facts,
        table: &mut Table,
        mode: Mode,
        sources: Vec<Source>,
        columns: Vec<usize>,
    ) -> Plan {
        let sets = facts.supplied.iter().chain(&facts.unique);
        let mut unique: Vec<usize> = sets.map(|fields| table.index(fields)).collect();
        unique.sort_unstable();
        unique.dedup();
        let makes_ids = mode != Mode::Update
            && matches!(
                sources.first(),
                Some(Source::Generated | Source::Matched { .. })
            )
            && facts.identity == Identity::Generated;
        let ids = makes_ids.then(|| table.index(&[0]));
        Plan {
            mode,
            no_match: NoMatchOnUpdate::Reject,
            reject_duplicates: false,
            sources,
            columns,
            identifiers: Vec::new(),
            unique,
            required: facts.required.clone(),
            ids,
        }
    }

    /// Whether the plan keeps this index right while it goes through the rows.
    pub(super) fn uses(&self, index: usize) -> bool {
        self.identifiers.contains(&index) || self.unique.contains(&index)
    }

    /// Whether an update leaves a key of these fields alone.
    pub(super) fn is_steady(&self, fields: &[usize]) -> bool {
        let mut sources = fields.iter().map(|&field| self.sources[field]);
        sources.all(|source| {
            !matches!(
                source,
                Source::Given {
                    on: WriteOn::Always | WriteOn::Update,
                    ..
                }
            )
        })
    }

    /// Whether a key of these fields is always that of the row.
    pub(super) fn is_direct(&self, fields: &[usize]) -> bool {
        let mut sources = fields.iter().map(|&field| self.sources[field]);
        sources.all(|source| {
            matches!(
                source,
                Source::Given {
                    on: WriteOn::Always,
                    ..
                }
            )
        })
    }

    /// Refuses everything but the expected columns.
    pub(super) fn check(&self, facts: &Facts, records: &arrow_array::RecordBatch) -> Result<()> {
        let given = records.columns().iter().map(|column| column.data_type());
        let fields = facts.schema.arrow();
        let expected = self
            .columns
            .iter()
            .map(|&field| fields.field(field).data_type());
        if given.eq(expected) {
            return Ok(());
        }
        let message = "the columns of a batch are not those that the writer was opened for, in number, order or type";
        Err(Error::new(ErrorKind::Contract, message).with("object", &facts.name))
    }
}
