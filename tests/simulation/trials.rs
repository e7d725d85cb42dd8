//! Trials: jobs made for one rule each of retries, timeouts, leases and memory.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta};
use futures::future::BoxFuture;
use futures::{StreamExt as _, stream};
use serde_json::json;
use syncline::dataset::{BatchStream, Dataset, DatasetInfo, ReadRequest};
use syncline::host::{Clock as _, Context, Executor, Inline, SeededEntropy};
use syncline::job::{CommitPolicy, Job as _, Outcome, RunReport, RunRequest, Start, SyncJob};
use syncline::memory::{
    Commits, ManualClock, MemoryConnection, MemoryDataset, MemoryRejects, MemoryState,
};
use syncline::policy::{RetryPolicy, Timeouts, UnansweredInserts};
use syncline::record::{Cursor, Field, RecordBuilder, Schema};
use syncline::spec::{
    DestinationSpec, Identity, MappingSpec, ObjectSpec, SourceDeletes, WriteMode,
};
use syncline::testing::{Bug, Effect, EffectKind, Effects, Ended, Fate, drive};
use syncline::{Error, ErrorKind, Result, Retry, Tenant};

use super::check::Violation;
use super::leases::lease;
use super::sweep::Found;

/// A rule, and what is wrong with it.
pub(crate) struct Trial {
    pub(crate) rule: &'static str,
    pub(crate) run: fn() -> Result<(), String>,
}

pub(crate) const TRIALS: [Trial; 14] = [
    Trial {
        rule: "I-11 a plain insert is not made twice",
        run: plain_inserts,
    },
    Trial {
        rule: "I-11 a plain insert is made again if the host allows doubles",
        run: allowed_inserts,
    },
    Trial {
        rule: "I-3 a batch that comes again counts once",
        run: repeated_batches,
    },
    Trial {
        rule: "I-3 a delete whose answer was lost counts once",
        run: lost_deletes,
    },
    Trial {
        rule: "I-11 a call is tried so often and no more",
        run: attempts,
    },
    Trial {
        rule: "I-11 a run tries again so often and no more",
        run: budget,
    },
    Trial {
        rule: "I-11 a refused record is tried once",
        run: poison,
    },
    Trial {
        rule: "who asks to wait is waited for",
        run: retry_after,
    },
    Trial {
        rule: "a read goes on and gives no record twice",
        run: broken_reads,
    },
    Trial {
        rule: "P20 what never answers is given up",
        run: silence,
    },
    Trial {
        rule: "P5 a lease lasts as long as its run",
        run: long_run,
    },
    Trial {
        rule: "P5 no write begins in the margin of a lease",
        run: margin,
    },
    Trial {
        rule: "P5 who stood still looks at the lease before it writes",
        run: stood_still,
    },
    Trial {
        rule: "I-27 bytes in flight stay in their budget",
        run: memory,
    },
];

