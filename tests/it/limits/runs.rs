//! Runs whose calls wait, hang, and come late.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures::StreamExt as _;
use futures::executor::block_on;
use futures::future::pending;
use syncline::connection::{Catalog, Connection, ConnectionInfo};
use syncline::dataset::{BatchStream, Dataset, DatasetInfo, ReadRequest};
use syncline::destination::{
    CommitReport, CommitRequest, Destination, DestinationInfo, OpenRequest, Opened, WriteReport,
    Writer,
};
use syncline::host::{
    Clock as _, Context, Event, Expected, Observer, SeededEntropy, StateKey, StateKind, StateStore,
    StateVersion, Stored, Swap, ThreadPool, Timeline,
};
use syncline::job::{CommitPolicy, Job as _, Outcome, RunLease, RunRequest, SyncJob};
use syncline::memory::{
    Commits, ManualClock, MemoryConnection, MemoryDataset, MemoryRejects, MemoryState,
};
use syncline::policy::{Account, Breaker, BreakerPolicy, CallLimits, RetryPolicy, Timeouts};
use syncline::record::{Batch, Field, FieldType, RecordBuilder, Schema};
use syncline::spec::{DestinationSpec, FieldMapping, Identity, MappingSpec, ObjectSpec, WriteMode};
use syncline::{ErrorKind, Result, Tenant};

const SECOND: Duration = Duration::from_secs(1);

struct Scene {
    clock: ManualClock,
    context: Context,
    timeline: Timeline,
    state: Arc<MemoryState>,
    home: MemoryConnection,
}

impl Scene {
    fn new(commits: Commits) -> Self {
        let clock = ManualClock::new("2025-06-01T12:59:58Z".parse().unwrap());
        let timeline = Timeline::new(Arc::new(clock.clone()));
        let spec = ObjectSpec::new("number", Identity::Generated, fields());
        Scene {
            context: Context::new()
                .with_clock(Arc::new(clock.clone()))
                .with_entropy(Arc::new(SeededEntropy::new(5)))
                .with_observer(Arc::new(timeline.clone())),
            clock,
            timeline,
            state: Arc::default(),
            home: MemoryConnection::new("home")
                .with_object(&spec)
                .unwrap()
                .with_commits(commits),
        }
    }

    fn account(&self, limits: CallLimits) -> Account {
        account(self.state.clone(), limits)
    }

    fn request(&self) -> RunRequest {
        RunRequest::new(Arc::new(MemoryRejects::new()))
            .with_batch_rows(2)
            .with_commit(CommitPolicy::default().with_records(4))
            .with_state(tenant(), self.state.clone())
    }

    fn run(&self, job: &SyncJob, request: RunRequest) -> syncline::job::RunReport {
        let ran = self.clock.drive(job.run(&self.context, request));
        ran.expect("somebody must wake the run").unwrap()
    }

    /// The names of what was observed.
    fn told(&self) -> Vec<String> {
        let told = serde_json::to_value(&self.timeline).unwrap();
        let names = told.as_array().unwrap().iter();
        names
            .map(|event| event["event"].as_str().unwrap().into())
            .collect()
    }

    fn last(&self) -> serde_json::Value {
        let told = serde_json::to_value(&self.timeline).unwrap();
        told.as_array().unwrap().last().unwrap().clone()
    }
}

fn tenant() -> Tenant {
    Tenant::new("acme").unwrap()
}

fn account(store: Arc<dyn StateStore>, limits: CallLimits) -> Account {
    Account::new(&tenant(), "crm", store, limits).unwrap()
}

fn fields() -> Vec<Field> {
    vec![Field::new("n", FieldType::Integer)]
}

fn numbers(count: i64) -> Arc<MemoryDataset> {
    let schema = Schema::new(fields());
    let mut rows = RecordBuilder::new(&schema);
    for n in 0..count {
        rows.push(&serde_json::json!({"n": n})).unwrap();
    }
    Arc::new(MemoryDataset::new("numbers", schema, vec![rows.finish().unwrap()]).unwrap())
}

