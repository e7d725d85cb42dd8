//! An object in memory.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use arrow_array::RecordBatch;

use super::apply::{Memory, apply};
use super::ids::Ids;
use super::plan::Plan;
use super::table::Table;
use crate::destination::Checkpoint;
use crate::record::{Field, FieldType, Picked, Schema};
use crate::spec::{Identity, ObjectSpec, SystemFields};
use crate::{Error, ErrorKind, Problem, Result};

/// An object whose records are kept in memory: a handle, cheap to clone.
///
/// Texts and numbers stay in the arrays that they were written in. Beyond these a record costs four
/// bytes, and eleven to sixteen more for each set of fields by which records are told apart, matched or
/// looked up.
///
/// ```
/// use std::sync::Arc;
/// use syncline::memory::MemoryObject;
/// use syncline::record::array::{ArrayRef, RecordBatch, StringViewArray};
/// use syncline::record::{Field, FieldType};
/// use syncline::spec::{Identity, ObjectSpec};
///
/// let fields = vec![Field::new("code", FieldType::Text), Field::new("name", FieldType::Text)];
/// let spec = ObjectSpec::new("country", Identity::Supplied(vec!["code".into()]), fields);
/// let countries = MemoryObject::new(&spec)?;
///
/// let codes: ArrayRef = Arc::new(StringViewArray::from(vec!["jp", "at"]));
/// countries.insert(RecordBatch::try_from_iter([("code", Arc::clone(&codes))]).unwrap())?;
/// assert_eq!(countries.len(), 2);
/// let again = RecordBatch::try_from_iter([("code", codes)]).unwrap();
/// assert!(countries.insert(again).is_err(), "a code identifies one record");
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Clone)]
pub struct MemoryObject {
    facts: Arc<Facts>,
    state: Arc<RwLock<State>>,
}

/// What never changes.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) name: String,
    pub(super) identity: Identity,
    pub(super) system_fields: SystemFields,
    pub(super) schema: Schema,
    /// The fields of a supplied identity.
    pub(super) supplied: Option<Vec<usize>>,
    pub(super) unique: Vec<Vec<usize>>,
    /// Required fields and those of a supplied identity.
    pub(super) required: Vec<usize>,
    /// `created_at`, `created_by`, `modified_at`, `modified_by`, if the object has them.
    pub(super) system: Vec<usize>,
}

/// A job and its partition.
pub(super) type JobPart = (String, String);

/// What changes.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) table: Table,
    /// The newest epoch of each job and partition.
    pub(super) epochs: HashMap<JobPart, u64>,
    /// What each job and partition has committed, if the destination keeps it.
    pub(super) checkpoints: HashMap<JobPart, Checkpoint>,
    /// For each commit group of each job and partition the records in front of it, if a group can be replaced.
    pub(super) groups: HashMap<JobPart, Vec<(u64, Table)>>,
    /// Counts changes, so that a transaction sees whether somebody else made one.
    pub(super) changes: u64,
    /// The number of the next id for records that are there before any run: where to go on, so that ids
    /// that were taken once are not all passed over again.
    preload_ids: u64,
}

impl Facts {
    fn new(spec: &ObjectSpec) -> Result<Self> {
        let mut fields = spec.fields.clone();
        if let Identity::Generated = spec.identity {
            fields.insert(0, Field::new(Identity::GENERATED_FIELD, FieldType::Id));
        }
        let own = fields.len();
        if let SystemFields::Standard = spec.system_fields {
            fields.extend([
                Field::new("created_at", FieldType::DateTime),
                Field::new("created_by", FieldType::Text),
                Field::new("modified_at", FieldType::DateTime),
                Field::new("modified_by", FieldType::Text),
            ]);
        }
        let system = (own..fields.len()).collect();
        let schema = Schema::new(fields);
        let mut problems = Vec::new();
        if spec.fields.is_empty() {
            problems.push(Problem::new("fields", "an object has at least one field"));
        }
        for (i, field) in schema.fields().iter().enumerate() {
            if schema.index_of(&field.name) != Some(i) {
                let message = format!(
                    "`{}` is there twice, maybe as an identity or a system field",
                    field.name
                );
                problems.push(Problem::new("fields", message));
            }
        }
        let mut set = |path: String, names: &[String]| -> Vec<usize> {
            if names.is_empty() {
                problems.push(Problem::new(&path, "names no field"));
            }
            let mut positions = Vec::new();
            for (i, name) in names.iter().enumerate() {
                match spec
                    .fields
                    .iter()
                    .any(|f| f.name == *name)
                    .then(|| schema.index_of(name))
                {
                    Some(Some(position)) if !positions.contains(&position) => {
                        positions.push(position)
                    }
                    Some(Some(_)) => problems.push(Problem::new(
                        format!("{path}[{i}]"),
                        format!("`{name}` is there twice"),
                    )),
                    _ => problems.push(Problem::new(
                        format!("{path}[{i}]"),
                        format!("`{name}` is none of the object's own fields"),
                    )),
                }
            }
            positions
        };
        let supplied = match &spec.identity {
            Identity::Supplied(names) => Some(set("identity.supplied".into(), names)),
            _ => None,
        };
        let unique = (spec.unique.iter().enumerate())
            .map(|(i, names)| set(format!("unique[{i}]"), names))
            .collect();
        if !problems.is_empty() {
            let error = Error::invalid("the object cannot be made; mend its spec", problems);
            return Err(error.with("object", &spec.name));
        }
        let fields = schema.fields().iter().enumerate();
        let required = fields
            .filter(|(i, field)| field.required || supplied.iter().flatten().any(|s| s == i))
            .map(|(i, _)| i)
            .collect();
        Ok(Facts {
            name: spec.name.clone(),
            identity: spec.identity.clone(),
            system_fields: spec.system_fields,
            schema,
            supplied,
            unique,
            required,
            system,
        })
    }

