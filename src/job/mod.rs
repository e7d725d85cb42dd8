//! Jobs: the run loop, reports that add up, and the job that syncs a dataset to destinations.

mod admit;
mod ahead;
mod apart;
mod bind;
mod checkpoint;
mod condition;
mod conform;
mod cycles;
mod deletes;
mod drift;
mod flight;
mod gate;
mod group;
mod guarantee;
mod guarded;
mod held;
mod incremental;
mod intake;
mod lease;
mod leased;
mod pending;
mod plan;
mod ready;
mod recent;
mod redrive;
mod refuse;
mod report;
mod run;
mod settle;
mod stage;
mod states;
mod sync;
mod trigger;
mod waiting;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::host::{Bug, Context, RejectLedger, StateStore};
use crate::policy::{RetryPolicy, Timeouts};
use crate::record::CursorValue;
use crate::{Result, Tenant};

pub(crate) use condition::{Deed, Way};
pub use drift::{Change, DriftReport};
pub use gate::Gate;
pub use guarantee::Guarantee;
pub use lease::{Lease, LeaseRequest, LeaseTerms};
pub use plan::JobPlan;
pub use redrive::{Redrive, RedriveReport};
pub use report::{DestinationReport, LookupCounts, Outcome, RunReport, Timings, WindowReport};
pub use sync::{Preview, SyncJob};
pub use trigger::Trigger;

/// Facts about a job.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JobInfo {
    /// Its name.
    pub name: String,
    /// What its state is filed under, if not its name: one that is renamed keeps it.
    pub id: Option<String>,
}

impl JobInfo {
    /// A job of this name.
    pub fn new(name: impl Into<String>) -> Self {
        JobInfo {
            name: name.into(),
            id: None,
        }
    }

    /// The same, with its state under this id.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// What its state is filed under.
    pub fn key(&self) -> &str {
        self.id.as_deref().unwrap_or(&self.name)
    }
}

/// When a commit group is closed: at whichever bound is reached first.
///
/// ```
/// use std::time::Duration;
/// use syncline::job::CommitPolicy;
///
/// let policy = CommitPolicy::default().with_records(10_000).with_interval(Duration::from_secs(1));
/// assert_eq!((policy.records, policy.bytes), (10_000, 64 << 20));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommitPolicy {
    /// Records read.
    pub records: u64,
    /// Source bytes read.
    pub bytes: u64,
    /// Time since the last commit.
    pub interval: Duration,
}

impl Default for CommitPolicy {
    /// A million records, 64 MiB, or 5 seconds.
    fn default() -> Self {
        CommitPolicy {
            records: 1_000_000,
            bytes: 64 << 20,
            interval: Duration::from_secs(5),
        }
    }
}

impl CommitPolicy {
    /// The same, with at most so many records in a group.
    #[must_use]
    pub fn with_records(mut self, records: u64) -> Self {
        self.records = records.max(1);
        self
    }

    /// The same, with about so many source bytes in a group.
    #[must_use]
    pub fn with_bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes.max(1);
        self
    }

    /// The same, closing a group after this time.
    #[must_use]
    pub fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }
}

