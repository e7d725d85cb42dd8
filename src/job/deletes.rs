//! Records that the source deletes: found by their identifiers, and marked or deleted by their identity.
//!
//! Deletes come apart from other rows, in the order of the source, so a record that is deleted and made again in one batch is
//! there in the end. A mirror deletes when all was read: what the object has and the run did not write.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_select::filter::filter;
use futures::TryStreamExt as _;

use crate::connection::Connection;
use crate::dataset::{DatasetInfo, ReadRequest};
use crate::destination::{DestinationInfo, Patch, Writer};
use crate::error::Problem;
use crate::host::{Bug, Context};
use crate::lookup::{Lookup, LookupKeys, LookupRequest, Match};
use crate::record::key::KeyColumns;
use crate::record::{Batch, FieldType, Reason, Refusal, Reject, Schema};
use crate::spec::{
    DestinationSpec, FieldMapping, MappingSpec, Rule, SourceDeletes, SyncMode, WriteMode,
};
use crate::{Error, ErrorKind, Result};

use super::pending::texts;
use super::plan::TargetPlan;
use super::report::DestinationReport;

/// What the mapping is with the field that marks deleted records: whoever comes is there.
pub(super) fn with_mark(spec: &DestinationSpec) -> MappingSpec {
    let mut mapping = spec.mapping.clone();
    if let SourceDeletes::Soft { field } = &spec.deletes {
        mapping.fields.push(FieldMapping::constant(field, false));
    }
    mapping
}

/// The part of a mapping that finds a record: what a delete of the source has to have.
pub(super) fn identifying(spec: &DestinationSpec) -> Option<MappingSpec> {
    if !matches!(
        spec.deletes,
        SourceDeletes::Soft { .. } | SourceDeletes::Delete
    ) {
        return None;
    }
    let mut mapping = spec.mapping.clone();
    mapping.filter = None;
    let identifiers = spec.mode.identifiers();
    (mapping.fields).retain(|field| {
        identifiers
            .iter()
            .flatten()
            .any(|name| *name == field.field)
    });
    Some(mapping)
}

/// What is wrong with the policy.
pub(super) fn problems(
    spec: &DestinationSpec,
    info: &DestinationInfo,
    schema: &Schema,
    dataset: &DatasetInfo,
    sync: &SyncMode,
    path: &str,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut refuse =
        |message: &str| problems.push(Problem::new(format!("{path}.deletes"), message));
    let can = info.capabilities;
    let finds = || {
        (spec.mode == WriteMode::Insert)
            .then_some("a delete is found by identifiers; use an update or upsert")
    };
    let one_identity = || {
        (info.identity.single_field().is_none())
            .then_some("records are deleted by the one field that identifies them, and the object has no such field")
    };
    let self_lookup = || {
        (!can.self_lookup).then_some(
            "this destination does not look up its own records, so none is found to delete",
        )
    };
    let tells = || {
        (!dataset.tells_deletes)
            .then_some("the dataset does not tell of deletes; use `mirror`, or `ignore`")
    };
    let deletes = || (!can.deletes).then_some("this destination cannot delete records");
    let found: Vec<&str> = match &spec.deletes {
        SourceDeletes::Ignore => Vec::new(),
        SourceDeletes::Soft { field } => {
            let mark = match schema.field(field) {
                Some(field) if field.field_type == FieldType::Boolean => None,
                Some(_) => Some("the field that marks a deleted record is a `boolean`"),
                None => Some("the object has no such field to mark deleted records by"),
            };
            let mapped = spec
                .mapping
                .fields
                .iter()
                .any(|other| other.field == *field);
            let mapped = mapped
                .then_some("the field that marks a deleted record is not mapped; the job fills it");
            [
                finds(),
                one_identity(),
                self_lookup(),
                tells(),
                mark,
                mapped,
            ]
            .into_iter()
            .flatten()
            .collect()
        }
        SourceDeletes::Delete => [finds(), one_identity(), self_lookup(), tells(), deletes()]
            .into_iter()
            .flatten()
            .collect(),
        SourceDeletes::Mirror { most_percent } => {
            // What it lacks is found in the object as it is, which has the group already when that comes again.
            let by_group = (can.dedups_groups && !can.keeps_checkpoint).then_some(
                "a commit group that comes again here would bring back what the mirror deleted; use a destination that keeps the checkpoint, or writes at once",
            );
            let share =
                (!(1..=100).contains(most_percent)).then_some("`most_percent` is from 1 to 100");
            let full = (*sync != SyncMode::Full).then_some(
                "a mirror needs all of the source, and an incremental sync reads a part of it",
            );
            [one_identity(), deletes(), by_group, share, full]
                .into_iter()
                .flatten()
                .collect()
        }
    };
    found.into_iter().for_each(&mut refuse);
    let by_self_lookup = |field: &&FieldMapping| matches!(field.rule, Rule::SelfLookup(_));
    let identified_late = identifying(spec)
        .is_some_and(|mapping| mapping.fields.iter().any(|field| by_self_lookup(&field)));
    if identified_late {
        problems.push(Problem::new(
            format!("{path}.deletes"),
            "an identifier is filled by a self lookup, so a delete cannot be found by it",
        ));
    }
    problems
}

