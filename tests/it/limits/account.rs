//! Calls of an account, and runs that wait for more.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::executor::block_on;
use futures::future::join_all;
use syncline::connection::Connection;
use syncline::host::{
    Clock as _, Context, Expected, SeededEntropy, StateKey, StateKind, StateStore, Stored, Timeline,
};
use syncline::job::{CommitPolicy, Job as _, Outcome, RunRequest, SyncJob};
use syncline::memory::{
    Commits, ManualClock, MemoryConnection, MemoryDataset, MemoryRejects, MemoryState,
};
use syncline::policy::{Account, CallLimits, RetryPolicy};
use syncline::record::{Field, FieldType, RecordBuilder, Schema};
use syncline::spec::{DestinationSpec, FieldMapping, Identity, MappingSpec, ObjectSpec, WriteMode};
use syncline::{ErrorKind, Retry, Tenant};

fn start() -> DateTime<Utc> {
    "2025-06-01T06:00:00Z".parse().unwrap()
}

fn tenant() -> Tenant {
    Tenant::new("acme").unwrap()
}

fn account(store: &Arc<MemoryState>, limits: CallLimits) -> Account {
    Account::new(&tenant(), "crm", store.clone(), limits).unwrap()
}

fn context(clock: &ManualClock) -> Context {
    Context::new()
        .with_clock(Arc::new(clock.clone()))
        .with_entropy(Arc::new(SeededEntropy::new(5)))
}

