//! What a run reports, and what its ledger and its destination hear of it.

use std::sync::{Arc, Mutex};
use std::thread::ThreadId;

use async_trait::async_trait;
use futures::executor::block_on;
use syncline::Result;
use syncline::connection::{Catalog, Connection, ConnectionInfo, ObjectInfo};
use syncline::dataset::Dataset;
use syncline::destination::Destination;
use syncline::file::RejectFiles;
use syncline::host::{CancelToken, Context, Event, Observer};
use syncline::job::{CommitPolicy, Job as _, Outcome, RunReport, RunRequest, SyncJob};
use syncline::lookup::{Lookup, LookupInfo, LookupKeys, LookupMatches, LookupRequest, Match};
use syncline::memory::{MemoryConnection, MemoryDataset, MemoryFiles, MemoryRejects};
use syncline::record::array::new_null_array;
use syncline::record::{Field, FieldType, RecordBuilder, Schema};
use syncline::spec::{
    DestinationSpec, FieldMapping, Identity, JobSpec, MappingSpec, ObjectSpec, WriteMode,
};
use syncline::workspace::LocalWorkspace;

use super::support::{context, files};

fn numbers(texts: &[&str]) -> Arc<dyn Dataset> {
    let schema = Schema::new(vec![Field::new("n", FieldType::Text)]);
    let mut rows = RecordBuilder::new(&schema);
    for n in texts {
        rows.push(&serde_json::json!({ "n": n })).unwrap();
    }
    Arc::new(MemoryDataset::new("numbers", schema, vec![rows.finish().unwrap()]).unwrap())
}

/// Makes numbers by this rule.
fn to(home: Arc<dyn Connection>, dataset: Arc<dyn Dataset>, rule: FieldMapping) -> SyncJob {
    let spec = DestinationSpec::new("number", WriteMode::Insert, MappingSpec::new(vec![rule]));
    SyncJob::new("numbers", dataset).to(home, spec)
}

fn job(texts: &[&str]) -> SyncJob {
    to(
        Arc::new(home()),
        numbers(texts),
        FieldMapping::direct("n", "n"),
    )
}

fn home() -> MemoryConnection {
    let fields = vec![Field::new("n", FieldType::Integer)];
    MemoryConnection::new("home")
        .with_object(&ObjectSpec::new("number", Identity::Generated, fields))
        .unwrap()
}

fn request() -> RunRequest {
    RunRequest::new(Arc::new(MemoryRejects::new()))
        .with_batch_rows(2)
        .with_commit(CommitPolicy::default().with_records(2))
}

fn run(context: &Context, job: &SyncJob, request: RunRequest) -> RunReport {
    block_on(job.run(context, request)).unwrap()
}

#[test]
fn a_source_without_records_is_a_success() {
    let report = run(&context(1), &job(&[]), request());
    assert_eq!((report.outcome, report.records), (Outcome::Success, 0));
}

#[test]
fn bytes_are_counted_and_close_a_group() {
    let column = r#"{"name": "n", "type": "integer"}"#;
    let spec = format!(
        r#"{{"version": 1, "name": "numbers",
        "dataset": {{"version": 1, "source": {{"file": {{"name": "in.csv", "columns": [{column}]}}}}}},
        "objects": [{{"name": "number", "identity": "generated", "fields": [{column}]}}],
        "destinations": [{{"object": "number", "mode": "insert", "mapping": {{"fields": [{{"field": "n", "from": "n"}}]}}}}]}}"#
    );
    let text = "n\n1\n2\n3\n4\n5\n6\n7\n8\n";
    let workspace =
        LocalWorkspace::new(files(&[("in.csv", text)], 4), Arc::new(MemoryFiles::new()));
    let groups = |bytes| {
        let request = request()
            .with_batch_rows(1)
            .with_commit(CommitPolicy::default().with_bytes(bytes));
        let report = block_on(async {
            let job = workspace
                .job(&context(1), &JobSpec::from_json(&spec)?)
                .await?;
            job.run(&context(1), request).await
        });
        let report = report.unwrap();
        assert_eq!((report.records, report.bytes), (8, text.len() as u64));
        report.destinations[0].groups
    };
    assert!((3..9).contains(&groups(6)), "{}", groups(6));
    assert_eq!(groups(1000), 1);
}

/// Stops a run behind its second batch.
#[derive(Debug)]
struct Stop(CancelToken);

impl Observer for Stop {
    fn observe(&self, event: &Event<'_>) {
        if matches!(event, Event::Progress { records: 4.., .. }) {
            self.0.cancel();
        }
    }
}