/// The policy in words, if it does anything.
pub(super) fn words(policy: &SourceDeletes) -> Option<String> {
    match policy {
        SourceDeletes::Ignore => None,
        SourceDeletes::Soft { field } => Some(format!("set `{field}`")),
        SourceDeletes::Delete => Some("delete the record".to_owned()),
        SourceDeletes::Mirror { most_percent } => Some(format!(
            "delete what a full read does not have, at most {most_percent} % of the records"
        )),
    }
}

/// How a destination treats deletes of the source.
pub(super) struct Deletes {
    policy: SourceDeletes,
    object: String,
    connection: Arc<dyn Connection>,
    /// The field that identifies a record.
    identity: Option<String>,
    identifiers: Vec<Vec<String>>,
    /// One for each identifier, once they are needed.
    lookups: Vec<Arc<dyn Lookup>>,
    /// The hashes of the identities that a mirror keeps. Two that share one keep each other.
    written: HashSet<u64>,
    seed: u64,
    /// The most identities in a request.
    batch_rows: usize,
}

/// What became of deletes.
#[derive(Default)]
pub(super) struct Deleted {
    /// Records that are gone now, or marked.
    pub(super) count: u64,
    /// Deletes that hit no record.
    pub(super) skipped: u64,
    pub(super) rejects: Vec<Reject>,
    /// The identities of records that are gone.
    pub(super) gone: Vec<ArrayRef>,
}

impl Deletes {
    pub(super) fn new(target: &TargetPlan, context: &Context, batch_rows: usize) -> Self {
        let mut seed = [0; 8];
        if target.is_mirror() {
            context.entropy().fill(&mut seed);
        }
        let (spec, info) = (&target.spec, target.destination.info());
        Deletes {
            policy: spec.deletes.clone(),
            object: spec.object.clone(),
            connection: Arc::clone(&target.connection),
            identity: info.identity.single_field().map(str::to_owned),
            identifiers: spec.mode.identifiers().to_vec(),
            lookups: Vec::new(),
            written: HashSet::new(),
            seed: u64::from_le_bytes(seed),
            batch_rows: batch_rows.max(1),
        }
    }

    /// Whether the identities of what is written are wanted, of all rows of the run.
    pub(super) fn is_mirror(&self) -> bool {
        matches!(self.policy, SourceDeletes::Mirror { .. })
    }