/// The first trial that does not hold with a defect.
pub(crate) fn catch(bug: Bug) -> Option<Found> {
    Bug::switch(Some(bug));
    let found = TRIALS.iter().find_map(|trial| {
        let rule = trial.rule;
        Some(Found {
            workload: "a trial".into(),
            script: rule.into(),
            violation: Violation {
                rule,
                how: (trial.run)().err()?,
            },
        })
    });
    Bug::switch(None);
    found
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

type Script = Box<dyn FnMut(&Effect) -> Fate + Send>;

fn undisturbed() -> Script {
    Box::new(|_| Fate::Proceed)
}

/// A job of one destination and its world.
struct Stand {
    dataset: Arc<dyn Dataset>,
    home: MemoryConnection,
    mode: WriteMode,
    deletes: SourceDeletes,
    state: Arc<MemoryState>,
    clock: ManualClock,
}

fn fields() -> Vec<Field> {
    let fields = json!([{"name": "key", "type": "text"}, {"name": "n", "type": "integer"}]);
    serde_json::from_value(fields).unwrap()
}

/// Rows of these keys.
fn dataset(keys: impl Iterator<Item = String>) -> MemoryDataset {
    let mut rows = RecordBuilder::new(&Schema::new(fields()));
    for (n, key) in keys.enumerate() {
        rows.push(&json!({"key": key, "n": n})).unwrap();
    }
    MemoryDataset::new("rows", Schema::new(fields()), vec![rows.finish().unwrap()]).unwrap()
}

fn stand(commits: Commits, mode: WriteMode) -> Stand {
    let object = ObjectSpec::new("row", Identity::Generated, fields());
    let home = MemoryConnection::new("home").with_object(&object).unwrap();
    Stand {
        dataset: Arc::new(dataset((0..12).map(|n| format!("key {}", n % 5)))),
        home: home.with_commits(commits),
        mode,
        deletes: SourceDeletes::Ignore,
        state: Arc::default(),
        clock: ManualClock::new(DateTime::UNIX_EPOCH),
    }
}

impl Stand {
    fn context(&self) -> Context {
        Context::new()
            .with_clock(Arc::new(self.clock.clone()))
            .with_entropy(Arc::new(SeededEntropy::new(7)))
    }

    fn request(&self) -> RunRequest {
        RunRequest::new(Arc::new(MemoryRejects::new()))
            .with_batch_rows(3)
            .with_commit(CommitPolicy::default().with_records(6))
    }

    fn job(&self, effects: &Effects) -> SyncJob {
        let mapping =
            json!({"fields": [{"field": "key", "from": "key"}, {"field": "n", "from": "n"}]});
        let mapping: MappingSpec = serde_json::from_value(mapping).unwrap();
        let mut spec = DestinationSpec::new("row", self.mode.clone(), mapping);
        spec.deletes = self.deletes.clone();
        SyncJob::new("job", effects.dataset(self.dataset.clone()))
            .to(effects.connection(Arc::new(self.home.clone())), spec)
    }

    fn run(&self, script: Script, request: RunRequest) -> (Ended<Result<RunReport>>, Vec<Effect>) {
        let effects = Effects::new(script);
        let ended = self.drive(&effects, self.context(), request);
        (ended, effects.trace())
    }

    fn drive(
        &self,
        effects: &Effects,
        context: Context,
        request: RunRequest,
    ) -> Ended<Result<RunReport>> {
        let job = self.job(effects);
        let request =
            request.with_state(Tenant::new("t").unwrap(), effects.state(self.state.clone()));
        drive(&self.clock, effects, async {
            job.run(&context, request).await
        })
    }

    fn report(&self, script: Script, request: RunRequest) -> Result<RunReport, String> {
        match self.run(script, request).0 {
            Ended::Done(Ok(report)) => Ok(report),
            other => Err(format!("no report: {other:?}")),
        }
    }

    fn records(&self) -> usize {
        self.home.object("row").unwrap().len()
    }
}

/// The n-th effect of a kind has this fate.
fn nth(kind: EffectKind, nth: u64, fate: Fate) -> Script {
    Box::new(move |effect| {
        if effect.kind == kind && effect.nth == nth {
            fate
        } else {
            Fate::Proceed
        }
    })
}

fn plain_inserts() -> Result<(), String> {
    for fate in [Fate::FailAfter(true), Fate::HangAfter] {
        let stand = stand(Commits::InsertsOnly, WriteMode::Insert);
        let report = stand.report(nth(EffectKind::Write, 2, fate), stand.request())?;
        let records = stand.records();
        ensure(report.outcome == Outcome::Failed && records == 6, || {
            format!(
                "{fate:?}: {:?} with {records} records, of which 6 were sent",
                report.outcome
            )
        })?;
    }
    Ok(())
}

fn allowed_inserts() -> Result<(), String> {
    let stand = stand(Commits::InsertsOnly, WriteMode::Insert);
    let retry = RetryPolicy::default().with_unanswered_inserts(UnansweredInserts::Repeat);
    let script = nth(EffectKind::Write, 2, Fate::FailAfter(true));
    let report = stand.report(script, stand.request().with_retry(retry))?;
    let (records, inserted) = (stand.records(), report.destinations[0].inserted);
    ensure((records, inserted, report.retries) == (15, 12, 1), || {
        format!(
            "{records} records, {inserted} inserted, {} retries",
            report.retries
        )
    })
}

fn repeated_batches() -> Result<(), String> {
    let kinds = [Commits::AtOnce, Commits::ByGroup, Commits::WithCheckpoint];
    for (commits, by_key) in kinds
        .into_iter()
        .flat_map(|commits| [(commits, true), (commits, false)])
    {
        let mode = if by_key {
            WriteMode::upsert(["key"])
        } else {
            WriteMode::Insert
        };
        let plain = stand(commits, mode.clone());
        let expected = plain.report(undisturbed(), plain.request())?;
        for kind in [EffectKind::Write, EffectKind::Commit] {
            let lossy = stand(commits, mode.clone());
            // Every other answer is lost.
            let script = move |effect: &Effect| match effect.kind == kind && effect.nth % 2 == 1 {
                true => Fate::FailAfter(true),
                false => Fate::Proceed,
            };
            let report = lossy.report(Box::new(script), lossy.request())?;
            let same =
                report.destinations == expected.destinations && lossy.records() == plain.records();
            ensure(same && report.retries > 0, || {
                let retries = report.retries;
                format!("{commits:?}, {kind:?}, {retries} retries: {report}instead of {expected}")
            })?;
        }
    }
    Ok(())
}

/// A source that no longer has most of its records, and a delete of which nobody heard whether it was done.
fn lost_deletes() -> Result<(), String> {
    for fate in [Fate::Fail(true), Fate::FailAfter(true), Fate::HangAfter] {
        let mut stand = stand(Commits::AtOnce, WriteMode::upsert(["key"]));
        stand.report(undisturbed(), stand.request())?;
        stand.deletes = SourceDeletes::Mirror { most_percent: 100 };
        stand.dataset = Arc::new(dataset(["key 2".to_owned()].into_iter()));
        let request = stand.request().with_start(Start::Refresh);
        let report = stand.report(nth(EffectKind::Delete, 1, fate), request)?;
        let (removed, records) = (report.destinations[0].removed, stand.records());
        ensure((removed, records) == (4, 1) && report.retries == 1, || {
            format!("{fate:?}: {records} records, {report}")
        })?;
    }
    Ok(())
}

fn attempts() -> Result<(), String> {
    let stand = stand(Commits::AtOnce, WriteMode::upsert(["key"]));
    let script = |effect: &Effect| match effect.kind == EffectKind::Write && effect.nth < 500 {
        true => Fate::Fail(true),
        false => Fate::Proceed,
    };
    let (ended, trace) = stand.run(Box::new(script), stand.request());
    let tries = trace
        .iter()
        .filter(|effect| effect.kind == EffectKind::Write)
        .count();
    let failed = matches!(&ended, Ended::Done(Ok(report)) if report.failure.is_some());
    ensure(failed && tries == 5, || format!("{tries} tries, {ended:?}"))
}

fn budget() -> Result<(), String> {
    let stand = stand(Commits::AtOnce, WriteMode::upsert(["key"]));
    // Each batch is written at the third try.
    let script = |effect: &Effect| match effect.kind == EffectKind::Write && effect.nth % 3 != 0 {
        true => Fate::Fail(true),
        false => Fate::Proceed,
    };
    let request = stand
        .request()
        .with_retry(RetryPolicy::default().with_budget(5));
    let report = stand.report(Box::new(script), request)?;
    ensure(report.retries == 5 && report.failure.is_some(), || {
        format!("{} retries, {:?}", report.retries, report.outcome)
    })
}

fn poison() -> Result<(), String> {
    let mut stand = stand(Commits::AtOnce, WriteMode::upsert(["key"]));
    // Every record is refused for its empty key.
    let schema = Schema::new(fields());
    let mut rows = RecordBuilder::new(&schema);
    for n in 0..6 {
        rows.push(&json!({"n": n})).unwrap();
    }
    stand.dataset =
        Arc::new(MemoryDataset::new("rows", schema, vec![rows.finish().unwrap()]).unwrap());
    let (ended, trace) = stand.run(undisturbed(), stand.request());
    let tries = trace
        .iter()
        .filter(|effect| effect.kind == EffectKind::Write)
        .count();
    match ended {
        Ended::Done(Ok(report))
            if report.retries == 0 && report.destinations[0].rejected == 6 && tries == 2 =>
        {
            Ok(())
        }
        other => Err(format!("{tries} writes, {other:?}")),
    }
}

/// What a read does in between, if anything; it ends in an error.
type Interlude = Box<dyn Fn(&Context) -> Option<BoxFuture<'static, Error>> + Send + Sync>;

/// A dataset that does something of its own when a read comes to record 6, the first few times.
struct Odd {
    rows: MemoryDataset,
    times: AtomicU64,
    what: Interlude,
}

impl std::fmt::Debug for Odd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Odd")
    }
}