fn to(home: Arc<dyn Connection>, dataset: Arc<dyn Dataset>, mode: WriteMode) -> SyncJob {
    let mapping = MappingSpec::new(vec![FieldMapping::direct("n", "n")]);
    SyncJob::new("numbers", dataset).to(home, DestinationSpec::new("number", mode, mapping))
}

/// Each batch takes some time.
#[derive(Debug)]
struct Slow(Arc<dyn Dataset>, Duration);

#[async_trait]
impl Dataset for Slow {
    fn info(&self) -> &DatasetInfo {
        self.0.info()
    }

    fn schema(&self) -> &Schema {
        self.0.schema()
    }

    fn read(&self, context: &Context, request: ReadRequest) -> BatchStream {
        let (clock, time) = (context.clone(), self.1);
        let batches = self.0.read(context, request);
        batches
            .then(move |batch| {
                let nap = clock.clock().sleep(time);
                async move {
                    nap.await;
                    batch
                }
            })
            .boxed()
    }
}

/// Its writes never answer, as long as it is told so, and take a moment else.
#[derive(Debug, Clone)]
struct Hangs(Arc<dyn Connection>, Arc<AtomicBool>);

#[async_trait]
impl Connection for Hangs {
    fn info(&self) -> &ConnectionInfo {
        self.0.info()
    }

    async fn discover(&self, context: &Context) -> Result<Catalog> {
        self.0.discover(context).await
    }

    async fn dataset(&self, context: &Context, object: &str) -> Result<Arc<dyn Dataset>> {
        self.0.dataset(context, object).await
    }

    async fn destination(&self, context: &Context, object: &str) -> Result<Arc<dyn Destination>> {
        let destination = self.0.destination(context, object).await?;
        Ok(Arc::new(HangingTo(destination, Arc::clone(&self.1))))
    }
}

#[derive(Debug)]
struct HangingTo(Arc<dyn Destination>, Arc<AtomicBool>);

#[async_trait]
impl Destination for HangingTo {
    fn info(&self) -> &DestinationInfo {
        self.0.info()
    }

    fn schema(&self) -> &Schema {
        self.0.schema()
    }

    async fn open(&self, context: &Context, request: OpenRequest) -> Result<Opened> {
        let opened = self.0.open(context, request).await?;
        let writer = Box::new(Hanging(opened.writer, Arc::clone(&self.1)));
        Ok(Opened::new(writer).with_checkpoint(opened.checkpoint))
    }
}

#[derive(Debug)]
struct Hanging(Box<dyn Writer>, Arc<AtomicBool>);

#[async_trait]
impl Writer for Hanging {
    async fn write(&mut self, context: &Context, batch: Batch) -> Result<WriteReport> {
        if self.1.load(Ordering::Relaxed) {
            pending::<()>().await;
        }
        self.0.write(context, batch).await
    }

    async fn commit(&mut self, context: &Context, request: CommitRequest) -> Result<CommitReport> {
        self.0.commit(context, request).await
    }

    async fn abort(&mut self, context: &Context) -> Result<()> {
        self.0.abort(context).await
    }
}

fn hangs(connection: Arc<dyn Connection>) -> Hangs {
    Hangs(connection, Arc::new(AtomicBool::new(true)))
}

/// A store on the way to which time passes.
#[derive(Debug)]
struct Far {
    store: MemoryState,
    clock: ManualClock,
    time: TimeDelta,
}

#[async_trait]
impl StateStore for Far {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>> {
        self.store.get(key).await
    }

    async fn put(&self, key: &StateKey, bytes: Bytes, expected: Expected) -> Result<Swap> {
        self.clock.advance(self.time);
        self.store.put(key, bytes, expected).await
    }