    /// These are the identities of the records that a batch of so many rows wrote; null where none was.
    pub(super) fn keep(&mut self, ids: Option<&ArrayRef>, rows: usize) -> Result<()> {
        let ids = ids.filter(|ids| ids.len() == rows).ok_or_else(|| {
            Error::contract("a writer must answer with the identity of every row")
                .with("destination", &self.object)
        })?;
        self.written
            .extend(hashes(ids, self.seed)?.into_iter().flatten());
        Ok(())
    }

    /// Does what the policy says with deletes of the source. The columns of the batch are the identifying ones.
    pub(super) async fn apply(
        &mut self,
        context: &Context,
        writer: &mut dyn Writer,
        batch: &Batch,
    ) -> Result<Deleted> {
        let mut deleted = Deleted::default();
        let found = self.find(context, writer, batch).await?;
        for (row, place) in found.places.iter().enumerate() {
            match place {
                Place::Of(_) => {}
                Place::Nowhere => deleted.skipped += 1,
                Place::Refused(refusal) => {
                    let origins = &batch.origins;
                    let (position, raw) = (origins.position(row), origins.raw(row));
                    deleted
                        .rejects
                        .push(Reject::new(position, refusal.clone(), raw));
                }
            }
        }
        let mut met: HashSet<String> = HashSet::new();
        for (identifier, ids) in found.ids.iter().enumerate() {
            let here = found
                .places
                .iter()
                .map(|place| Some(*place == Place::Of(identifier)));
            let mut ids = filter(ids, &here.collect())?;
            if self.policy == SourceDeletes::Delete {
                // A record goes once.
                let first = texts(&ids)
                    .into_iter()
                    .map(|id| Some(id.is_some_and(|id| met.insert(id))));
                let first: BooleanArray = first.collect();
                deleted.skipped += (ids.len() - first.true_count()) as u64;
                ids = filter(&ids, &first)?;
            }
            if ids.is_empty() {
                continue;
            }
            let rows = ids.len() as u64;
            match &self.policy {
                SourceDeletes::Soft { field } => {
                    writer
                        .patch(context, mark(field, Arc::clone(&ids))?)
                        .await?;
                    deleted.count += rows;
                }
                _ => {
                    let count = writer.delete(context, Arc::clone(&ids)).await?.min(rows);
                    deleted.count += count;
                    deleted.skipped += rows - count;
                    deleted.gone.push(ids);
                }
            }
        }
        Ok(deleted)
    }

    /// Finds the record of each delete, as an update would.
    async fn find(
        &mut self,
        context: &Context,
        writer: &mut dyn Writer,
        batch: &Batch,
    ) -> Result<Found> {
        let Some(identity) = self.identity.clone() else {
            return Err(Error::contract(
                "deletes need an object with one identifying field",
            ));
        };
        for fields in self.identifiers.iter().skip(self.lookups.len()) {
            let request = LookupRequest::new(&self.object, fields.clone(), &identity);
            self.lookups.push(writer.lookup(context, request).await?);
        }
        let mut found = Found {
            places: vec![Place::Nowhere; batch.len()],
            ids: Vec::new(),
        };
        let mut empty = vec![true; batch.len()];
        for (number, (fields, lookup)) in self.identifiers.iter().zip(&self.lookups).enumerate() {
            let column = |name: &String| match batch.records.column_by_name(name) {
                Some(column) => Ok(Arc::clone(column)),
                None => Err(Error::contract("a mapped batch lacks an identifier")),
            };
            let keys = fields.iter().map(column).collect::<Result<_>>()?;
            let matches = lookup.resolve(context, LookupKeys::new(keys)).await?;
            if matches.found.len() != batch.len() || matches.values.len() != batch.len() {
                return Err(Error::contract("a lookup must answer for every key"));
            }
            for (row, found_here) in matches.found.iter().enumerate() {
                empty[row] &= *found_here == Match::Empty;
                // The first identifier that hits any record decides.
                let place = &mut found.places[row];
                if *place != Place::Nowhere {
                    continue;
                }
                match found_here {
                    Match::Empty | Match::None => {}
                    Match::One => *place = Place::Of(number),
                    Match::Many => {
                        *place = Place::Refused(Refusal::new(Reason::MultiMatch, SEVERAL))
                    }
                }
            }
            found.ids.push(matches.values);
        }
        for place in
            (found.places.iter_mut().zip(empty)).filter_map(|(place, empty)| empty.then_some(place))
        {
            *place = Place::Refused(Refusal::new(Reason::EmptyIdentifier, EMPTY));
        }
        Ok(found)
    }

