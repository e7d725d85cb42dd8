//! The job that syncs a dataset to destinations.

use std::sync::Arc;

use arrow_array::{BooleanArray, RecordBatch};
use async_trait::async_trait;
use futures::StreamExt;

use crate::Result;
use crate::connection::Connection;
use crate::dataset::{Dataset, ReadRequest};
use crate::host::Context;
use crate::record::{Batch, Reject, RowOp};
use crate::spec::{BuiltOn, DestinationSpec, Expr, FormulaSpec, RejectLimit, SyncMode};

use super::{Guarantee, Job, JobInfo, RunReport, RunRequest, bind, guarded};

/// Reads a dataset, prepares it, maps it, and writes it to one or more destinations.
///
/// ```
/// # futures::executor::block_on(async {
/// use std::sync::Arc;
/// use syncline::host::Context;
/// use syncline::job::{Job, Outcome, RunRequest, SyncJob};
/// use syncline::memory::{MemoryConnection, MemoryDataset, MemoryRejects};
/// use syncline::record::{Field, FieldType, RecordBuilder, Schema};
/// use syncline::spec::{DestinationSpec, FieldMapping, Identity, MappingSpec, ObjectSpec, WriteMode};
///
/// let schema = Schema::new(vec![Field::new("name", FieldType::Text)]);
/// let mut rows = RecordBuilder::new(&schema);
/// rows.push(&serde_json::json!({"name": "Blue Heron"})).unwrap();
/// let dataset = MemoryDataset::new("names", schema, vec![rows.finish()?])?;
///
/// let company = ObjectSpec::new("company", Identity::Generated, vec![Field::new("name", FieldType::Text)]);
/// let home = MemoryConnection::new("home").with_object(&company)?;
/// let mapping = MappingSpec::new(vec![FieldMapping::direct("name", "name")]);
/// let job = SyncJob::new("companies", Arc::new(dataset))
///     .to(Arc::new(home.clone()), DestinationSpec::new("company", WriteMode::upsert(["name"]), mapping));
///
/// let report = job.run(&Context::new(), RunRequest::new(Arc::new(MemoryRejects::new()))).await?;
/// assert_eq!(report.outcome, Outcome::Success);
/// assert_eq!(report.destinations[0].inserted, 1);
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct SyncJob {
    pub(super) info: JobInfo,
    pub(super) dataset: Arc<dyn Dataset>,
    pub(super) filter: Option<Expr>,
    pub(super) formulas: Vec<FormulaSpec>,
    pub(super) targets: Vec<Target>,
    pub(super) required: Guarantee,
    pub(super) sync: SyncMode,
    pub(super) reject_limit: RejectLimit,
    pub(super) built_on: Option<BuiltOn>,
}

/// A destination as the job was given it.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) connection: Arc<dyn Connection>,
    pub(super) spec: DestinationSpec,
}

impl SyncJob {
    /// A job that reads this dataset and does not write it yet.
    pub fn new(name: impl Into<String>, dataset: Arc<dyn Dataset>) -> Self {
        SyncJob {
            info: JobInfo::new(name),
            dataset,
            filter: None,
            formulas: Vec::new(),
            targets: Vec::new(),
            required: Guarantee::BestEffort,
            sync: SyncMode::Full,
            reject_limit: RejectLimit::none(),
            built_on: None,
        }
    }