fn odd(
    times: u64,
    what: impl Fn(&Context) -> Option<BoxFuture<'static, Error>> + Send + Sync + 'static,
) -> Arc<Odd> {
    Arc::new(Odd {
        rows: dataset((0..12).map(|n| format!("key {n}"))),
        times: AtomicU64::new(times),
        what: Box::new(what),
    })
}

#[async_trait]
impl Dataset for Odd {
    fn info(&self) -> &DatasetInfo {
        self.rows.info()
    }

    fn schema(&self) -> &Schema {
        self.rows.schema()
    }

    fn read(&self, context: &Context, request: ReadRequest) -> BatchStream {
        let resume = request
            .resume
            .as_ref()
            .map_or(0, |at: &Cursor| at.as_str().parse().unwrap());
        let left = self.times.load(Ordering::Relaxed);
        let error = (left > 0 && resume <= 6)
            .then(|| (self.what)(context))
            .flatten();
        let Some(error) = error else {
            return self.rows.read(context, request);
        };
        self.times.store(left - 1, Ordering::Relaxed);
        let front = request.between(
            Some(Cursor::new(resume.to_string())),
            Some(Cursor::new("6")),
        );
        let front = self.rows.read(context, front);
        front
            .chain(stream::once(async { Err(error.await) }))
            .boxed()
    }
}