    async fn delete(&self, key: &StateKey, expected: StateVersion) -> Result<bool> {
        self.store.delete(key, expected).await
    }

    async fn list(
        &self,
        tenant: &Tenant,
        kind: StateKind,
        start_after: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<StateKey>> {
        self.store.list(tenant, kind, start_after, limit).await
    }
}

/// Reading ahead, a run has a read under way while it writes. The read must come to its end, or the write would wait for it.
#[test]
fn a_run_that_reads_ahead_does_not_stand_in_its_own_way() {
    for concurrency in [1, 2] {
        let mut scene = Scene::new(Commits::WithCheckpoint);
        scene.context = (scene.context).with_executor(Arc::new(ThreadPool::new(2).unwrap()));
        let account = scene.account(CallLimits::default().with_concurrency(concurrency));
        let slow = Arc::new(Slow(numbers(20), Duration::from_millis(50)));
        let home = account.connection(Arc::new(scene.home.clone()));
        let job = to(home, account.dataset(slow), WriteMode::Insert);
        // Other threads are waited for by yielding to them.
        let clock = scene.clock.clone();
        let request = scene.request();
        let mut run = Box::pin(job.run(&scene.context, request));
        let waker = std::task::Waker::noop();
        let mut task = std::task::Context::from_waker(waker);
        let report = loop {
            if let std::task::Poll::Ready(report) = run.as_mut().poll(&mut task) {
                break report.unwrap();
            }
            std::thread::sleep(Duration::from_millis(1));
            clock.leap();
        };
        assert_eq!(report.outcome, Outcome::Success, "{report}");
        assert_eq!((report.records, report.retries), (20, 0), "{report}");
    }
}

#[test]
fn a_call_that_nobody_waits_for_gives_its_place_back() {
    let scene = Scene::new(Commits::WithCheckpoint);
    let account = scene.account(CallLimits::default().with_concurrency(1));
    let (context, clock) = (&scene.context, &scene.clock);
    // Given up while it is made.
    let call = account.call(context, pending::<Result<()>>());
    assert!(futures::FutureExt::now_or_never(call).is_none());
    clock
        .drive(account.call(context, async { Ok(()) }))
        .unwrap()
        .unwrap();
    assert_eq!(clock.monotonic(), Duration::ZERO);
    // And while it waits for its turn.
    let account = scene.account(CallLimits::default().with_concurrency(1).with_rate(1));
    let call = || account.call(context, async { Ok(()) });
    clock.drive(call()).unwrap().unwrap();
    assert!(futures::FutureExt::now_or_never(call()).is_none());
    clock.drive(call()).unwrap().unwrap();
    assert_eq!(clock.monotonic(), 2 * SECOND);
}

#[test]
fn a_try_gets_in_behind_one_that_was_given_up() {
    let scene = Scene::new(Commits::AtOnce);
    let account = scene.account(CallLimits::default().with_concurrency(1));
    let hangs = hangs(Arc::new(scene.home.clone()));
    let job = to(
        account.connection(Arc::new(hangs.clone())),
        numbers(4),
        WriteMode::upsert(["n"]),
    );
    let timeouts = Timeouts {
        write: SECOND,
        ..Timeouts::default()
    };
    let request = scene.request().with_timeouts(timeouts);
    let report = scene.run(&job, request.clone());
    // Each try was made and hung, and none found the account busy.
    let failure = report.failure.unwrap();
    assert_eq!(failure.kind(), ErrorKind::Timeout, "{failure}");
    // The next run finds the account as it should be.
    hangs.1.store(false, Ordering::Relaxed);
    let report = scene.run(&job, request);
    assert_eq!((report.outcome, report.retries), (Outcome::Success, 0));
}

#[test]
fn a_system_that_hangs_opens_the_circuit() {
    let scene = Scene::new(Commits::AtOnce);
    let policy = BreakerPolicy::default().with_failures(1);
    let breaker = Breaker::new("home", policy);
    let hangs = breaker.connection(Arc::new(hangs(Arc::new(scene.home.clone()))));
    let job = to(hangs, numbers(4), WriteMode::upsert(["n"]));
    let timeouts = Timeouts {
        write: SECOND,
        ..Timeouts::default()
    };
    let request = scene.request().with_timeouts(timeouts);
    let report = scene.run(&job, request.clone());
    let told = serde_json::to_value(&scene.timeline).unwrap();
    let told = told.as_array().unwrap().iter();
    let tries = told.filter_map(|event| match event["event"].as_str().unwrap() {
        "retried" => Some(event["kind"].as_str().unwrap().to_owned()),
        "circuit_opened" => Some("opened".into()),
        _ => None,
    });
    // Every other try is one of those that come behind a rest.
    assert_eq!(
        tries.collect::<Vec<_>>(),
        [
            "opened",
            "timeout",
            "circuit_open",
            "opened",
            "timeout",
            "circuit_open",
            "opened"
        ]
    );
    assert_eq!(report.outcome, Outcome::Failed, "{report}");
    // Whoever comes meanwhile is not failed, but early.
    let early = scene.run(&job, request.with_retry(RetryPolicy::never()));
    let Outcome::Paused { until } = early.outcome else {
        panic!("{early}")
    };
    assert!(until > scene.clock.now());
    let paused_by = early.paused_by.unwrap();
    assert_eq!(paused_by.kind(), ErrorKind::CircuitOpen);
    assert!(early.failure.is_none());
}

#[test]
fn a_run_that_is_dropped_tells_a_circuit_nothing() {
    let scene = Scene::new(Commits::AtOnce);
    let breaker = Breaker::new("home", BreakerPolicy::default().with_failures(1));
    let home = breaker.connection(Arc::new(hangs(Arc::new(scene.home.clone()))));
    let job = to(home, numbers(4), WriteMode::upsert(["n"]));
    let mut run = Box::pin(job.run(&scene.context, scene.request()));
    assert!(futures::FutureExt::now_or_never(&mut run).is_none());
    drop(run);
    assert!(!scene.told().contains(&"circuit_opened".into()));
}

/// A call that would be cut while it waits for its turn is answered at once, so all know that it was not made.
#[test]
fn nobody_waits_for_a_turn_so_long_that_the_call_would_be_given_up() {
    let scene = Scene::new(Commits::AtOnce);
    let account = scene.account(
        CallLimits::default()
            .with_window(4, Duration::from_secs(60))
            .with_margin(Duration::ZERO)
            .with_longest_wait(Duration::from_secs(3600)),
    );
    let home = account.connection(Arc::new(scene.home.clone()));
    let job = to(home, numbers(12), WriteMode::Insert);
    let timeouts = Timeouts::all(Duration::from_secs(4));
    let report = scene.run(&job, scene.request().with_timeouts(timeouts));
    assert_eq!(report.outcome, Outcome::Success, "{report}");
    assert_eq!(scene.home.object("number").unwrap().len(), 12);
    // Twelve calls and no more, four of them in a minute.
    let minutes = (scene.clock.monotonic().as_secs() + 58) / 60;
    assert_eq!(minutes, 3);
}

#[test]
fn a_call_counts_in_the_window_in_which_it_begins() {
    let scene = Scene::new(Commits::AtOnce);
    let far = Far {
        store: MemoryState::new(),
        clock: scene.clock.clone(),
        time: TimeDelta::seconds(3),
    };
    let limits = CallLimits::default().with_window(10, Duration::from_secs(3600));
    let account = account(Arc::new(far), limits);
    let made: Mutex<BTreeMap<DateTime<Utc>, u32>> = Mutex::default();
    let call = async || {
        let hour = scene
            .clock
            .now()
            .date_naive()
            .and_hms_opt(0, 0, 0)
            .unwrap()
            .and_utc()
            + TimeDelta::hours(i64::from(chrono::Timelike::hour(&scene.clock.now())));
        *made.lock().unwrap().entry(hour).or_default() += 1;
        Ok(())
    };
    let mut kinds = Vec::new();
    for _ in 0..12 {
        let asked = account.call(&scene.context, call());
        kinds.extend(
            scene
                .clock
                .drive(asked)
                .unwrap()
                .err()
                .map(|error| error.kind()),
        );
    }
    let made = made.into_inner().unwrap();
    assert!(made.values().all(|calls| *calls <= 10), "{made:?}");
    assert_eq!(made.values().sum::<u32>(), 10);
    assert_eq!(kinds, [ErrorKind::QuotaSpent; 2]);
}

#[test]
fn who_never_comes_in_time_is_told_so() {
    let scene = Scene::new(Commits::AtOnce);
    let far = Far {
        store: MemoryState::new(),
        clock: scene.clock.clone(),
        time: TimeDelta::seconds(3),
    };
    let account = account(Arc::new(far), CallLimits::default().with_window(10, SECOND));
    let asked = account.call(&scene.context, async { Ok(()) });
    let error = scene.clock.drive(asked).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaSpent);
}