    /// Files its state under this id and not under its name, so that it can be renamed.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.info = self.info.with_id(id);
        self
    }

    /// Refuses to run if a destination promises less than this, or the run saves no state.
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// use std::sync::Arc;
    /// use syncline::host::Context;
    /// use syncline::job::{Guarantee, SyncJob};
    /// use syncline::memory::{Commits, MemoryConnection, MemoryDataset};
    /// use syncline::record::{Field, FieldType, Schema};
    /// use syncline::spec::{DestinationSpec, FieldMapping, Identity, MappingSpec, ObjectSpec, WriteMode};
    ///
    /// let name = || vec![Field::new("name", FieldType::Text)];
    /// let home = MemoryConnection::new("home").with_object(&ObjectSpec::new("company", Identity::Generated, name()))?;
    /// let job = |home: MemoryConnection| {
    ///     let dataset = MemoryDataset::new("names", Schema::new(name()), vec![])?;
    ///     let mapping = MappingSpec::new(vec![FieldMapping::direct("name", "name")]);
    ///     let job = SyncJob::new("companies", Arc::new(dataset)).requiring(Guarantee::ExactlyOnce);
    ///     Ok::<_, syncline::Error>(job.to(Arc::new(home), DestinationSpec::new("company", WriteMode::Insert, mapping)))
    /// };
    ///
    /// let error = job(home.clone())?.plan(&Context::new()).await.unwrap_err();
    /// assert_eq!(error.problems()[0].path, "destinations[0]");
    /// let plan = job(home.with_commits(Commits::WithCheckpoint))?.plan(&Context::new()).await?;
    /// assert_eq!(plan.guarantee(), Guarantee::ExactlyOnce);
    /// # Ok::<(), syncline::Error>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn requiring(mut self, guarantee: Guarantee) -> Self {
        self.required = guarantee;
        self
    }

    /// What tells this job from one that does something else with the same records: eight hexadecimal digits, from filter, formulas,
    /// destinations and mappings as they are written. Rejects keep it.
    pub fn version(&self) -> String {
        let destinations: Vec<&DestinationSpec> = self.targets.iter().map(|t| &t.spec).collect();
        let parts = (&self.filter, &self.formulas, destinations);
        // A spec always has a JSON.
        let text = serde_json::to_vec(&parts).unwrap_or_default();
        format!("{:08x}", crc32fast::hash(&text))
    }

    /// Stops a run early that refuses more than this.
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// use std::sync::Arc;
    /// use syncline::ErrorKind;
    /// use syncline::host::Context;
    /// use syncline::job::{Job, Outcome, RunRequest, SyncJob};
    /// use syncline::memory::{MemoryConnection, MemoryDataset, MemoryRejects};
    /// use syncline::record::{Field, FieldType, RecordBuilder, Schema};
    /// use syncline::spec::{DestinationSpec, FieldMapping, Identity, MappingSpec, ObjectSpec, RejectLimit, WriteMode};
    ///
    /// let field = |field_type| vec![Field::new("seats", field_type)];
    /// let mut rows = RecordBuilder::new(&Schema::new(field(FieldType::Text)));
    /// for seats in ["12", "few", "many"] {
    ///     rows.push(&serde_json::json!({"seats": seats})).unwrap();
    /// }
    /// let dataset = MemoryDataset::new("usage", Schema::new(field(FieldType::Text)), vec![rows.finish()?])?;
    /// let home = MemoryConnection::new("home").with_object(&ObjectSpec::new("usage", Identity::Generated, field(FieldType::Integer)))?;
    /// let mapping = MappingSpec::new(vec![FieldMapping::direct("seats", "seats")]);
    /// let job = SyncJob::new("usage", Arc::new(dataset))
    ///     .rejecting_at_most(RejectLimit::none().with_records(1))
    ///     .to(Arc::new(home), DestinationSpec::new("usage", WriteMode::Insert, mapping));
    /// let report = job.run(&Context::new(), RunRequest::new(Arc::new(MemoryRejects::new()))).await?;
    /// assert_eq!(report.outcome, Outcome::Failed);
    /// assert_eq!(report.failure.unwrap().kind(), ErrorKind::LimitExceeded);
    /// # Ok::<(), syncline::Error>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn rejecting_at_most(mut self, limit: RejectLimit) -> Self {
        self.reject_limit = limit;
        self
    }

    /// Compares the source in each run with what it was when the job was built, and does what the mode says if it has changed. A dataset
    /// tells the fields that the source had when it was opened, so open it for each run: one that is kept cannot show what has changed
    /// since then.
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// use std::sync::Arc;
    /// use syncline::ErrorKind;
    /// use syncline::host::Context;
    /// use syncline::job::SyncJob;
    /// use syncline::memory::{MemoryConnection, MemoryDataset};
    /// use syncline::record::{Field, FieldType, Schema};
    /// use syncline::spec::{BuiltOn, DestinationSpec, DriftMode, FieldMapping, Identity, MappingSpec, ObjectSpec, WriteMode};
    ///
    /// let name = || Field::new("name", FieldType::Text);
    /// let now = Schema::new(vec![name(), Field::new("seats", FieldType::Integer)]);
    /// let home = MemoryConnection::new("home").with_object(&ObjectSpec::new("company", Identity::Generated, vec![name()]))?;
    /// let job = SyncJob::new("companies", Arc::new(MemoryDataset::new("names", now, vec![])?))
    ///     .built_on(BuiltOn::new(vec![name()]))
    ///     .to(Arc::new(home), DestinationSpec::new("company", WriteMode::Insert, MappingSpec::new(vec![FieldMapping::direct("name", "name")])));
    /// let error = job.plan(&Context::new()).await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Drifted);
    /// assert_eq!(error.problems()[0].to_string(), "dataset.seats: `seats`, integer, is new");
    ///
    /// let evolving = job.clone().built_on(BuiltOn::new(vec![name()]).with_mode(DriftMode::Evolve));
    /// assert_eq!(evolving.plan(&Context::new()).await?.drift().unwrap().changes.len(), 1);
    /// // What to save as the fields that the job is built on.
    /// assert_eq!(job.source_fields().len(), 2);
    /// # Ok::<(), syncline::Error>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn built_on(mut self, built_on: BuiltOn) -> Self {
        self.built_on = Some(built_on);
        self
    }

    /// Reads so much of the dataset in each run.
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// use std::sync::Arc;
    /// use syncline::Tenant;
    /// use syncline::host::Context;
    /// use syncline::job::{Job, RunRequest, SyncJob};
    /// use syncline::memory::{MemoryConnection, MemoryDataset, MemoryRejects, MemoryState};
    /// use syncline::record::{CursorValue, Field, FieldType, RecordBuilder, Schema};
    /// use syncline::spec::{DestinationSpec, FieldMapping, Identity, Incremental, MappingSpec, ObjectSpec, SyncMode, WriteMode};
    ///
    /// let fields = || vec![Field::new("name", FieldType::Text), Field::new("version", FieldType::Integer)];
    /// let home = MemoryConnection::new("home").with_object(&ObjectSpec::new("company", Identity::Generated, fields()))?;
    /// let job = |rows: &[(&str, i64)]| {
    ///     let mut records = RecordBuilder::new(&Schema::new(fields()));
    ///     for (name, version) in rows {
    ///         records.push(&serde_json::json!({"name": name, "version": version})).unwrap();
    ///     }
    ///     let dataset = MemoryDataset::new("names", Schema::new(fields()), vec![records.finish()?])?;
    ///     let mapping = ["name", "version"].map(|name| FieldMapping::direct(name, name));
    ///     let company = DestinationSpec::new("company", WriteMode::upsert(["name"]), MappingSpec::new(mapping.to_vec()));
    ///     let new = SyncMode::Incremental(Incremental::new("version").with_key(["name"]));
    ///     Ok::<_, syncline::Error>(SyncJob::new("companies", Arc::new(dataset)).reading(new).to(Arc::new(home.clone()), company))
    /// };
    /// let (tenant, state) = (Tenant::new("acme")?, Arc::new(MemoryState::new()));
    /// let request = || RunRequest::new(Arc::new(MemoryRejects::new())).with_state(tenant.clone(), state.clone());
    ///
    /// job(&[("Blue Heron", 1), ("Egret", 2)])?.run(&Context::new(), request()).await?;
    /// let report = job(&[("Blue Heron", 3), ("Egret", 2), ("Crane", 2)])?.run(&Context::new(), request()).await?;
    /// let window = report.window.unwrap();
    /// assert_eq!((window.from, window.watermark), (Some(CursorValue::Integer(2)), Some(CursorValue::Integer(3))));
    /// let (known, company) = (window.known, &report.destinations[0]);
    /// assert_eq!((company.inserted, company.updated, known), (1, 1, 1));
    /// # Ok::<(), syncline::Error>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn reading(mut self, sync: SyncMode) -> Self {
        self.sync = sync;
        self
    }

    /// Keeps only the rows for which this is true.
    #[must_use]
    pub fn filtered(mut self, filter: Expr) -> Self {
        self.filter = Some(filter);
        self
    }

    /// Adds a computed field.
    #[must_use]
    pub fn with_formula(mut self, formula: FormulaSpec) -> Self {
        self.formulas.push(formula);
        self
    }

    /// Adds a destination, behind those that are there.
    #[must_use]
    pub fn to(mut self, connection: Arc<dyn Connection>, spec: DestinationSpec) -> Self {
        self.targets.push(Target { connection, spec });
        self
    }

    /// Maps the first `records` records and writes nothing; deletes of the source are left out. Fields with a self lookup stay null, and
    /// lookups do not see what an earlier destination of the job would write.
    ///
    /// # Errors
    /// Those of [`plan`](Self::plan), of the dataset and of the lookups.
    pub async fn preview(&self, context: &Context, records: usize) -> Result<Preview> {
        if self.built_on.is_some() {
            let settled = self.settle()?;
            return Box::pin(settled.job.preview(context, records)).await;
        }
        let plan = self.plan(context).await?;
        let mappers = bind::bind(context, &plan, &mut []).await?;
        let request = ReadRequest::new()
            .with_fields(plan.fields.clone())
            .with_raw(plan.raw.clone());
        let mut batches = self.dataset.read(context, request.with_batch_rows(records));
        let mut preview = Preview {
            records: 0,
            filtered: 0,
            filtered_by_mapping: vec![0; mappers.len()],
            rejects: Vec::new(),
            mapped: vec![Vec::new(); mappers.len()],
        };
        while preview.records < records as u64 {
            let Some(batch) = batches.next().await else {
                break;
            };
            let batch = first(batch?, records as u64 - preview.records)?;
            preview.records += (batch.len() + batch.rejects.len()) as u64;
            let mut prepared = plan.preparation.apply(without_deletes(batch)?)?;
            preview.filtered += prepared.filtered;
            preview.rejects.append(&mut prepared.batch.rejects);
            for (i, mapper) in mappers.iter().enumerate() {
                let mapped = mapper.write.map(context, &prepared.batch).await?;
                preview.filtered_by_mapping[i] += mapped.filtered;
                let mut rows = mapped.batch;
                preview.rejects.append(&mut rows.rejects);
                preview.mapped[i].push(rows.records);
            }
        }
        Ok(preview)
    }
}