/// How to run.
///
/// ```
/// use std::sync::Arc;
/// use syncline::job::RunRequest;
/// use syncline::memory::MemoryRejects;
///
/// let request = RunRequest::new(Arc::new(MemoryRejects::new())).with_dry_run(true).with_batch_rows(1000);
/// assert!(request.dry_run);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RunRequest {
    /// Where refused records go.
    pub rejects: Arc<dyn RejectLedger>,
    /// Do everything and keep nothing in the destinations. Rejects still go to `rejects`.
    pub dry_run: bool,
    /// The most rows in a batch. Data, counts and rejects are the same for any value.
    pub batch_rows: usize,
    /// When a commit group is closed.
    pub commit: CommitPolicy,
    /// Which run of the job this is. A host that may run a job twice at the same time counts up: then
    /// destinations that fence shut the older run out. Runs of one epoch are not kept apart.
    pub epoch: u64,
    /// Where the job's checkpoint is kept; without one, every run reads the source from its beginning.
    pub state: Option<RunState>,
    /// What a run does with the checkpoint of one that broke off.
    pub start: Start,
    /// The stretch of the past that an incremental job reads instead of what is new.
    pub range: Option<CursorRange>,
    /// The run's name, for instance the moment that it was due at. One that is started again under the same name, since
    /// nobody heard of its end, does not read a source again that it had read to the end.
    pub run: Option<String>,
    /// What started it, for whoever looks at the history of runs.
    pub trigger: Trigger,
    /// When a call that failed is tried again.
    pub retry: RetryPolicy,
    /// How long a call may take.
    pub timeouts: Timeouts,
    /// Whether the run takes the lease of its job first, so that no other runs it meanwhile.
    pub lease: Option<RunLease>,
    /// The most bytes in flight: of batches that were read and mapped and are not written yet. 256 MiB.
    pub memory: u64,
    /// What the run waits for before it opens anything but its source.
    pub gate: Option<Gate>,
    /// What the run opens when it has read its source to the end.
    pub source_read: Option<Gate>,
    /// Whether it is records that were refused before.
    redrives: bool,
    /// The version of the job.
    job_version: Option<Arc<str>>,
}

/// The lease that a run takes.
///
/// ```
/// use std::time::Duration;
/// use syncline::job::{LeaseTerms, RunLease};
///
/// let terms = LeaseTerms::default().with_write_timeout(Duration::from_secs(5));
/// let lease = RunLease::new("machine 7").with_terms(terms);
/// assert_eq!(lease.runner, "machine 7");
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RunLease {
    /// What people call this runner.
    pub runner: String,
    /// How long, and how careful.
    pub terms: LeaseTerms,
}

impl RunLease {
    /// The lease of a runner of this name, with the default terms.
    pub fn new(runner: impl Into<String>) -> Self {
        RunLease {
            runner: runner.into(),
            terms: LeaseTerms::default(),
        }
    }

    /// With these terms.
    #[must_use]
    pub fn with_terms(mut self, terms: LeaseTerms) -> Self {
        self.terms = terms;
        self
    }
}

/// A stretch of the values of a cursor field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CursorRange {
    /// The least value, itself included.
    pub from: Option<CursorValue>,
    /// The end, itself left out.
    pub to: Option<CursorValue>,
}

/// Where the state of a tenant's jobs is kept.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RunState {
    /// Whose jobs.
    pub tenant: Tenant,
    /// Where.
    pub store: Arc<dyn StateStore>,
}

/// What a run does with the checkpoint of one that broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Start {
    /// Goes on there.
    #[default]
    Resume,
    /// Gives it up and reads the source from its beginning, an incremental job from its watermark. What the broken run wrote
    /// stays.
    Over,
    /// A full refresh: the same, and an incremental job forgets its watermark too.
    Refresh,
}

impl RunRequest {
    /// A run whose refused records go to this ledger.
    pub fn new(rejects: Arc<dyn RejectLedger>) -> Self {
        RunRequest {
            rejects,
            dry_run: false,
            batch_rows: 8192,
            commit: CommitPolicy::default(),
            epoch: 0,
            state: None,
            start: Start::default(),
            range: None,
            run: None,
            trigger: Trigger::default(),
            retry: RetryPolicy::default(),
            timeouts: Timeouts::default(),
            lease: None,
            memory: 256 << 20,
            gate: None,
            source_read: None,
            redrives: false,
            job_version: None,
        }
    }

    /// The partition of the job's source that this run reads, as its checkpoint and the destinations know it. A range has a
    /// checkpoint of its own.
    fn partition(&self) -> String {
        let end =
            |value: Option<CursorValue>| value.map_or_else(String::new, |value| value.to_string());
        match self.range {
            _ if self.redrives => "redrive".to_owned(),
            Some(range) if !Bug::RangeMovesWatermark.is_on() => {
                format!("range {}..{}", end(range.from), end(range.to))
            }
            _ => String::new(),
        }
    }