/// Seconds since the start.
fn passed(clock: &ManualClock) -> f64 {
    (clock.now() - start()).as_seconds_f64()
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

fn home(commits: Commits) -> MemoryConnection {
    let spec = ObjectSpec::new("number", Identity::Generated, fields());
    MemoryConnection::new("home")
        .with_object(&spec)
        .unwrap()
        .with_commits(commits)
}

fn to(
    home: Arc<dyn Connection>,
    dataset: Arc<dyn syncline::dataset::Dataset>,
    mode: WriteMode,
) -> SyncJob {
    let mapping = MappingSpec::new(vec![FieldMapping::direct("n", "n")]);
    SyncJob::new("numbers", dataset).to(home, DestinationSpec::new("number", mode, mapping))
}

fn request(state: &Arc<MemoryState>) -> RunRequest {
    RunRequest::new(Arc::new(MemoryRejects::new()))
        .with_batch_rows(2)
        .with_commit(CommitPolicy::default().with_records(4))
        .with_state(tenant(), state.clone())
}

#[test]
fn a_source_whose_quota_is_spent_pauses_the_run_and_what_was_read_is_kept() {
    let (state, clock) = (Arc::new(MemoryState::new()), ManualClock::new(start()));
    let day = Duration::from_secs(86_400);
    // Batches of two, and with every second of them the source hears what is safe: seven batches in the first ten calls.
    let limits = CallLimits::default()
        .with_window(10, day)
        .with_margin(Duration::ZERO);
    let home = home(Commits::WithCheckpoint);
    let source = account(&state, limits).dataset(numbers(20));
    let job = to(Arc::new(home.clone()), source, WriteMode::Insert);
    let run = || {
        clock
            .drive(job.run(&context(&clock), request(&state)))
            .unwrap()
            .unwrap()
    };
    let first = run();
    let next_day: DateTime<Utc> = "2025-06-02T00:00:00Z".parse().unwrap();
    let Outcome::Paused { until } = first.outcome else {
        panic!("{first}")
    };
    assert!((until - next_day).num_seconds().abs() <= 1, "{until}");
    assert_eq!((first.records, first.destinations[0].inserted), (14, 14));
    assert!(first.failure.is_none());
    assert!(first.to_string().contains("paused"), "{first}");
    assert_eq!(home.object("number").unwrap().len(), 14);
    // Too early: nothing is lost, nothing is done.
    let early = run();
    assert!(matches!(early.outcome, Outcome::Paused { .. }), "{early}");
    assert_eq!(early.records, 14);
    assert!(!early.to_string().contains("nothing of what"), "{early}");
    clock.advance(chrono::TimeDelta::hours(18));
    let second = run();
    assert_eq!(
        (second.outcome, second.records, second.resumed),
        (Outcome::Success, 20, 14)
    );
    assert_eq!(home.object("number").unwrap().len(), 20);
}

#[test]
fn a_destination_whose_quota_is_spent_pauses_the_run_whatever_it_was_about_to_do() {
    for calls in 0..24 {
        let (state, clock) = (Arc::new(MemoryState::new()), ManualClock::new(start()));
        let hour = Duration::from_secs(3600);
        let limits = CallLimits::default()
            .with_window(calls, hour)
            .with_margin(Duration::ZERO);
        let home = home(Commits::WithCheckpoint);
        let behind = account(&state, limits).connection(Arc::new(home.clone()));
        let job = to(behind, numbers(20), WriteMode::Insert);
        let mut runs = 0;
        loop {
            runs += 1;
            let report = clock
                .drive(job.run(&context(&clock), request(&state)))
                .unwrap()
                .unwrap();
            match report.outcome {
                Outcome::Success => break,
                Outcome::Paused { until } => assert!(until > start()),
                other => panic!("{calls}: {other:?}: {report}"),
            }
            if calls < 8 {
                // Discovery, opening, two writes and a commit do not fit in one hour: it never gets on.
                break;
            }
            clock.advance(chrono::TimeDelta::hours(1));
            assert!(runs < 40, "{calls}");
        }
        if calls >= 8 {
            assert_eq!(home.object("number").unwrap().len(), 20, "{calls}");
            assert!(runs > 1 || calls > 17, "{calls}: {runs}");
        }
    }
}

#[test]
fn short_waits_are_waited() {
    let (state, clock) = (Arc::new(MemoryState::new()), ManualClock::new(start()));
    let limits = CallLimits::default().with_rate(2);
    let home = home(Commits::AtOnce);
    let source = account(&state, limits).dataset(numbers(20));
    let job = to(Arc::new(home.clone()), source, WriteMode::Insert);
    let timeline = Timeline::new(Arc::new(clock.clone()));
    let context = context(&clock).with_observer(Arc::new(timeline.clone()));
    let report = clock
        .drive(job.run(&context, request(&state)))
        .unwrap()
        .unwrap();
    assert_eq!(report.outcome, Outcome::Success);
    // Ten batches and the end, and six times the source heard what is safe: all but the first wait for half a second.
    assert_eq!(passed(&clock), 8.0);
    let events = serde_json::to_value(&timeline).unwrap();
    let waits = events.as_array().unwrap().iter();
    assert_eq!(
        waits.filter(|event| event["event"] == "throttled").count(),
        16
    );
}

/// A plain insert is not made twice when nobody knows whether it was made; but of one that waits for its turn, all know.
#[test]
fn an_insert_that_was_not_made_for_want_of_calls_is_made_later() {
    let (state, clock) = (Arc::new(MemoryState::new()), ManualClock::new(start()));
    let limits = CallLimits::default()
        .with_window(4, Duration::from_secs(60))
        .with_margin(Duration::ZERO)
        .with_longest_wait(Duration::ZERO);
    let home = home(Commits::AtOnce);
    let behind = account(&state, limits).connection(Arc::new(home.clone()));
    let job = to(behind, numbers(20), WriteMode::Insert);
    let report = clock
        .drive(job.run(&context(&clock), request(&state)))
        .unwrap()
        .unwrap();
    assert_eq!(report.outcome, Outcome::Success, "{report}");
    assert!(report.retries > 0);
    assert_eq!(home.object("number").unwrap().len(), 20);
    // Where nothing is tried again, the run pauses.
    let never = request(&state)
        .with_retry(RetryPolicy::never())
        .with_run("second");
    let report = clock
        .drive(job.run(&context(&clock), never))
        .unwrap()
        .unwrap();
    assert!(matches!(report.outcome, Outcome::Paused { .. }), "{report}");
}

#[test]
fn no_more_calls_are_under_way_than_the_account_allows() {
    let (state, clock) = (Arc::new(MemoryState::new()), ManualClock::new(start()));
    let limits = CallLimits::default()
        .with_concurrency(3)
        .with_longest_wait(Duration::from_secs(3600));
    let account = account(&state, limits);
    let context = context(&clock);
    let under_way = std::sync::atomic::AtomicI64::new(0);
    let most = std::sync::atomic::AtomicI64::new(0);
    let order = std::sync::atomic::Ordering::SeqCst;
    let calls = (0..20).map(|_| {
        account.call(&context, async {
            let now = under_way.fetch_add(1, order) + 1;
            most.fetch_max(now, order);
            context.clock().sleep(Duration::from_secs(1)).await;
            under_way.fetch_sub(1, order);
            Ok(())
        })
    });
    let ended = clock.drive(join_all(calls)).unwrap();
    assert!(ended.iter().all(Result::is_ok));
    assert_eq!(most.into_inner(), 3);
    // Seven rounds of three, and the looks between them.
    let seconds = passed(&clock);
    assert!((7.0..14.0).contains(&seconds), "{seconds}");
}

#[test]
fn a_call_that_takes_longer_than_its_entry_is_cut() {
    let (state, clock) = (Arc::new(MemoryState::new()), ManualClock::new(start()));
    let limits = CallLimits::default()
        .with_concurrency(1)
        .with_longest_call(Duration::from_secs(2));
    let account = account(&state, limits);
    let context = context(&clock);
    let call = account.call(&context, futures::future::pending::<syncline::Result<()>>());
    let error = clock.drive(call).unwrap().unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::Timeout, Retry::Now)
    );
}