fn retry_after() -> Result<(), String> {
    let mut stand = stand(Commits::AtOnce, WriteMode::upsert(["key"]));
    stand.dataset = odd(1, |_| {
        let wait = Retry::After(Duration::from_secs(90));
        let error = Error::new(ErrorKind::LimitExceeded, "too many calls; wait").retrying(wait);
        Some(Box::pin(async { error }))
    });
    let report = stand.report(undisturbed(), stand.request())?;
    let waited = stand.clock.now().timestamp();
    ensure(
        report.outcome == Outcome::Success && waited >= 90 && report.retries == 1,
        || format!("{:?} after {waited} s", report.outcome),
    )
}

/// A dataset that gives no cursor but behind its last record.
#[derive(Debug)]
struct FewCursors(Arc<dyn Dataset>);

#[async_trait]
impl Dataset for FewCursors {
    fn info(&self) -> &DatasetInfo {
        self.0.info()
    }

    fn schema(&self) -> &Schema {
        self.0.schema()
    }

    fn read(&self, context: &Context, request: ReadRequest) -> BatchStream {
        let batches = self.0.read(context, request);
        let thin = batches.map(|batch| {
            let mut batch = batch?;
            batch.resume = batch.resume.filter(|at| at.as_str() == "12");
            Ok(batch)
        });
        thin.boxed()
    }
}

fn broken_reads() -> Result<(), String> {
    for few_cursors in [false, true] {
        for batch_rows in 1..8 {
            let mut stand = stand(Commits::InsertsOnly, WriteMode::Insert);
            stand.dataset = odd(3, |_| {
                let error = Error::new(ErrorKind::Io, "the line was cut").retrying(Retry::Now);
                Some(Box::pin(async { error }))
            });
            if few_cursors {
                stand.dataset = Arc::new(FewCursors(stand.dataset));
            }
            let report =
                stand.report(undisturbed(), stand.request().with_batch_rows(batch_rows))?;
            let records = stand.records();
            ensure(
                report.outcome == Outcome::Success && records == 12 && report.retries == 3,
                || format!("batches of {batch_rows}: {records} records instead of 12, {report}"),
            )?;
        }
    }
    Ok(())
}

