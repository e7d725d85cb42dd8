//! Faults: each fate does what it says, and the suites see what a fault breaks.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use futures::executor::block_on;
use futures::{FutureExt as _, TryStreamExt as _};
use syncline::conformance;
use syncline::connection::Connection as _;
use syncline::dataset::{BatchStream, Dataset, DatasetInfo, ReadRequest};
use syncline::destination::{CommitRequest, OpenRequest, WriteField};
use syncline::host::{
    Clock as _, Context, Executor as _, Expected, FileStore as _, Inline, Notice,
    RejectLedger as _, RejectSegment, SeededEntropy, StateKey, StateKind, StateStore as _, Swap,
    ThreadPool, run_on,
};
use syncline::job::{RunRequest, SyncJob};
use syncline::memory::{
    Commits, ManualClock, MemoryDataset, MemoryDestination, MemoryFiles, MemoryNotifications,
    MemoryRejects, MemoryState,
};
use syncline::record::array::{ArrayRef, RecordBatch, StringViewArray};
use syncline::record::{
    Batch, CursorValue, Field, FieldType, Position, RawRecord, Reason, Refusal, Reject, RowsAsRead,
    Schema,
};
use syncline::spec::{DestinationSpec, FieldMapping, Identity, MappingSpec, WriteMode};
use syncline::testing::conformance::{
    ConnectionFixture, DATASET, DatasetFixture, EXECUTOR, ExecutorFixture, FILE_STORE,
    FileStoreFixture, RejectLedgerFixture, Report, STATE_STORE, StateStoreFixture, every_type,
    fidelity,
};
use syncline::testing::{
    Effect, EffectKind, Effects, Fate, Fault, FaultyClock, FaultyConnection, FaultyDataset,
    FaultyDestination, FaultyExecutor, FaultyFiles, FaultyRejects, FaultyState,
};
use syncline::{Result, Tenant, testing};

/// Effects of which one of a kind meets a fate.
fn nth(kind: EffectKind, nth: u64, fate: Fate) -> Effects {
    Effects::new(
        move |effect: &Effect| match effect.kind == kind && effect.nth == nth {
            true => fate,
            false => Fate::Proceed,
        },
    )
}

fn key() -> StateKey {
    StateKey::new(
        &Tenant::new("acme").unwrap(),
        StateKind::Checkpoint,
        ["job"],
    )
    .unwrap()
}

#[test]
fn a_state_store_answers_stale_damaged_or_twice() {
    let run = |effects: &Effects| {
        let inner = MemoryState::new();
        let store = FaultyState::new(effects, Arc::new(inner.clone()));
        let put = |bytes: &'static str, expected| {
            block_on(store.put(&key(), bytes.into(), expected)).unwrap()
        };
        let get = || {
            block_on(store.get(&key()))
                .unwrap()
                .map(|stored| stored.bytes)
        };
        let Swap::Done(first) = put("aaa", Expected::Absent) else {
            panic!("a conflict")
        };
        let before = get();
        let second = put("bbb", Expected::Version(first));
        (
            before,
            second,
            get(),
            block_on(inner.get(&key())).unwrap().unwrap().bytes,
        )
    };
    let (before, second, after, is) = run(&Effects::scripted([]));
    assert!(matches!(second, Swap::Done(_)));
    assert_eq!(
        (before.unwrap(), after.unwrap(), is),
        ("aaa".into(), "bbb".into(), "bbb".into())
    );
    let (_, _, after, is) = run(&nth(EffectKind::StateGet, 2, Fate::Stale));
    assert_eq!((after.unwrap(), is), ("aaa".into(), "bbb".into()));
    let (_, _, after, is) = run(&nth(EffectKind::StateGet, 2, Fate::Corrupt));
    assert_eq!((after.unwrap(), is), ("bcb".into(), "bbb".into()));
    let (_, _, _, is) = run(&nth(EffectKind::StatePut, 2, Fate::Corrupt));
    assert_eq!(is, "bcb");
    // The request was delivered twice, and the answer is that of the second.
    let (_, second, _, is) = run(&nth(EffectKind::StatePut, 2, Fate::Duplicate));
    assert_eq!((second, is), (Swap::Conflict, "bbb".into()));
}