#[test]
fn every_report_is_followed_by_the_end() {
    // Paused in front of everything.
    let scene = Scene::new(Commits::AtOnce);
    let none = scene.account(CallLimits::default().with_window(0, SECOND));
    let home = none.connection(Arc::new(scene.home.clone()));
    let job = to(home, numbers(4), WriteMode::Insert);
    let request = scene.request().with_retry(RetryPolicy::never());
    let report = scene.run(&job, request);
    assert!(matches!(report.outcome, Outcome::Paused { .. }), "{report}");
    assert_eq!(scene.told(), ["run_finished"]);
    assert_eq!(scene.last()["outcome"], "paused");

    // The lease is lost: somebody else writes it.
    let scene = Scene::new(Commits::AtOnce);
    let slow = Arc::new(Slow(numbers(4), Duration::from_secs(100)));
    let job = to(Arc::new(scene.home.clone()), slow, WriteMode::Insert);
    let lease = RunLease::new("first");
    let mut run = Box::pin(job.run(&scene.context, scene.request().with_lease(lease)));
    assert!(futures::FutureExt::now_or_never(&mut run).is_none());
    let key = StateKey::new(&tenant(), StateKind::Lease, ["numbers"]).unwrap();
    let steal = async {
        let found = scene.state.get(&key).await.unwrap().unwrap();
        assert!(scene.state.delete(&key, found.version).await.unwrap());
    };
    scene.clock.drive(steal).unwrap();
    let report = scene.clock.drive(run).unwrap().unwrap();
    assert_eq!(report.outcome, Outcome::Failed, "{report}");
    assert_eq!(scene.last()["event"], "run_finished");
    assert_eq!(scene.last()["outcome"], "failed");
}

