//! A job checked against everything it touches: what it will do, before it does it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::connection::Connection;
use crate::destination::{Destination, OpenRequest, WriteField};
use crate::error::Problem;
use crate::host::Context;
use crate::lookup::LookupRequest;
use crate::mapping::{CompileRequest, MappingPlan, Preparation, SelfLookupPlan};
use crate::record::Schema;
use crate::spec::{
    DestinationSpec, DuplicateKeys, MappingSpec, Rule, SourceDeletes, SyncMode, WriteMode,
};
use crate::{Error, ErrorKind, Result};

use super::incremental::IncrementalPlan;
use super::sync::{SyncJob, Target};
use super::{DriftReport, Guarantee, RunRequest, deletes};

/// A job checked against its dataset and its destinations. `Display` shows every field's source,
/// conversion and policies.
#[derive(Debug)]
pub struct JobPlan {
    pub(super) job: String,
    pub(super) preparation: Arc<Preparation>,
    /// The dataset fields that are read, in the dataset's order.
    pub(super) fields: Vec<String>,
    /// Those of them that are read as unparsed text.
    pub(super) raw: Vec<String>,
    pub(super) targets: Vec<TargetPlan>,
    /// How an incremental job reads.
    pub(super) incremental: Option<Arc<IncrementalPlan>>,
    /// Whether the dataset itself leaves out what is not new.
    pub(super) bounded: bool,
    pub(super) drift: Option<DriftReport>,
}

/// One destination of the plan.
#[derive(Debug)]
pub(super) struct TargetPlan {
    pub(super) spec: DestinationSpec,
    pub(super) connection: Arc<dyn Connection>,
    pub(super) destination: Arc<dyn Destination>,
    pub(super) mapping: Arc<MappingPlan>,
    /// What a delete of the source is found by, if it is looked for.
    pub(super) finding: Option<Arc<MappingPlan>>,
    /// For each lookup of the mapping, the earlier destination whose object it sees, if one writes it.
    pub(super) written_by: Vec<Option<usize>>,
    /// Whether its rows are held back until the source has been read.
    pub(super) holds: bool,
    pub(super) guarantee: Guarantee,
}

impl TargetPlan {
    /// Whether it deletes what a full read no longer has.
    pub(super) fn is_mirror(&self) -> bool {
        matches!(self.spec.deletes, SourceDeletes::Mirror { .. })
    }

    /// `group` is the number of the first commit group to come.
    pub(super) fn open_request(&self, job: &str, request: &RunRequest, group: u64) -> OpenRequest {
        let fields = self
            .mapping
            .written()
            .map(|(name, on)| WriteField::new(name).on(on))
            .collect();
        OpenRequest::new(job, fields, self.spec.mode.clone())
            .with_policies(self.spec.no_match, self.spec.duplicates)
            .with_epoch(request.partition(), request.epoch)
            .with_group(group)
            .with_dry_run(request.dry_run)
            .with_ids(self.mapping.self_lookups().next().is_some() || self.is_mirror())
    }
}

impl JobPlan {
    /// The mapping of each destination, in order.
    pub fn mappings(&self) -> impl Iterator<Item = &MappingPlan> {
        self.targets.iter().map(|target| &*target.mapping)
    }

    /// How the source differs from what the job was [built on](SyncJob::built_on); `None` if it does not, or nobody said.
    pub fn drift(&self) -> Option<&DriftReport> {
        self.drift.as_ref()
    }

    /// What the job promises if it saves its state: the least of what its destinations do.
    pub fn guarantee(&self) -> Guarantee {
        let guarantees = self.targets.iter().map(|target| target.guarantee);
        guarantees.min().unwrap_or(Guarantee::BestEffort)
    }

    /// Whether a destination looks up what an earlier one writes. Then every row goes through all
    /// destinations before the next one does, or what is found would depend on the batch size.
    pub(super) fn row_by_row(&self) -> bool {
        self.targets
            .iter()
            .any(|target| target.written_by.iter().any(Option::is_some))
    }
}