fn segment(records: std::ops::Range<u64>) -> RejectSegment {
    let reject = |record| {
        let refusal = Refusal::new(Reason::BadValue, "a refusal that a test asked for");
        Reject::new(
            Position::new("rows", record),
            refusal,
            RawRecord::Cells(Vec::new()),
        )
    };
    RejectSegment::new(None, [].into(), records.map(reject).collect())
}

#[test]
fn a_ledger_keeps_some_twice_or_in_another_order() {
    let kept = |fate: Fate| {
        let inner = Arc::new(MemoryRejects::new());
        let ledger = FaultyRejects::new(&nth(EffectKind::RejectAppend, 1, fate), inner.clone());
        let first = block_on(ledger.append(segment(0..3)));
        block_on(async {
            ledger.append(segment(3..4)).await?;
            ledger.seal().await
        })
        .unwrap();
        let records: Vec<u64> = inner
            .all()
            .iter()
            .map(|reject| reject.position.record)
            .collect();
        (first.is_ok(), records)
    };
    assert_eq!(kept(Fate::Proceed), (true, vec![0, 1, 2, 3]));
    assert_eq!(kept(Fate::Duplicate), (true, vec![0, 1, 2, 0, 1, 2, 3]));
    assert_eq!(kept(Fate::Reorder), (true, vec![3, 0, 1, 2]));
    assert_eq!(kept(Fate::FailAmid(2)), (false, vec![0, 1, 3]));
    assert_eq!(kept(Fate::FailAfter(true)), (false, vec![0, 1, 2, 3]));
}

#[test]
fn a_file_is_damaged_doubled_or_cut() {
    let written = |fate: Fate| {
        let inner = MemoryFiles::new();
        let files = FaultyFiles::new(
            &nth(EffectKind::FileWrite, 1, fate),
            Arc::new(inner.clone()),
        );
        let mut file = block_on(files.create("a")).unwrap();
        let first = block_on(file.write("aaaa".into()));
        block_on(file.finish()).unwrap();
        (first.is_ok(), inner.bytes("a").unwrap())
    };
    assert_eq!(written(Fate::Proceed), (true, "aaaa".into()));
    assert_eq!(written(Fate::Corrupt), (true, "aa`a".into()));
    assert_eq!(written(Fate::Duplicate), (true, "aaaaaaaa".into()));
    assert_eq!(written(Fate::FailAmid(3)), (false, "aaa".into()));
    let inner = MemoryFiles::new();
    inner.insert("a", "aaaa");
    let files = FaultyFiles::new(
        &nth(EffectKind::FileOpen, 1, Fate::Corrupt),
        Arc::new(inner),
    );
    let opened = block_on(files.open("a", 0)).unwrap();
    let bytes: Vec<bytes::Bytes> = block_on(opened.bytes.try_collect()).unwrap();
    assert_eq!(bytes.concat(), b"aa`a");
}

#[test]
fn a_batch_comes_twice_or_behind_the_next() {
    let numbers = |fate: Fate| -> Vec<u64> {
        let (schema, records) = crate::sources::looked_into();
        let inner = MemoryDataset::new("rows", schema, vec![records]).unwrap();
        let dataset = FaultyDataset::new(&nth(EffectKind::Read, 2, fate), Arc::new(inner));
        let batches = dataset.read(&Context::new(), ReadRequest::new().with_batch_rows(2));
        let first = |batch: Batch| batch.origins.sequence(0);
        block_on(batches.map_ok(first).try_collect()).unwrap()
    };
    assert_eq!(numbers(Fate::Proceed), [0, 2, 4, 6]);
    assert_eq!(numbers(Fate::Duplicate), [0, 2, 2, 4, 6]);
    assert_eq!(numbers(Fate::Reorder), [0, 4, 2, 6]);
}