fn without_deletes(batch: Batch) -> Result<Batch> {
    let Some(ops) = &batch.ops else {
        return Ok(batch);
    };
    let stays: BooleanArray = ops.iter().map(|op| Some(*op != RowOp::Delete)).collect();
    batch.filter(&stays)
}

/// The batch's first `most` records, rejected ones counted.
fn first(mut batch: Batch, most: u64) -> Result<Batch> {
    let mut numbers: Vec<u64> = (0..batch.len())
        .map(|row| batch.origins.sequence(row))
        .collect();
    numbers.extend(batch.rejects.iter().map(|reject| reject.position.record));
    numbers.sort_unstable();
    let Some(&end) = usize::try_from(most)
        .ok()
        .and_then(|most| numbers.get(most))
    else {
        return Ok(batch);
    };
    batch.rejects.retain(|reject| reject.position.record < end);
    let rows: Vec<u32> = (0..batch.len())
        .filter(|&row| batch.origins.sequence(row) < end)
        .map(|row| row as u32)
        .collect();
    batch.take(&rows)
}

/// What a job would write.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Preview {
    /// Records read.
    pub records: u64,
    /// Records that the dataset's filter left out.
    pub filtered: u64,
    /// For each destination, the records that its mapping's filter left out of the rest.
    pub filtered_by_mapping: Vec<u64>,
    /// Records refused, by the dataset or by a mapping.
    pub rejects: Vec<Reject>,
    /// For each destination, the mapped rows.
    pub mapped: Vec<Vec<RecordBatch>>,
}

#[async_trait]
impl Job for SyncJob {
    fn info(&self) -> &JobInfo {
        &self.info
    }

    async fn run(&self, context: &Context, request: RunRequest) -> Result<RunReport> {
        guarded::run(self, context, request).await
    }
}