#[test]
fn a_run_that_cannot_get_on_says_so() {
    let scene = Scene::new(Commits::WithCheckpoint);
    let account = scene.account(
        CallLimits::default()
            .with_window(6, Duration::from_secs(3600))
            .with_margin(Duration::ZERO),
    );
    let home = account.connection(Arc::new(scene.home.clone()));
    let job = to(home, numbers(20), WriteMode::Insert);
    let large = scene.request().with_commit(CommitPolicy::default());
    scene.clock.advance(TimeDelta::hours(1));
    let report = scene.run(&job, large);
    assert!(matches!(report.outcome, Outcome::Paused { .. }), "{report}");
    let paused_by = report.paused_by.as_ref().unwrap();
    assert_eq!(paused_by.kind(), ErrorKind::QuotaSpent);
    assert!(
        paused_by.to_string().contains("commit groups smaller"),
        "{paused_by}"
    );
    assert!(
        report.to_string().contains("commit groups smaller"),
        "{report}"
    );
    // With smaller groups it gets on, and says nothing of the kind.
    scene.clock.advance(TimeDelta::hours(1));
    let small = scene
        .request()
        .with_commit(CommitPolicy::default().with_records(2));
    let report = scene.run(&job, small);
    assert!(matches!(report.outcome, Outcome::Paused { .. }), "{report}");
    assert!(report.destinations[0].inserted > 0, "{report}");
    let paused_by = report.paused_by.unwrap().to_string();
    assert!(!paused_by.contains("commit groups"), "{paused_by}");
}