#[test]
fn late_is_late_by_the_clock_of_the_effects() {
    let clock = ManualClock::new(DateTime::UNIX_EPOCH);
    for (fate, done_at_once) in [
        (Fate::Slow(Duration::from_secs(5)), false),
        (Fate::Hold(Duration::from_secs(5)), true),
    ] {
        let began = clock.monotonic();
        let effects = nth(EffectKind::FileRemove, 1, fate).with_clock(Arc::new(clock.clone()));
        let inner = MemoryFiles::new();
        inner.insert("a", "a");
        let files = FaultyFiles::new(&effects, Arc::new(inner.clone()));
        let mut removed = Box::pin(files.remove("a"));
        assert!((&mut removed).now_or_never().is_none());
        assert_eq!(inner.bytes("a").is_none(), done_at_once);
        clock.drive(removed).unwrap().unwrap();
        assert!(inner.bytes("a").is_none());
        assert_eq!(clock.monotonic() - began, Duration::from_secs(5));
    }
}

#[test]
fn tasks_are_lost_or_late_and_the_calendar_jumps() {
    let ran = |fate: Fate| {
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let executor = FaultyExecutor::new(&nth(EffectKind::Spawn, 1, fate), Arc::new(Inline));
        for number in 0..3 {
            let order = Arc::clone(&order);
            executor.spawn(Box::pin(async move { order.lock().unwrap().push(number) }));
        }
        std::mem::take(&mut *order.lock().unwrap())
    };
    assert_eq!(ran(Fate::Fail(false)), [1, 2]);
    assert_eq!(ran(Fate::Hang), [1, 2]);
    assert_eq!(ran(Fate::Reorder), [1, 0, 2]);
    let inner = ManualClock::new(DateTime::UNIX_EPOCH);
    let effects = nth(
        EffectKind::ClockRead,
        2,
        Fate::Jump(TimeDelta::seconds(-90)),
    );
    let clock = FaultyClock::new(&effects, Arc::new(inner.clone()));
    let seconds: Vec<i64> = (0..3).map(|_| clock.now().timestamp()).collect();
    assert_eq!(
        (seconds, clock.monotonic()),
        (vec![0, -90, -90], inner.monotonic())
    );
}

#[test]
fn random_bytes_come_again_or_are_none() {
    let drawn = |fate: Fate| {
        let effects = nth(EffectKind::EntropyFill, 2, fate);
        let entropy = effects.entropy(Arc::new(SeededEntropy::new(1)));
        [4, 8, 4].map(|length| {
            let mut bytes = vec![1; length];
            entropy.fill(&mut bytes);
            bytes
        })
    };
    let [first, second, third] = drawn(Fate::Proceed);
    assert!(first != second[..4] && first != third && second != [0; 8]);
    let [_, again, _] = drawn(Fate::Duplicate);
    assert_eq!(again, [&first[..], &first[..]].concat());
    let [_, none, _] = drawn(Fate::Corrupt);
    assert_eq!(none, [0; 8]);
}

#[test]
fn runs_are_refused_or_lost_or_done_twice() {
    let ran = |fate: Fate| {
        let home = crate::sources::home();
        let before = home.object("person").unwrap().len();
        let schema = Schema::new(vec![Field::new("name", FieldType::Text)]);
        let names: ArrayRef = Arc::new(StringViewArray::from(vec!["Cleo"]));
        let records = RecordBatch::try_from_iter([("name", names)]).unwrap();
        let source = MemoryDataset::new("names", schema, vec![records]).unwrap();
        let mapping = MappingSpec::new(vec![FieldMapping::direct("name", "name")]);
        let spec = DestinationSpec::new("person", WriteMode::Insert, mapping);
        let job = SyncJob::new("people", Arc::new(source)).to(Arc::new(home.clone()), spec);
        let job = nth(EffectKind::JobRun, 1, fate).job(Arc::new(job));
        let request = RunRequest::new(Arc::new(MemoryRejects::new()));
        let report = block_on(job.run(&Context::new(), request));
        (
            report.is_ok(),
            home.object("person").unwrap().len() - before,
        )
    };
    assert_eq!(ran(Fate::Proceed), (true, 1));
    assert_eq!(ran(Fate::Fail(true)), (false, 0));
    assert_eq!(ran(Fate::FailAfter(true)), (false, 1));
    assert_eq!(ran(Fate::Duplicate), (true, 2));
}