    /// Everything was read and written: what the object has besides is deleted.
    ///
    /// Fails with `LimitExceeded`, before it deletes, if that is more than the policy allows.
    pub(super) async fn sweep(
        &self,
        context: &Context,
        writer: &mut dyn Writer,
        report: &mut DestinationReport,
    ) -> Result<()> {
        let (SourceDeletes::Mirror { most_percent }, Some(identity)) =
            (&self.policy, &self.identity)
        else {
            return Ok(());
        };
        let object = self.connection.dataset(context, &self.object).await?;
        let request = ReadRequest::new().with_fields(vec![identity.clone()]);
        let mut batches = object.read(context, request);
        let mut missing: Vec<ArrayRef> = Vec::new();
        while let Some(batch) = batches.try_next().await? {
            let ids = batch.records.column(0);
            let kept = hashes(ids, self.seed)?;
            let gone = kept
                .into_iter()
                .map(|hash| Some(hash.is_some_and(|hash| !self.written.contains(&hash))));
            missing.push(filter(ids, &gone.collect())?);
        }
        let gone: u64 = missing.iter().map(|ids| ids.len() as u64).sum();
        if report.rejected > 0 && !Bug::MirrorPassesRejects.is_on() {
            report.spared = gone;
            return Ok(());
        }
        let all = gone + self.written.len() as u64;
        if gone * 100 > all * u64::from(*most_percent) && !Bug::MirrorUnguarded.is_on() {
            let message = "the source lacks more of the object's records than a mirror may delete, so none is deleted; see whether the \
                           source is whole, and raise `most_percent` if it is";
            return Err(Error::new(ErrorKind::LimitExceeded, message)
                .during("mirror")
                .with("object", &self.object)
                .with("missing", gone)
                .with("records", all)
                .with("most_percent", most_percent));
        }
        for ids in missing {
            for from in (0..ids.len()).step_by(self.batch_rows) {
                let part = ids.slice(from, self.batch_rows.min(ids.len() - from));
                report.removed += writer.delete(context, part).await?;
            }
        }
        Ok(())
    }
}

const SEVERAL: &str = "several records have the identifier of this delete; identify by more fields";
const EMPTY: &str = "no identifier of this delete has all of its values; fill the fields of one";

/// Which identifier found the record of a delete.
#[derive(Debug, Clone, PartialEq)]
enum Place {
    Nowhere,
    Of(usize),
    Refused(Refusal),
}

/// The records of deletes.
struct Found {
    places: Vec<Place>,
    /// For each identifier the identities that it found.
    ids: Vec<ArrayRef>,
}

fn mark(field: &str, ids: ArrayRef) -> Result<Patch> {
    let column: ArrayRef = Arc::new(BooleanArray::from(vec![true; ids.len()]));
    let values = RecordBatch::try_from_iter_with_nullable([(field, column, true)])?;
    Ok(Patch::new(ids, values))
}

/// The hash of each identity; `None` for null.
fn hashes(ids: &ArrayRef, seed: u64) -> Result<Vec<Option<u64>>> {
    let keys = KeyColumns::new(std::slice::from_ref(ids))?;
    let mut hashes = Vec::new();
    keys.hash(seed, &mut hashes);
    let rows = hashes.into_iter().enumerate();
    Ok(rows
        .map(|(row, hash)| (!keys.is_null_any(row)).then_some(hash))
        .collect())
}