impl SyncJob {
    /// Checks the job against its dataset, its destinations and the objects that it looks up.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) with every mistake and its path; [`Drifted`](crate::ErrorKind::Drifted) if the source
    /// is not as the job was [built on](SyncJob::built_on) and it cannot run so; errors of the connections.
    pub async fn plan(&self, context: &Context) -> Result<JobPlan> {
        if self.built_on.is_some() {
            let settled = self.settle()?;
            let planned = Box::pin(settled.job.plan(context)).await;
            let mut plan = planned.map_err(|error| settled.blame(error))?;
            plan.drift = settled.report();
            return Ok(plan);
        }
        let mut problems = Vec::new();
        let source = self.dataset.schema();
        let (preparation, found) =
            Preparation::compile(source, &[], self.filter.as_ref(), &self.formulas, "dataset");
        problems.extend(found);
        if self.targets.is_empty() {
            problems.push(Problem::new(
                "destinations",
                "a job has at least one destination",
            ));
        }
        let incremental = match &self.sync {
            SyncMode::Full => None,
            SyncMode::Incremental(spec) => {
                let compiled = IncrementalPlan::compile(spec, source, "dataset.sync");
                compiled.map_err(|found| problems.extend(found)).ok()
            }
        };
        let raw = self.raw_fields(&preparation);
        let mut targets: Vec<TargetPlan> = Vec::new();
        for (i, target) in self.targets.iter().enumerate() {
            let path = format!("destinations[{i}]");
            let (connection, spec) = (&target.connection, &target.spec);
            let same = |other: &Target| {
                other.spec.object == spec.object
                    && other.connection.info().name == connection.info().name
            };
            if self.targets[..i].iter().any(same) {
                let message = format!(
                    "an earlier destination writes `{}` already; use a job of its own",
                    spec.object
                );
                problems.push(Problem::new(format!("{path}.object"), message));
                continue;
            }
            let catalog = connection.discover(context).await?;
            let destination = match connection.destination(context, &spec.object).await {
                Ok(destination) => destination,
                Err(error) if is_of_spec(error.kind()) => {
                    problems.push(Problem::new(format!("{path}.object"), error.to_string()));
                    continue;
                }
                Err(error) => return Err(error.with("object", &spec.object)),
            };
            let objects: Vec<(String, Schema)> = catalog
                .objects
                .into_iter()
                .filter(|object| object.can_be_looked_up)
                .map(|object| (object.name, object.schema))
                .collect();
            let info = destination.info();
            let compile = CompileRequest::new(
                preparation.schema(),
                &spec.object,
                destination.schema(),
                &info.identity,
                &spec.mode,
            )
            .with_raw(&raw)
            .with_notations(&self.dataset.info().notations)
            .with_broken(preparation.broken())
            .with_system_fields(info.system_fields)
            .with_objects(&objects);
            let (dataset, schema) = (self.dataset.info(), destination.schema());
            let at_fault = deletes::problems(spec, info, schema, dataset, &self.sync, &path);
            let (marked, finding) = match at_fault.is_empty() {
                true => (deletes::with_mark(spec), deletes::identifying(spec)),
                false => (spec.mapping.clone(), None),
            };
            problems.extend(at_fault);
            let mapping_path = format!("{path}.mapping");
            // What is wrong with it is wrong with the whole mapping too.
            let finding = finding
                .and_then(|finding| MappingPlan::compile(&finding, &compile, &mapping_path).ok());
            match MappingPlan::compile(&marked, &compile, &mapping_path) {
                Ok(mapping) => {
                    let holds = mapping.self_lookups().any(SelfLookupPlan::may_reject);
                    let plan = TargetPlan {
                        finding: finding.map(Arc::new),
                        spec: spec.clone(),
                        connection: Arc::clone(connection),
                        written_by: Vec::new(),
                        guarantee: Guarantee::of(
                            self.dataset.info(),
                            info.capabilities,
                            spec.mode.writes_again_alike(
                                spec.mapping.fields.iter().map(|field| field.on),
                            ),
                            &self.sync,
                        ),
                        holds,
                        mapping: Arc::new(mapping),
                        destination,
                    };
                    problems.extend(capabilities(&plan, &path));
                    if plan.guarantee < self.required {
                        let message = format!(
                            "this destination promises {}, and the job requires {}; write it by identifiers, or use one that \
                             knows commit groups again or keeps the checkpoint",
                            plan.guarantee, self.required
                        );
                        problems.push(Problem::new(&path, message));
                    }
                    targets.push(plan);
                }
                Err(found) => problems.extend(found),
            }
        }
        if targets.len() == self.targets.len() {
            problems.extend(dependencies(&mut targets));
        }
        if !problems.is_empty() {
            return Err(Error::invalid("the job cannot run as it is", problems)
                .with("job", &self.info.name));
        }
        let used: BTreeSet<&str> = preparation
            .fields()
            .chain(self.mapped_fields().map(|(name, _)| name))
            .chain((targets.iter()).flat_map(|target| target.mapping.prepared_from()))
            .chain(self.sync.fields())
            .collect();
        let mut fields: Vec<String> = (source.fields().iter())
            .filter(|field| used.contains(field.name.as_str()))
            .map(|field| field.name.clone())
            .collect();
        let mut raw = raw;
        if let (true, Some(first)) = (fields.is_empty(), source.fields().first()) {
            // A job of constants still wants a row for each record, and no value of it.
            fields.push(first.name.clone());
            raw.extend(self.dataset.info().raw_text.then(|| first.name.clone()));
        }
        let job = self.info.key().to_owned();
        Ok(JobPlan {
            job,
            preparation: Arc::new(preparation),
            fields,
            raw,
            targets,
            incremental: incremental.map(Arc::new),
            bounded: self.dataset.info().bounded,
            drift: None,
        })
    }