/// The names at home behind an insert and what a fate does to one of its calls, and whether all went well.
fn inserted(commits: Commits, kind: EffectKind, fate: Fate) -> (bool, usize) {
    let home = crate::sources::home().with_commits(commits);
    let before = home.object("person").unwrap().len();
    let connection = FaultyConnection::new(&nth(kind, 1, fate), Arc::new(home.clone()));
    let written = block_on(async {
        let context = Context::new();
        let person = connection.destination(&context, "person").await?;
        let request = OpenRequest::new("job", vec![WriteField::new("name")], WriteMode::Insert)
            .with_ids(true);
        let mut writer = person.open(&context, request).await?.writer;
        let names: ArrayRef = Arc::new(StringViewArray::from(vec!["Cleo", "Dan", "Eve"]));
        let records = RecordBatch::try_from_iter([("name", names)]).unwrap();
        let origins = RowsAsRead::new("rows", 0, records.clone()).into_origins();
        let report = writer.write(&context, Batch::new(records, origins)).await?;
        let deleted = writer
            .delete(&context, report.ids.unwrap().slice(0, 2))
            .await;
        writer
            .commit(&context, CommitRequest::new(1).as_last())
            .await?;
        deleted
    });
    (
        written.is_ok(),
        home.object("person").unwrap().len() - before,
    )
}

#[test]
fn a_writer_does_a_thing_twice_or_in_part() {
    let (once, only) = (Commits::AtOnce, Commits::InsertsOnly);
    assert_eq!(inserted(once, EffectKind::Write, Fate::Proceed), (true, 1));
    // One that only inserts cannot delete either.
    assert_eq!(inserted(only, EffectKind::Write, Fate::Duplicate).1, 4);
    assert_eq!(
        inserted(once, EffectKind::Write, Fate::FailAmid(2)),
        (false, 2)
    );
    assert_eq!(
        inserted(once, EffectKind::Delete, Fate::FailAmid(1)),
        (false, 2)
    );
    // The second delete finds nothing any more.
    assert_eq!(
        inserted(once, EffectKind::Delete, Fate::Duplicate),
        (true, 1)
    );
    assert_eq!(
        inserted(once, EffectKind::Commit, Fate::Duplicate),
        (true, 1)
    );
    assert_eq!(
        inserted(once, EffectKind::Commit, Fate::FailAfter(true)),
        (false, 1)
    );
    assert_eq!(
        inserted(once, EffectKind::Open, Fate::Fail(true)),
        (false, 0)
    );
}

#[test]
fn lists_and_the_time_of_a_source_may_be_stale() {
    let store = FaultyState::new(
        &nth(EffectKind::StateList, 2, Fate::Stale),
        Arc::new(MemoryState::new()),
    );
    let listed = || {
        block_on(store.list(key().tenant(), StateKind::Checkpoint, None, 9))
            .unwrap()
            .len()
    };
    let before = listed();
    let _ = block_on(store.put(&key(), "1".into(), Expected::Absent)).unwrap();
    assert_eq!((before, listed(), listed()), (0, 0, 1));

    #[derive(Debug)]
    struct Ticking(MemoryDataset, std::sync::atomic::AtomicI64);
    #[async_trait::async_trait]
    impl Dataset for Ticking {
        fn info(&self) -> &DatasetInfo {
            self.0.info()
        }
        fn schema(&self) -> &Schema {
            self.0.schema()
        }
        fn read(&self, context: &Context, request: ReadRequest) -> BatchStream {
            self.0.read(context, request)
        }
        async fn upper_bound(&self, _: &Context, _: &str) -> Result<Option<CursorValue>> {
            let now = self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Ok(Some(CursorValue::Integer(now)))
        }
    }
    let (schema, records) = crate::sources::looked_into();
    let ticking = Ticking(
        MemoryDataset::new("rows", schema, vec![records]).unwrap(),
        5.into(),
    );
    let dataset = FaultyDataset::new(
        &nth(EffectKind::UpperBound, 2, Fate::Stale),
        Arc::new(ticking),
    );
    let now = || block_on(dataset.upper_bound(&Context::new(), "n")).unwrap();
    let told = [5, 5, 7].map(|number| Some(CursorValue::Integer(number)));
    assert_eq!([now(), now(), now()], told);
}