    /// The same, reading a stretch of the past again: the records of an incremental job whose cursor field has a value from
    /// `from` on and below `to`. The watermark stays where it is. A range that breaks off is gone on with by a run of the same
    /// range. It must not run beside another run of the job, or an older version of a record may be written over a newer one.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use syncline::job::RunRequest;
    /// use syncline::memory::MemoryRejects;
    /// use syncline::record::CursorValue;
    ///
    /// let day = |text: &str| Some(CursorValue::Date(text.parse().unwrap()));
    /// let request = RunRequest::new(Arc::new(MemoryRejects::new())).with_range(day("2024-01-01"), day("2025-01-01"));
    /// assert!(request.range.is_some());
    /// ```
    #[must_use]
    pub fn with_range(mut self, from: Option<CursorValue>, to: Option<CursorValue>) -> Self {
        self.range = Some(CursorRange { from, to });
        self
    }

    /// The same, saving a checkpoint for each commit group: a run that breaks off is gone on with by the next. Its ledger must be
    /// one that can [rewind](RejectLedger::rewind). A dry run neither reads the checkpoint nor moves it.
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// use std::sync::Arc;
    /// use syncline::Tenant;
    /// use syncline::host::{CancelToken, Context};
    /// use syncline::job::{Job, Outcome, RunRequest, SyncJob};
    /// use syncline::memory::{MemoryConnection, MemoryDataset, MemoryRejects, MemoryState};
    /// use syncline::record::{Field, FieldType, RecordBuilder, Schema};
    /// use syncline::spec::{DestinationSpec, FieldMapping, Identity, MappingSpec, ObjectSpec, WriteMode};
    ///
    /// let schema = Schema::new(vec![Field::new("name", FieldType::Text)]);
    /// let mut rows = RecordBuilder::new(&schema);
    /// rows.push(&serde_json::json!({"name": "Blue Heron"})).unwrap();
    /// let dataset = MemoryDataset::new("names", schema, vec![rows.finish()?])?;
    /// let company = ObjectSpec::new("company", Identity::Generated, vec![Field::new("name", FieldType::Text)]);
    /// let home = MemoryConnection::new("home").with_object(&company)?;
    /// let mapping = MappingSpec::new(vec![FieldMapping::direct("name", "name")]);
    /// let job = SyncJob::new("companies", Arc::new(dataset))
    ///     .to(Arc::new(home.clone()), DestinationSpec::new("company", WriteMode::Insert, mapping));
    ///
    /// let (tenant, state) = (Tenant::new("acme")?, Arc::new(MemoryState::new()));
    /// let request = || RunRequest::new(Arc::new(MemoryRejects::new())).with_state(tenant.clone(), state.clone());
    /// let stop = CancelToken::new();
    /// stop.cancel();
    /// let stopped = job.run(&Context::new().with_cancel(stop), request()).await?;
    /// assert_eq!((stopped.outcome, stopped.records), (Outcome::Cancelled, 0));
    /// let report = job.run(&Context::new(), request()).await?;
    /// assert_eq!((report.outcome, report.records), (Outcome::Success, 1));
    /// # Ok::<(), syncline::Error>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn with_state(mut self, tenant: Tenant, store: Arc<dyn StateStore>) -> Self {
        self.state = Some(RunState { tenant, store });
        self
    }

    /// The same, as the run of this name.
    #[must_use]
    pub fn with_run(mut self, name: impl Into<String>) -> Self {
        self.run = Some(name.into());
        self
    }

    /// The same, started by this.
    #[must_use]
    pub fn with_trigger(mut self, trigger: Trigger) -> Self {
        self.trigger = trigger;
        self
    }

    /// The same, trying again so.
    #[must_use]
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// The same, waiting so long for answers.
    #[must_use]
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// The same, with at most so many bytes in flight: the source is not read on until there is room. A batch that is larger goes
    /// alone. Rows that wait for the end of the source, as some self lookups make them, are not counted.
    #[must_use]
    pub fn with_memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// The same, waiting for this gate. While it is shut the run has its lease and its checkpoint, and reads, decodes and filters as far ahead as
    /// its [memory](Self::with_memory) allows; of rows that are not mapped yet it is taken that mapping needs as much again. Destinations are
    /// opened, records looked up and rows mapped when the gate is open. If it is given up, or the cancel token is set, the run ends as
    /// [`Cancelled`](Outcome::Cancelled), and has written nothing. A token wakes nobody: it is seen when something else happens.
    ///
    /// What was read ahead is read again if the destinations, once they are open, say that the run must go on elsewhere.
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// use std::sync::Arc;
    /// use syncline::host::Context;
    /// use syncline::job::{Gate, Job, Outcome, RunRequest, SyncJob};
    /// use syncline::memory::{MemoryConnection, MemoryDataset, MemoryRejects};
    /// use syncline::record::{Field, FieldType, RecordBuilder, Schema};
    /// use syncline::spec::{DestinationSpec, FieldMapping, Identity, MappingSpec, ObjectSpec, WriteMode};
    ///
    /// let name = || vec![Field::new("name", FieldType::Text)];
    /// let mut rows = RecordBuilder::new(&Schema::new(name()));
    /// rows.push(&serde_json::json!({"name": "Blue Heron"})).unwrap();
    /// let rows = rows.finish()?;
    /// let home = MemoryConnection::new("home").with_object(&ObjectSpec::new("company", Identity::Generated, name()))?;
    /// let job = |named: &str| {
    ///     let dataset = MemoryDataset::new("names", Schema::new(name()), vec![rows.clone()])?;
    ///     let mapping = MappingSpec::new(vec![FieldMapping::direct("name", "name")]);
    ///     let company = DestinationSpec::new("company", WriteMode::upsert(["name"]), mapping);
    ///     Ok::<_, syncline::Error>(SyncJob::new(named, Arc::new(dataset)).to(Arc::new(home.clone()), company))
    /// };
    /// let (first, second, context) = (job("first")?, job("second")?, Context::new());
    ///
    /// // The second begins to read when the first has read its source, and goes on when the first is done.
    /// let request = || RunRequest::new(Arc::new(MemoryRejects::new()));
    /// let (read, gate) = (Gate::shut(), Gate::shut());
    /// let one = async {
    ///     let report = first.run(&context, request().with_source_read(read.clone())).await?;
    ///     gate.open();
    ///     Ok::<_, syncline::Error>(report)
    /// };
    /// let two = async {
    ///     read.passed().await;
    ///     second.run(&context, request().with_gate(gate.clone())).await
    /// };
    /// let (one, two) = futures::future::try_join(one, two).await?;
    /// assert_eq!((one.destinations[0].inserted, two.destinations[0].inserted, two.destinations[0].updated), (1, 0, 1));
    /// # Ok::<(), syncline::Error>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn with_gate(mut self, gate: Gate) -> Self {
        self.gate = Some(gate);
        self
    }

    /// The same, opening this gate when the source has been read to its end, while what was read is still being written. A run that ends before
    /// does not open it.
    #[must_use]
    pub fn with_source_read(mut self, gate: Gate) -> Self {
        self.source_read = Some(gate);
        self
    }

    /// The same, holding the job's [lease](Lease) from before anything is opened to the end; it is kept in the store of
    /// the [state](Self::with_state), which there must be. The run's epoch is the lease's, if it has no higher one. A dry run takes none.
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// use std::sync::Arc;
    /// use syncline::host::Context;
    /// use syncline::job::{Job, Lease, LeaseRequest, RunLease, RunRequest, SyncJob};
    /// use syncline::memory::{MemoryConnection, MemoryDataset, MemoryRejects, MemoryState};
    /// use syncline::record::{Field, FieldType, Schema};
    /// use syncline::spec::{DestinationSpec, FieldMapping, Identity, MappingSpec, ObjectSpec, WriteMode};
    /// use syncline::{ErrorKind, Tenant};
    ///
    /// let name = || vec![Field::new("name", FieldType::Text)];
    /// let dataset = Arc::new(MemoryDataset::new("names", Schema::new(name()), vec![])?);
    /// let home = MemoryConnection::new("home").with_object(&ObjectSpec::new("company", Identity::Generated, name()))?;
    /// let mapping = MappingSpec::new(vec![FieldMapping::direct("name", "name")]);
    /// let job = SyncJob::new("companies", dataset)
    ///     .to(Arc::new(home), DestinationSpec::new("company", WriteMode::upsert(["name"]), mapping));
    ///
    /// let (tenant, state) = (Tenant::new("acme")?, Arc::new(MemoryState::new()));
    /// let request = RunRequest::new(Arc::new(MemoryRejects::new())).with_state(tenant.clone(), state.clone());
    /// job.run(&Context::new(), request.with_lease(RunLease::new("machine 7"))).await?;
    /// // It was given back, so the next runner need not wait.
    /// let next = LeaseRequest::new(tenant, "companies", state);
    /// assert_eq!(Lease::acquire(&Context::new(), next).await?.epoch(), 2);
    /// # Ok::<(), syncline::Error>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn with_lease(mut self, lease: RunLease) -> Self {
        self.lease = Some(lease);
        self
    }

    /// The same, beginning so.
    #[must_use]
    pub fn with_start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// The same, keeping nothing in the destinations.
    #[must_use]
    pub fn with_dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// The same, with at most so many rows in a batch; 0 counts as 1.
    #[must_use]
    pub fn with_batch_rows(mut self, rows: usize) -> Self {
        self.batch_rows = rows.max(1);
        self
    }

    /// The same, as this run of the job.
    #[must_use]
    pub fn with_epoch(mut self, epoch: u64) -> Self {
        self.epoch = epoch;
        self
    }

    /// The same, closing commit groups so.
    #[must_use]
    pub fn with_commit(mut self, commit: CommitPolicy) -> Self {
        self.commit = commit;
        self
    }
}