/// Files of one run cannot be gone on with once they are sealed.
#[test]
fn the_rejects_of_all_groups_are_in_one_file_also_if_the_run_is_stopped() {
    let job = job(&["1", "x", "x", "4", "x", "6"]);
    let stop = CancelToken::new();
    let stopped = context(1)
        .with_cancel(stop.clone())
        .with_observer(Arc::new(Stop(stop)));
    for (context, outcome, rejected) in [
        (context(1), Outcome::PartialSuccess, 3),
        (stopped, Outcome::Cancelled, 2),
    ] {
        let files = MemoryFiles::new();
        let mut request = request();
        request.rejects = Arc::new(RejectFiles::new(Arc::new(files.clone())));
        let report = run(&context, &job, request);
        assert_eq!(
            (report.outcome, report.destinations[0].rejected),
            (outcome, rejected),
            "{report}"
        );
        let kept = files.bytes("rejects/number.csv").unwrap();
        assert_eq!(
            String::from_utf8_lossy(&kept).lines().count() as u64,
            1 + rejected
        );
    }
}

/// Home objects beside others that are looked up, by a lookup that tells on which thread.
#[derive(Debug)]
struct Elsewhere(MemoryConnection, LookupInfo, Arc<Mutex<Vec<ThreadId>>>);

#[async_trait]
impl Connection for Elsewhere {
    fn info(&self) -> &ConnectionInfo {
        self.0.info()
    }

    async fn discover(&self, context: &Context) -> Result<Catalog> {
        let mut objects = self.0.discover(context).await?.objects;
        let fields = vec![self.1.keys[0].clone(), self.1.fetch.clone()];
        objects.push(ObjectInfo::new("other", Schema::new(fields)));
        Ok(Catalog::new(objects))
    }

    async fn dataset(&self, context: &Context, object: &str) -> Result<Arc<dyn Dataset>> {
        self.0.dataset(context, object).await
    }

    async fn destination(&self, context: &Context, object: &str) -> Result<Arc<dyn Destination>> {
        self.0.destination(context, object).await
    }

    async fn lookup(&self, _: &Context, _: LookupRequest) -> Result<Arc<dyn Lookup>> {
        Ok(Arc::new(Asked(self.1.clone(), Arc::clone(&self.2))))
    }
}

#[derive(Debug)]
struct Asked(LookupInfo, Arc<Mutex<Vec<ThreadId>>>);

#[async_trait]
impl Lookup for Asked {
    fn info(&self) -> &LookupInfo {
        &self.0
    }

    async fn resolve(&self, _: &Context, keys: LookupKeys) -> Result<LookupMatches> {
        self.1.lock().unwrap().push(std::thread::current().id());
        let values = new_null_array(&self.0.fetch.field_type.data_type(), keys.len());
        Ok(LookupMatches::new(vec![Match::None; keys.len()], values))
    }
}

#[test]
fn a_lookup_that_asks_somebody_else_is_awaited_by_the_run_and_one_in_memory_is_not() {
    let here = std::thread::current().id();
    let key = Field::new("code", FieldType::Text);
    let asks = LookupInfo::new(vec![key], Field::new("n", FieldType::Integer));
    for (info, bytes, is_here) in [(asks.clone(), 0, true), (asks.in_memory(77), 77, false)] {
        let asked = Arc::default();
        let home = Elsewhere(home(), info, Arc::clone(&asked));
        let rule = serde_json::json!({"field": "n", "lookup": {"object": "other", "fetch": "n",
            "keys": [{"source": "n", "field": "code"}], "no_match": "null"}});
        let rule = serde_json::from_value(rule).unwrap();
        let job = to(Arc::new(home), numbers(&["a", "b", "c"]), rule);
        let report = run(&context(2), &job, request());
        assert_eq!(
            (report.outcome, report.destinations[0].inserted),
            (Outcome::Success, 3)
        );
        assert_eq!(report.destinations[0].lookup_bytes, bytes);
        let asked: Vec<ThreadId> = asked.lock().unwrap().clone();
        assert!(asked.len() == 2 && asked.iter().all(|asked| (*asked == here) == is_here));
    }
}

#[cfg(feature = "testing")]
#[test]
fn a_report_tells_where_the_time_went() {
    use std::time::Duration;
    use syncline::memory::ManualClock;
    use syncline::testing::{EffectKind, Effects, Fate};

    let clock = ManualClock::new("2025-01-31T06:00:00Z".parse().unwrap());
    let takes = |effect: &syncline::testing::Effect| match effect.kind {
        EffectKind::Open => 1,
        EffectKind::Read => 2,
        EffectKind::Write => 4,
        EffectKind::Commit => 16,
        _ => 0,
    };
    let effects = Effects::new(move |effect| Fate::Slow(Duration::from_secs(takes(effect))));
    let effects = effects.with_clock(Arc::new(clock.clone()));
    let home = effects.connection(Arc::new(home()));
    let source = effects.dataset(numbers(&["1", "2", "3", "4"]));
    let job = to(home, source, FieldMapping::direct("n", "n"));
    let context = Context::new().with_clock(Arc::new(clock.clone()));
    let report = clock.drive(job.run(&context, request())).unwrap().unwrap();
    // A group for each of two batches, and what the run ends with. But for the first batch, reading goes on beside all that.
    let spent = report.timings;
    assert_eq!(
        (spent.open, spent.read, spent.write, spent.finish),
        (1.0, 2.0, 8.0, 48.0)
    );
    assert_eq!((report.finished_at - report.started_at).num_seconds(), 59);
}