#[test]
fn a_notice_is_lost_or_delivered_twice_or_its_answer_is() {
    let delivered = |fate: Fate| {
        let inner = MemoryNotifications::new();
        let effects = nth(EffectKind::Deliver, 1, fate);
        let mail = effects.notifications(Arc::new(inner.clone()));
        let at = DateTime::UNIX_EPOCH;
        let notice = Notice::new("1", Tenant::new("acme").unwrap(), "ops@example.com", at);
        let first = block_on(mail.deliver(&notice)).is_ok();
        (first, inner.delivered().len())
    };
    assert_eq!(delivered(Fate::Proceed), (true, 1));
    assert_eq!(delivered(Fate::Fail(true)), (false, 0));
    assert_eq!(delivered(Fate::FailAfter(true)), (false, 1));
    assert_eq!(delivered(Fate::Duplicate), (true, 2));
}

#[test]
fn what_an_effect_cannot_meet_is_a_mistake_of_the_test() {
    let files = Effects::scripted([(1, Fate::Stale)]).files(Arc::new(MemoryFiles::new()));
    let asked = std::panic::AssertUnwindSafe(|| block_on(files.list("")));
    let panic = std::panic::catch_unwind(asked).unwrap_err();
    assert!(
        panic
            .downcast_ref::<String>()
            .unwrap()
            .contains("EffectKind::faults")
    );
}

#[test]
fn a_seed_is_a_schedule() {
    let trace = |seed| {
        let effects = Effects::seeded(seed, 3, &[Fault::Reject, Fault::Duplicate, Fault::Stale]);
        let store = effects.state(Arc::new(MemoryState::new()));
        let mut answers = Vec::new();
        for number in 0..40 {
            let put = block_on(store.put(&key(), format!("{number}").into(), Expected::Absent));
            answers.push(format!(
                "{:?} {:?}",
                put.map_err(|e| e.kind()),
                block_on(store.get(&key())).map_err(|e| e.kind())
            ));
        }
        answers
    };
    assert_eq!(trace(1), trace(1));
    assert_ne!(trace(1), trace(2));
    assert!(trace(1).iter().any(|answer| answer.contains("Err")));
}

/// What a suite sees of an implementation whose effects meet a fate, one in three.
fn seen<F: testing::conformance::Fixture>(
    suite: &'static testing::conformance::Suite<F>,
    kind: EffectKind,
    fate: Fate,
    fixture: impl Fn(Effects) -> F,
) -> Report {
    let fresh = || {
        let script = move |effect: &Effect| match effect.kind == kind && effect.nth % 3 == 2 {
            true => fate,
            false => Fate::Proceed,
        };
        std::future::ready(Ok(fixture(Effects::new(script))))
    };
    let context = Context::new().with_executor(Arc::new(ThreadPool::new(2).unwrap()));
    block_on(suite.run(&context, fresh))
}