#[test]
fn the_book_of_an_account_is_read_as_it_was_written() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/state/account-1.bin"
    );
    let key = StateKey::new(&tenant(), StateKind::Account, ["crm"]).unwrap();
    let day = Duration::from_secs(86_400);
    let limits = || {
        CallLimits::default()
            .with_rate(3)
            .with_window(2, day)
            .with_concurrency(2)
            .with_margin(Duration::ZERO)
    };
    if std::env::var_os("SYNCLINE_GOLDEN").is_some() {
        let (state, clock) = (Arc::new(MemoryState::new()), ManualClock::new(start()));
        let account = account(&state, limits());
        for _ in 0..2 {
            let context = context(&clock);
            let call = account.call(&context, futures::future::pending::<syncline::Result<()>>());
            // The process dies in the call.
            let _ = futures::FutureExt::now_or_never(call);
            clock.advance(chrono::TimeDelta::seconds(1));
        }
        let Stored { bytes, .. } = block_on(state.get(&key)).unwrap().unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let state = Arc::new(MemoryState::new());
    let bytes = Bytes::from(std::fs::read(path).unwrap());
    let _ = block_on(state.put(&key, bytes, Expected::Absent)).unwrap();
    let account = account(&state, limits());
    // Both slots are taken by calls that nobody heard of again, then both calls of the day are made.
    let asked = |at: &str| {
        let clock = ManualClock::new(at.parse().unwrap());
        clock
            .drive(account.call(&context(&clock), async { Ok(()) }))
            .unwrap()
    };
    let busy = asked("2025-06-01T06:00:05Z").unwrap_err();
    assert_eq!(
        (busy.kind(), busy.retry()),
        (
            ErrorKind::QuotaSpent,
            Retry::After(Duration::from_millis(200))
        )
    );
    let spent = asked("2025-06-01T07:00:00Z").unwrap_err();
    assert_eq!(
        (spent.kind(), spent.retry()),
        (
            ErrorKind::QuotaSpent,
            Retry::After(Duration::from_secs(17 * 3600))
        )
    );
    asked("2025-06-02T00:00:00Z").unwrap();
}