/// Takes the lease of the job away, behind the second batch.
#[derive(Debug)]
struct Steals(Arc<MemoryState>);

impl Observer for Steals {
    fn observe(&self, event: &Event<'_>) {
        if matches!(event, Event::Progress { records: 4, .. }) {
            let key = StateKey::new(&tenant(), StateKind::Lease, ["numbers"]).unwrap();
            let found = block_on(self.0.get(&key)).unwrap().unwrap();
            assert!(block_on(self.0.delete(&key, found.version)).unwrap());
        }
    }
}

#[test]
fn a_run_that_lost_its_lease_reports_what_it_had_done_by_then() {
    let scene = Scene::new(Commits::AtOnce);
    let slow = Arc::new(Slow(numbers(20), Duration::from_secs(10)));
    let job = to(Arc::new(scene.home.clone()), slow, WriteMode::Insert);
    let context = (scene.context.clone()).with_observer(Arc::new(Steals(scene.state.clone())));
    let request = scene.request().with_lease(RunLease::new("first"));
    let report = scene
        .clock
        .drive(job.run(&context, request))
        .unwrap()
        .unwrap();
    assert_eq!(report.outcome, Outcome::Failed, "{report}");
    let counts = &report.destinations[0];
    let there = scene.home.object("number").unwrap().len() as u64;
    assert!((4..20).contains(&there), "{report}");
    assert_eq!(
        (report.records, counts.read, counts.inserted),
        (there, there, there)
    );
}

/// Runs tasks at once, and has so many ahead.
#[cfg(feature = "testing")]
#[derive(Debug)]
struct AtOnce(usize);

#[cfg(feature = "testing")]
impl syncline::host::Executor for AtOnce {
    fn parallelism(&self) -> usize {
        1
    }

    fn ahead(&self) -> usize {
        self.0
    }

    fn spawn(&self, task: futures::future::BoxFuture<'static, ()>) {
        futures::FutureExt::now_or_never(task).unwrap();
    }
}

#[cfg(feature = "testing")]
#[test]
fn a_run_reads_as_far_ahead_as_its_executor_works_and_its_memory_allows() {
    use syncline::testing::{EffectKind, Effects, Fate};
    let read_beside_a_write = |ahead, memory| {
        let effects = Effects::new(|effect| match effect.kind {
            EffectKind::Write => Fate::Hang,
            _ => Fate::Proceed,
        });
        let scene = Scene::new(Commits::AtOnce);
        let home = effects.connection(Arc::new(scene.home.clone()));
        let job = to(home, effects.dataset(numbers(40)), WriteMode::Insert);
        let context = scene.context.clone().with_executor(Arc::new(AtOnce(ahead)));
        let mut run = Box::pin(job.run(&context, scene.request().with_memory(memory)));
        let mut task = std::task::Context::from_waker(std::task::Waker::noop());
        for _ in 0..99 {
            assert!(run.as_mut().poll(&mut task).is_pending());
        }
        let trace = effects.trace();
        trace
            .iter()
            .filter(|effect| effect.kind == EffectKind::Read)
            .count()
    };
    assert_eq!(read_beside_a_write(1, 1 << 20), 1);
    assert_eq!(read_beside_a_write(3, 1 << 20), 4);
    assert_eq!(read_beside_a_write(3, 1), 1);
}