    /// Every use of a dataset field in a mapping, and whether a bad value there has a default.
    pub(super) fn mapped_fields(&self) -> impl Iterator<Item = (&str, bool)> {
        self.targets
            .iter()
            .flat_map(|target| uses(&target.spec.mapping))
    }

    /// The fields that are read as text: every use of them is a mapping with a default for bad values.
    fn raw_fields(&self, preparation: &Preparation) -> Vec<String> {
        if !self.dataset.info().raw_text {
            return Vec::new();
        }
        // What is wrong with them is told where the mappings are compiled.
        let own: Vec<Preparation> = (self.targets.iter())
            .map(|target| &target.spec.mapping)
            .map(|spec| {
                let filter = spec.filter.as_ref();
                Preparation::compile(preparation.schema(), &[], filter, &spec.formulas, "").0
            })
            .collect();
        let needs_value: BTreeSet<&str> = preparation
            .fields()
            .chain(own.iter().flat_map(Preparation::fields))
            .chain(self.sync.fields())
            .chain(
                self.mapped_fields()
                    .filter(|(_, has_default)| !has_default)
                    .map(|(name, _)| name),
            )
            .collect();
        let tolerant: BTreeSet<&str> = self.mapped_fields().map(|(name, _)| name).collect();
        (self.dataset.schema().fields().iter())
            .filter(|field| {
                tolerant.contains(field.name.as_str()) && !needs_value.contains(field.name.as_str())
            })
            .map(|field| field.name.clone())
            .collect()
    }
}

fn uses(mapping: &MappingSpec) -> impl Iterator<Item = (&str, bool)> {
    mapping
        .fields
        .iter()
        .flat_map(|field| -> Vec<(&str, bool)> {
            match &field.rule {
                Rule::From(from) => {
                    let has_default = field
                        .default
                        .as_ref()
                        .is_some_and(|default| default.when_invalid);
                    vec![(from, has_default)]
                }
                Rule::Constant(_) => Vec::new(),
                Rule::Lookup(lookup) => lookup
                    .keys
                    .iter()
                    .map(|pair| (pair.source.as_str(), false))
                    .collect(),
                Rule::SelfLookup(lookup) => lookup
                    .keys
                    .iter()
                    .map(|pair| (pair.source.as_str(), false))
                    .collect(),
            }
        })
}

/// Whether an error says that the spec asks for what cannot be, and not that something is down.
fn is_of_spec(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Invalid | ErrorKind::NotFound | ErrorKind::Unsupported
    )
}