fn silence() -> Result<(), String> {
    let kinds = [
        EffectKind::Connect,
        EffectKind::Open,
        EffectKind::Read,
        EffectKind::Write,
        EffectKind::Commit,
        EffectKind::StateGet,
        EffectKind::StatePut,
        EffectKind::Acknowledge,
    ];
    for kind in kinds {
        for fate in [Fate::Hang, Fate::HangAfter] {
            let stand = stand(Commits::WithCheckpoint, WriteMode::Insert);
            let request = stand
                .request()
                .with_timeouts(Timeouts::all(Duration::from_secs(20)));
            let report = stand.report(nth(kind, 1, fate), request)?;
            let (records, waited) = (stand.records(), stand.clock.now().timestamp());
            let right = report.outcome == Outcome::Success && records == 12 && report.retries == 1;
            ensure(right && waited >= 20, || {
                format!("{kind:?} {fate:?}: {records} records after {waited} s, {report}")
            })?;
        }
    }
    Ok(())
}

/// Sleeps before each batch.
#[derive(Debug)]
pub(crate) struct Slow {
    pub(crate) rows: Arc<dyn Dataset>,
    pub(crate) seconds: u64,
}

#[async_trait]
impl Dataset for Slow {
    fn info(&self) -> &DatasetInfo {
        self.rows.info()
    }

    fn schema(&self) -> &Schema {
        self.rows.schema()
    }

    fn read(&self, context: &Context, request: ReadRequest) -> BatchStream {
        let (context, pause) = (context.clone(), Duration::from_secs(self.seconds));
        let batches = self.rows.read(&context.clone(), request);
        let slow = batches.then(move |batch| {
            let sleep = context.clock().sleep(pause);
            async move {
                sleep.await;
                batch
            }
        });
        slow.boxed()
    }
}

fn long_run() -> Result<(), String> {
    let mut stand = stand(Commits::AtOnce, WriteMode::upsert(["key"]));
    stand.dataset = Arc::new(Slow {
        rows: stand.dataset,
        seconds: 45,
    });
    let report = stand.report(undisturbed(), stand.request().with_lease(lease()))?;
    ensure(report.outcome == Outcome::Success, || format!("{report}"))
}

fn margin() -> Result<(), String> {
    // From some moment on nothing is renewed.
    for puts in 2..6 {
        let mut stand = stand(Commits::AtOnce, WriteMode::upsert(["key"]));
        stand.dataset = Arc::new(Slow {
            rows: Arc::new(dataset((0..300).map(|n| format!("key {n}")))),
            seconds: 4,
        });
        let (clock, seen) = (stand.clock.clone(), Arc::new(Mutex::new((0, 0))));
        let moments = seen.clone();
        let script = move |effect: &Effect| {
            let now = clock.now().timestamp();
            let (renewed, written) = &mut *moments.lock().unwrap();
            match effect.kind {
                EffectKind::StatePut if effect.nth > puts => return Fate::Fail(true),
                EffectKind::StatePut => *renewed = now,
                EffectKind::Write => *written = now,
                _ => {}
            }
            Fate::Proceed
        };
        let effects = Effects::new(script);
        // One group, so that only the lease puts state.
        let request = stand
            .request()
            .with_commit(CommitPolicy::default().with_interval(Duration::MAX));
        let ended = stand.drive(&effects, stand.context(), request.with_lease(lease()));
        let lost = matches!(&ended, Ended::Done(Ok(report))
            if report.failure.as_ref().is_some_and(|failure| failure.kind() == ErrorKind::Conflict));
        let (renewed, written) = *seen.lock().unwrap();
        ensure(lost && written < renewed + 35, || {
            format!(
                "written {} s after the last renewal, {ended:?}",
                written - renewed
            )
        })?;
        // What was written until then is in the report.
        let there = stand.records() as u64;
        let told = match &ended {
            Ended::Done(Ok(report)) => report.destinations.first(),
            _ => None,
        };
        let told = told.filter(|told| told.inserted == there && told.check().is_ok());
        ensure(told.is_some() && there > 0, || {
            format!("{there} records were written, {ended:?}")
        })?;
    }
    Ok(())
}

