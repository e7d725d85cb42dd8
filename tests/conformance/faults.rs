//! Faults: each fate does what it says, and the suites see what a fault breaks.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use futures::executor::block_on;
use futures::{FutureExt as _, TryStreamExt as _};
use syncline::dataset::{Dataset as _, ReadRequest};
use syncline::host::{
    Clock as _, Context, Executor as _, Expected, FileStore as _, Inline, RejectLedger as _,
    RejectSegment, StateKey, StateKind, StateStore as _, Swap, ThreadPool, run_on,
};
use syncline::memory::{ManualClock, MemoryFiles, MemoryRejects, MemoryState};
use syncline::record::{Position, RawRecord, Reason, Refusal, Reject};
use syncline::testing::conformance::{
    DATASET, DatasetFixture, EXECUTOR, ExecutorFixture, FILE_STORE, FileStoreFixture, Report,
    STATE_STORE, StateStoreFixture,
};
use syncline::testing::{
    Effect, EffectKind, Effects, Fate, Fault, FaultyClock, FaultyDataset, FaultyExecutor,
    FaultyFiles, FaultyRejects, FaultyState,
};
use syncline::{Tenant, testing};

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
        let inner = syncline::memory::MemoryDataset::new("rows", schema, vec![records]).unwrap();
        let dataset = FaultyDataset::new(&nth(EffectKind::Read, 2, fate), Arc::new(inner));
        let batches = dataset.read(&Context::new(), ReadRequest::new().with_batch_rows(2));
        let first = |batch: syncline::record::Batch| batch.origins.sequence(0);
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
            let inner =
                syncline::memory::MemoryDataset::new("rows", schema, vec![records]).unwrap();
            let inner: Arc<dyn syncline::dataset::Dataset> = Arc::new(inner);
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