/// An activity that can be run again and again.
///
/// **Contract.** Effects happen only inside the future of `run`: dropping it is like a crash. A run
/// that was asked to stop by its [cancel token](Context::cancel) answers with a report of what it did.
///
/// ```
/// use async_trait::async_trait;
/// use syncline::host::Context;
/// use syncline::job::{Job, JobInfo, Outcome, RunReport, RunRequest};
///
/// /// Does nothing, at a time that its context tells.
/// #[derive(Debug)]
/// struct Pause(JobInfo);
///
/// #[async_trait]
/// impl Job for Pause {
///     fn info(&self) -> &JobInfo {
///         &self.0
///     }
///
///     async fn run(&self, context: &Context, _: RunRequest) -> syncline::Result<RunReport> {
///         let began = context.clock().now();
///         Ok(RunReport::new(&self.0.name, began, context.clock().now()))
///     }
/// }
///
/// # let ledger = std::sync::Arc::new(syncline::memory::MemoryRejects::new());
/// let pause = Pause(JobInfo::new("pause"));
/// let report = futures::executor::block_on(pause.run(&Context::new(), RunRequest::new(ledger)))?;
/// assert_eq!(report.outcome, Outcome::Success);
/// # Ok::<(), syncline::Error>(())
/// ```
#[async_trait]
pub trait Job: fmt::Debug + Send + Sync {
    /// Facts.
    fn info(&self) -> &JobInfo;

    /// Runs once.
    ///
    /// # Errors
    /// Only if the run could not begin; what fails later is in the report.
    async fn run(&self, context: &Context, request: RunRequest) -> Result<RunReport>;
}