fn stood_still() -> Result<(), String> {
    let mut stand = stand(Commits::AtOnce, WriteMode::upsert(["key"]));
    let clock = stand.clock.clone();
    let fresh = AtomicU64::new(1);
    let still = move |batch| {
        // The machine is suspended amid a step of the run.
        if fresh.swap(0, Ordering::Relaxed) == 1 {
            clock.advance(TimeDelta::seconds(600));
        }
        batch
    };
    stand.dataset = Arc::new(Mapped(stand.dataset, Arc::new(still)));
    // The lease is not renewed any more either, as if another runner had it.
    let script = |effect: &Effect| match effect.kind == EffectKind::StatePut && effect.nth > 2 {
        true => Fate::Fail(true),
        false => Fate::Proceed,
    };
    let (ended, trace) = stand.run(Box::new(script), stand.request().with_lease(lease()));
    let writes = trace
        .iter()
        .filter(|effect| effect.kind == EffectKind::Write)
        .count();
    let lost = matches!(&ended, Ended::Done(Ok(report)) if report.failure.is_some());
    ensure(lost && writes == 0, || {
        format!("{writes} writes, {ended:?}")
    })
}

type Change =
    Arc<dyn Fn(Result<syncline::record::Batch>) -> Result<syncline::record::Batch> + Send + Sync>;

/// A dataset whose batches are looked at.
struct Mapped(Arc<dyn Dataset>, Change);

impl std::fmt::Debug for Mapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mapped")
    }
}

#[async_trait]
impl Dataset for Mapped {
    fn info(&self) -> &DatasetInfo {
        self.0.info()
    }

    fn schema(&self) -> &Schema {
        self.0.schema()
    }

    fn read(&self, context: &Context, request: ReadRequest) -> BatchStream {
        let change = Arc::clone(&self.1);
        self.0
            .read(context, request)
            .map(move |batch| change(batch))
            .boxed()
    }
}

/// Says that it can do a lot at once.
#[derive(Debug)]
struct Wide;

impl Executor for Wide {
    fn parallelism(&self) -> usize {
        50
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        Inline.spawn(task);
    }
}

fn memory() -> Result<(), String> {
    // A batch takes about a kilobyte when it was read, and twice that when it is mapped.
    for (budget, most) in [(1, 1), (5_000, 2), (11_000, 5), (1 << 20, 51)] {
        let mut stand = stand(Commits::AtOnce, WriteMode::upsert(["key"]));
        let rows = dataset((0..3_000).map(|n| format!("{n:040}")));
        let flight = Arc::new(Mutex::new((0_i64, 0_i64)));
        let counter = flight.clone();
        let count = move |batch| {
            let (now, peak) = &mut *counter.lock().unwrap();
            *now += 1;
            *peak = (*peak).max(*now);
            batch
        };
        stand.dataset = Arc::new(Mapped(Arc::new(rows), Arc::new(count)));
        let counter = flight.clone();
        let script = move |effect: &Effect| {
            if effect.kind == EffectKind::Write {
                counter.lock().unwrap().0 -= 1;
            }
            Fate::Proceed
        };
        let effects = Effects::new(script);
        let request = stand.request().with_batch_rows(15).with_memory(budget);
        let request = request.with_commit(CommitPolicy::default());
        let context = stand.context().with_executor(Arc::new(Wide));
        let ended = stand.drive(&effects, context, request);
        let peak = flight.lock().unwrap().1;
        let done = matches!(&ended, Ended::Done(Ok(report)) if report.outcome == Outcome::Success);
        ensure(done && peak <= most && peak * 2 >= most, || {
            format!("up to {peak} batches in flight within {budget} bytes, {ended:?}")
        })?;
    }
    Ok(())
}

#[test]
fn every_trial_holds() {
    for trial in &TRIALS {
        if let Err(how) = (trial.run)() {
            panic!("{}: {how}", trial.rule);
        }
    }
}