#[test]
fn the_suites_see_faults() {
    for (kind, fate) in [
        (EffectKind::StateGet, Fate::Stale),
        (EffectKind::StateGet, Fate::Corrupt),
        (EffectKind::StatePut, Fate::Corrupt),
    ] {
        let report = seen(&STATE_STORE, kind, fate, |effects| {
            let store = Arc::new(MemoryState::new());
            StateStoreFixture::new(move || FaultyState::new(&effects, store.clone()))
        });
        assert!(
            !report.failed().is_empty(),
            "{fate:?} at {kind:?}\n{report}"
        );
    }
    for (kind, fate) in [
        (EffectKind::FileOpen, Fate::Corrupt),
        (EffectKind::FileWrite, Fate::Corrupt),
        (EffectKind::FileWrite, Fate::Duplicate),
    ] {
        let report = seen(&FILE_STORE, kind, fate, |effects| {
            let files = Arc::new(MemoryFiles::new());
            FileStoreFixture::new(move || FaultyFiles::new(&effects, files.clone()))
        });
        assert!(
            !report.failed().is_empty(),
            "{fate:?} at {kind:?}\n{report}"
        );
    }
    for fate in [Fate::Duplicate, Fate::Reorder] {
        let report = seen(&DATASET, EffectKind::Read, fate, |effects| {
            let (schema, records) = crate::sources::looked_into();
            let inner = MemoryDataset::new("rows", schema, vec![records]).unwrap();
            let inner: Arc<dyn Dataset> = Arc::new(inner);
            DatasetFixture::new(move || Arc::new(FaultyDataset::new(&effects, inner.clone())))
        });
        assert!(report.failed().contains(&"DS-03"), "{fate:?}\n{report}");
    }
    let report = seen(&EXECUTOR, EffectKind::Spawn, Fate::Fail(false), |effects| {
        let pool = Arc::new(ThreadPool::new(2).unwrap());
        ExecutorFixture::new(FaultyExecutor::new(&effects, pool))
    });
    assert!(report.failed().contains(&"EX-01"), "{report}");
    // A suite that is told nothing says so, and does not pass.
    let report = seen(
        &STATE_STORE,
        EffectKind::StateGet,
        Fate::Fail(false),
        |effects| {
            let store = Arc::new(MemoryState::new());
            StateStoreFixture::new(move || FaultyState::new(&effects, store.clone()))
        },
    );
    assert!(!report.objections(&[]).is_empty());
    let lost = block_on(run_on(
        &FaultyExecutor::new(
            &Effects::scripted([(1, Fate::Fail(true))]),
            Arc::new(Inline),
        ),
        async { 1 },
    ));
    assert_eq!(lost.unwrap_err().kind(), syncline::ErrorKind::Contract);
}

fn undisturbed() -> Effects {
    Effects::scripted([])
}

// Wrappers that disturb nothing are no worse than what they wrap.
conformance!(an_undisturbed_state_store: state_store, {
    let store = MemoryState::new();
    StateStoreFixture::new(move || FaultyState::new(&undisturbed(), Arc::new(store.clone())))
});
conformance!(an_undisturbed_file_store: file_store, {
    let files = MemoryFiles::new();
    FileStoreFixture::new(move || FaultyFiles::new(&undisturbed(), Arc::new(files.clone())))
});
conformance!(an_undisturbed_ledger: reject_ledger, {
    let ledger = Arc::new(MemoryRejects::new());
    let kept = ledger.clone();
    RejectLedgerFixture::new(
        move || undisturbed().eager_rejects(ledger.clone()),
        move || std::future::ready(Ok(crate::ports::kept_in_memory(&kept))),
    )
    .giving_back()
}, skip: [("RL-06", "it keeps those of many runs")]);
conformance!(an_undisturbed_executor: executor,
    ExecutorFixture::new(FaultyExecutor::new(&undisturbed(), Arc::new(ThreadPool::new(2)?))));
conformance!(an_undisturbed_dataset: dataset, {
    let records = fidelity(&every_type())?;
    let dataset = MemoryDataset::new("all", every_type(), vec![records.clone()])?;
    DatasetFixture::new(move || undisturbed().dataset(Arc::new(dataset.clone()))).holding(records)
}, skip: [("DS-09", "records have no unparsed text"), ("DS-10", "it filters nothing"), ("DS-11", "it has no clock")]);
conformance!(an_undisturbed_connection: connection,
    ConnectionFixture::new(FaultyConnection::new(&undisturbed(), Arc::new(crate::sources::home()))));
conformance!(an_undisturbed_destination: destination, {
    let object = crate::destinations::object(Identity::Generated);
    let destination = MemoryDestination::new(object.clone()).with_commits(Commits::WithCheckpoint);
    let destination = FaultyDestination::new(&undisturbed(), Arc::new(destination));
    crate::destinations::in_memory(object, Arc::new(destination))
}, skip: [("DW-11", "the checkpoint is what it goes by")]);
