//! A job over a source that changes, and everything that outlives its runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::executor::block_on;
use serde_json::json;
use syncline::Tenant;
use syncline::connection::Connection;
use syncline::dataset::Dataset;
use syncline::host::{Context, RejectLedger, SeededEntropy, StateStore};
use syncline::job::{CommitPolicy, Job as _, RunReport, RunRequest, SyncJob};
use syncline::memory::{
    Commits, ManualClock, MemoryConnection, MemoryObject, MemoryRejects, MemoryState,
};
use syncline::record::array::{Array as _, BooleanArray, Int64Array};
use syncline::spec::{
    DestinationSpec, Expr, Identity, Incremental, MappingSpec, ObjectSpec, SourceDeletes, SyncMode,
    WriteMode,
};

use super::source::time;

#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) home: MemoryConnection,
    pub(crate) state: Arc<MemoryState>,
    pub(crate) ledger: Arc<MemoryRejects>,
    pub(crate) clock: ManualClock,
    pub(crate) sync: SyncMode,
    pub(crate) mode: WriteMode,
    pub(crate) deletes: SourceDeletes,
    pub(crate) filter: Option<Expr>,
    /// The parent of a record is that whose key is its value.
    pub(crate) linked: bool,
    pub(crate) batch_rows: usize,
    pub(crate) group_records: u64,
    /// Runs so far.
    pub(crate) lives: u64,
}

impl Scene {
    pub(crate) fn new(sync: SyncMode) -> Self {
        let fields = json!([
            {"name": "key", "type": "integer"},
            {"name": "value", "type": "integer"},
            {"name": "gone", "type": "boolean"},
            {"name": "parent", "type": "lookup(row)"}
        ]);
        let fields = serde_json::from_value(fields).unwrap();
        let home = MemoryConnection::new("home");
        home.add(MemoryObject::new(&ObjectSpec::new("row", Identity::Generated, fields)).unwrap());
        Scene {
            home,
            state: Arc::default(),
            ledger: Arc::default(),
            clock: ManualClock::new(time(0)),
            sync,
            mode: WriteMode::upsert(["key"]),
            deletes: SourceDeletes::Ignore,
            filter: None,
            linked: false,
            batch_rows: 3,
            group_records: 4,
            lives: 0,
        }
    }

    pub(crate) fn incremental(by: Incremental) -> Self {
        Self::new(SyncMode::Incremental(by))
    }

    pub(crate) fn committing(mut self, commits: Commits) -> Self {
        self.home = self.home.with_commits(commits);
        self
    }

    pub(crate) fn job(
        &self,
        dataset: Arc<dyn Dataset>,
        connection: Arc<dyn Connection>,
    ) -> SyncJob {
        let mapping = json!({"fields": [{"field": "key", "from": "key"}, {"field": "value", "from": "value"}]});
        let mut mapping: MappingSpec = serde_json::from_value(mapping).unwrap();
        if self.linked {
            let parent = json!({"field": "parent", "self_lookup": {
                "keys": [{"source": "value", "field": "key"}], "multi_match": "null"}});
            mapping.fields.push(serde_json::from_value(parent).unwrap());
        }
        let mut spec = DestinationSpec::new("row", self.mode.clone(), mapping);
        spec.deletes = self.deletes.clone();
        let mut job = SyncJob::new("job", dataset)
            .reading(self.sync.clone())
            .to(connection, spec);
        if let Some(filter) = &self.filter {
            job = job.filtered(filter.clone());
        }
        job
    }

    pub(crate) fn context(&self) -> Context {
        Context::new()
            .with_clock(Arc::new(self.clock.clone()))
            .with_entropy(Arc::new(SeededEntropy::new(self.lives)))
    }

    pub(crate) fn request(
        &self,
        ledger: Arc<dyn RejectLedger>,
        state: Arc<dyn StateStore>,
    ) -> RunRequest {
        RunRequest::new(ledger)
            .with_batch_rows(self.batch_rows)
            .with_commit(CommitPolicy::default().with_records(self.group_records))
            .with_state(Tenant::new("t").unwrap(), state)
    }

    pub(crate) fn run_with(
        &mut self,
        dataset: Arc<dyn Dataset>,
        change: impl FnOnce(RunRequest) -> RunRequest,
    ) -> syncline::Result<RunReport> {
        self.lives += 1;
        let job = self.job(dataset, Arc::new(self.home.clone()));
        let request = change(self.request(self.ledger.clone(), self.state.clone()));
        let report = block_on(job.run(&self.context(), request))?;
        for destination in &report.destinations {
            if report.failure.is_none() {
                destination.check().unwrap();
            }
        }
        Ok(report)
    }

    /// Each row there is, by key: its values, and whether it is marked as gone.
    pub(crate) fn rows(&self) -> BTreeMap<i64, Vec<(i64, Option<bool>)>> {
        let mut rows: BTreeMap<i64, Vec<(i64, Option<bool>)>> = BTreeMap::new();
        for batch in self.home.object("row").unwrap().scan().unwrap() {
            let numbers = |column: usize| {
                let column = batch.column(column).as_any();
                column.downcast_ref::<Int64Array>().unwrap().clone()
            };
            let (keys, values) = (numbers(1), numbers(2));
            let gone = batch
                .column(3)
                .as_any()
                .downcast_ref::<BooleanArray>()
                .unwrap();
            for row in 0..batch.num_rows() {
                let gone = gone.is_valid(row).then(|| gone.value(row));
                rows.entry(keys.value(row))
                    .or_default()
                    .push((values.value(row), gone));
            }
        }
        rows
    }
}