/// What the job asks of a destination that cannot do it.
fn capabilities(plan: &TargetPlan, path: &str) -> Vec<Problem> {
    let can = plan.destination.info().capabilities;
    let keyed = plan.spec.mode != WriteMode::Insert;
    let mut problems = Vec::new();
    let mut refuse =
        |below: &str, message: &str| problems.push(Problem::new(format!("{path}{below}"), message));
    if keyed && !can.keyed {
        refuse(".mode", "this destination only inserts");
    }
    if keyed && plan.spec.duplicates == DuplicateKeys::Reject && !can.tells_same_run {
        refuse(
            ".duplicates",
            "this destination does not tell rows of the same run apart; use `last_wins`",
        );
    }
    if plan.mapping.self_lookups().next().is_some()
        && !(can.self_lookup && (can.tells_same_run || !keyed))
    {
        let message = "a self lookup needs a destination that looks up its own records and tells rows of the same \
                       run apart";
        refuse(".mapping", message);
    }
    for lookup in plan.mapping.self_lookups() {
        let info = plan.destination.info();
        if info
            .unique
            .iter()
            .flatten()
            .any(|name| *name == lookup.field.name)
        {
            let message = format!(
                "`{}` is part of a unique set, and a self lookup fills it only at the end of a run",
                lookup.field.name
            );
            refuse(".mapping", &message);
        }
    }
    if plan.holds && plan.finding.is_some() {
        let message = "rows are held back for a self lookup that may reject, and deletes would overtake them; use policies \
                       that write null";
        refuse(".deletes", message);
    }
    if plan.holds && !(can.dry_run && can.tells_same_run) {
        let message = "a self lookup that may reject needs a destination with dry runs that tells rows of the same \
                       run apart; use policies that write null";
        refuse(".mapping", message);
    }
    problems
}

/// Finds which destination writes what another one looks up.
fn dependencies(targets: &mut [TargetPlan]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for i in 0..targets.len() {
        let writes = |j: usize, lookup: &LookupRequest| {
            targets[j].spec.object == lookup.object
                && targets[j].connection.info().name == targets[i].connection.info().name
        };
        let mut written_by = Vec::new();
        for lookup in targets[i].mapping.lookups() {
            let path = format!("destinations[{i}].mapping");
            if (i + 1..targets.len()).any(|j| writes(j, lookup)) {
                let message = format!(
                    "looks up `{}`, which a later destination writes; put that one first",
                    lookup.object
                );
                problems.push(Problem::new(&path, message));
            }
            let earlier = (0..i).rev().find(|&j| writes(j, lookup));
            let filled_late = |name: &String| {
                earlier.is_some_and(|j| {
                    targets[j]
                        .mapping
                        .self_lookups()
                        .any(|late| late.field.name == *name)
                })
            };
            let asked = lookup
                .keys
                .iter()
                .chain([&lookup.fetch])
                .chain(&lookup.order_by);
            if let Some(name) = asked.into_iter().find(|name| filled_late(name)) {
                let message = format!(
                    "looks up `{}.{name}`, which a self lookup fills at the run's end; use a job of its own",
                    lookup.object
                );
                problems.push(Problem::new(&path, message));
            }
            if earlier.is_some_and(|j| targets[j].holds) {
                let message = format!(
                    "looks up `{}`, whose rows are held back until the run's end; use a job of its own",
                    lookup.object
                );
                problems.push(Problem::new(&path, message));
            }
            written_by.push(earlier);
        }
        targets[i].written_by = written_by;
    }
    problems
}

impl fmt::Display for JobPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: reads {}", self.job, self.fields.join(", "))?;
        if let Some(incremental) = &self.incremental {
            let who = match self.bounded {
                true => "asks the source for",
                false => "reads the whole source and keeps",
            };
            writeln!(f, "  {who} {incremental}")?;
        }
        for change in self.drift.iter().flat_map(|drift| &drift.changes) {
            writeln!(f, "  the source has changed: {change}")?;
        }
        for target in &self.targets {
            let identifiers: Vec<String> = target
                .spec
                .mode
                .identifiers()
                .iter()
                .map(|fields| format!("({})", fields.join(", ")))
                .collect();
            let mode = match target.spec.mode {
                WriteMode::Insert => "insert".to_owned(),
                WriteMode::Update { .. } => format!("update by {}", identifiers.join(" or ")),
                WriteMode::Upsert { .. } => format!("upsert by {}", identifiers.join(" or ")),
            };
            writeln!(f, "{}: {mode}", target.spec.object)?;
            write!(f, "{}", target.mapping.explain())?;
            if let Some(what) = deletes::words(&target.spec.deletes) {
                writeln!(f, "  deletes of the source: {what}")?;
            }
            writeln!(f, "  promises: {}", target.guarantee)?;
        }
        if self.row_by_row() {
            writeln!(
                f,
                "row by row: a destination looks up what an earlier one writes"
            )?;
        }
        Ok(())
    }
}