    /// The positions of the named fields.
    pub(super) fn positions(&self, names: &[&str]) -> Result<Vec<usize>> {
        let position = |name: &&str| {
            self.schema.index_of(name).ok_or_else(|| {
                Error::new(
                    ErrorKind::NotFound,
                    "the object has no such field; check the mapping",
                )
                .with("object", &self.name)
                .with("field", name)
            })
        };
        names.iter().map(position).collect()
    }

    /// The unique sets by the names of their fields.
    pub(super) fn unique_names(&self) -> Vec<Vec<String>> {
        let name = |&field: &usize| {
            self.schema
                .fields()
                .get(field)
                .map(|field| field.name.clone())
        };
        self.unique
            .iter()
            .map(|set| set.iter().filter_map(name).collect())
            .collect()
    }

    pub(super) fn invalid(&self, message: &'static str) -> Error {
        Error::new(ErrorKind::Invalid, message).with("object", &self.name)
    }
}

impl MemoryObject {
    /// An object without records.
    ///
    /// A generated identity adds the field `id` in front of the others, standard system fields come behind.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid), with every finding, if two fields have one name, or the identity or a
    /// unique set names a field that is not there.
    pub fn new(spec: &ObjectSpec) -> Result<Self> {
        let facts = Facts::new(spec)?;
        let table = Table::new(&facts.schema);
        let state = State {
            table,
            epochs: HashMap::new(),
            checkpoints: HashMap::new(),
            groups: HashMap::new(),
            changes: 0,
            preload_ids: 0,
        };
        Ok(MemoryObject {
            facts: Arc::new(facts),
            state: Arc::new(RwLock::new(state)),
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.facts.name
    }

    /// Its fields, generated identity and system fields included.
    pub fn schema(&self) -> &Schema {
        &self.facts.schema
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.read().table.len()
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All records with all fields, in the order they were made; batches of 8192 rows, save the last.
    ///
    /// # Errors
    /// [`Contract`](ErrorKind::Contract) if a batch would pass Arrow's limits.
    pub fn scan(&self) -> Result<Vec<RecordBatch>> {
        self.read().table.scan()
    }

    /// The same records batch by batch, each where they stand when it is asked for: what a large object is
    /// read by. [`Picked::gather`] makes them a batch.
    ///
    /// No lock is held in between, so a record that is changed meanwhile comes as it is when its batch does.
    pub fn picked(&self) -> impl Iterator<Item = Result<Picked>> + '_ {
        let mut from = 0;
        std::iter::from_fn(move || {
            let picked = self.read().table.picked_from(from).transpose()?;
            // An error ends the scan.
            from = picked.as_ref().map_or(usize::MAX, |(_, next)| *next);
            Some(picked.map(|(picked, _)| picked))
        })
    }

    /// Adds records that are there before any run: all of them or none.
    ///
    /// Any fields may be given, found by name; others are null. Ids that are not given are made up, always the
    /// same ones for the same rows after the same records, and none that a record has.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) with object, field and row number (from 0, in `records`) if a record
    /// lacks a required value or its identity, or is not unique; [`NotFound`](ErrorKind::NotFound) for an
    /// unknown field; [`Contract`](ErrorKind::Contract) for a column of another type.
    pub fn insert(&self, records: RecordBatch) -> Result<()> {
        let mut state = self.write();
        state.changes += 1;
        let State {
            table, preload_ids, ..
        } = &mut *state;
        let schema = records.schema();
        let names: Vec<&str> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        let plan = Plan::preload(&self.facts, table, &names)?;
        plan.check(&self.facts, &records)?;
        let before = table.slots.len();
        let ids = Ids::of_preload(&self.facts.name).from((*preload_ids).max(before as u64));
        let mut memory = Memory { ids, touched: None };
        let (rows, columns) = (records.num_rows(), records.columns().to_vec());
        let applied = apply(table, &plan, columns, rows, &mut memory, |row| row as u64)?;
        let Some((row, refusal)) = applied.refusals.into_iter().next() else {
            *preload_ids = memory.ids.position();
            return Ok(());
        };
        table.truncate(before);
        let mut error = Error::new(ErrorKind::Invalid, refusal.message)
            .with("object", &self.facts.name)
            .with("row", row)
            .with("reason", refusal.reason.code());
        if let Some(field) = refusal.field {
            error = error.with("field", field);
        }
        Err(error)
    }

    /// The same records, from which on both go their own ways.
    pub(super) fn fork(&self) -> Self {
        let state = self.read().clone();
        MemoryObject {
            facts: Arc::clone(&self.facts),
            state: Arc::new(RwLock::new(state)),
        }
    }

    pub(super) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// A panic while the lock was held is a defect that was reported when it happened.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without waiting: whoever prints may hold the lock.
        let records = self.state.try_read().map(|state| state.table.len());
        f.debug_struct("MemoryObject")
            .field("name", &self.facts.name)
            .field("records", &records.ok())
            .finish_non_exhaustive()
    }
}
