//! What one run leaves to the next.

#![allow(clippy::unwrap_used)]

use async_trait::async_trait;
use bytes::Bytes;
use futures::executor::block_on;

use super::*;
use crate::Tenant;
use crate::host::Stored;
use crate::memory::{ManualClock, MemoryRejects, MemoryState};

type Store = Arc<dyn StateStore>;

fn store() -> Store {
    Arc::new(MemoryState::new())
}

/// The job's next run, over a source of this lineage.
fn run_of(
    source: &str,
    store: &Store,
    change: fn(RunRequest) -> RunRequest,
) -> Result<Checkpoints> {
    let request = RunRequest::new(Arc::new(MemoryRejects::new()));
    let request = change(request.with_state(Tenant::new("acme")?, Arc::clone(store)));
    let state = request.state.as_ref().unwrap();
    let mut dataset = DatasetInfo::new("rows", Vec::new());
    dataset.lineage = source.into();
    let clock = ManualClock::new("2025-01-31T06:00:00Z".parse().unwrap());
    let context = Context::new().with_clock(Arc::new(clock));
    block_on(Checkpoints::open(
        &context,
        state,
        &request,
        "job",
        &dataset,
        &["contact"],
    ))
}

fn run(store: &Store) -> Checkpoints {
    run_of("source", store, |request| request).unwrap()
}

fn cursor(group: u64) -> Cursor {
    Cursor::new(format!("behind {group}"))
}

fn border(group: u64) -> Border {
    Border {
        cursor: Some(cursor(group)),
        ..Border::start(group)
    }
}

/// The last one, of an incremental job or not.
fn end(group: u64, progress: Option<Progress>) -> Border {
    Border {
        ended: true,
        progress,
        ..border(group)
    }
}

fn progress() -> Option<Progress> {
    let counts = r#"{"outside": 0, "known": 0, "empty": 0, "future": 0}"#;
    let recent = r#"{"seeds": [1, 2], "versions": ""}"#;
    let text = format!(
        r#"{{"field": "version", "kind": "integer", "watermark": null, "window": null, "newest": 7, "counts": {counts},
            "recent": {recent}}}"#
    );
    Some(Progress::from_text(&text).unwrap())
}

/// The run commits this group, and all destinations have it.
fn commit(run: &mut Checkpoints, border: Border) {
    let group = border.group;
    block_on(run.begin(border)).unwrap();
    block_on(run.durable(group)).unwrap();
}

fn begun(run: &Checkpoints) -> Vec<u64> {
    run.begun().iter().map(|border| border.group).collect()
}

#[test]
fn a_run_shuts_all_earlier_ones_out() {
    let store = store();
    let mut first = run(&store);
    // Above all that a store which was lost can have counted up to.
    assert!(first.epoch() > 1_738_000_000);
    let second = run(&store);
    assert!(second.epoch() > first.epoch());
    let far = run_of("source", &store, |request| request.with_epoch(u64::MAX - 9)).unwrap();
    assert_eq!(far.epoch(), u64::MAX - 9);
    assert!(run(&store).epoch() > far.epoch());
    block_on(first.begin(border(1))).unwrap();
    let error = block_on(first.durable(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(run(&store).safe().group, 0);
}

/// A store that does what it is asked to and asks itself again, as a client does that got no answer.
#[derive(Debug)]
struct Twice(MemoryState);

#[async_trait]
impl StateStore for Twice {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>> {
        self.0.get(key).await
    }

    async fn put(&self, key: &StateKey, bytes: Bytes, expected: Expected) -> Result<Swap> {
        let _ = self.0.put(key, bytes.clone(), expected.clone()).await?;
        self.0.put(key, bytes, expected).await
    }

    async fn delete(&self, key: &StateKey, expected: StateVersion) -> Result<bool> {
        self.0.delete(key, expected).await
    }

    async fn list(
        &self,
        tenant: &Tenant,
        kind: StateKind,
        after: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<StateKey>> {
        self.0.list(tenant, kind, after, limit).await
    }
}

#[test]
fn a_run_knows_what_it_saved_itself() {
    let store: Store = Arc::new(Twice(MemoryState::new()));
    let mut first = run(&store);
    commit(&mut first, border(1));
    commit(&mut first, border(2));
    assert_eq!(run(&store).safe().group, 2);
    let error = block_on(first.save()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

#[test]
fn a_group_that_a_destination_may_have_comes_again_as_it_was() {
    let store = store();
    let mut first = run(&store);
    assert!(!first.goes_on());
    block_on(first.begin(border(1))).unwrap();
    assert!(!run(&store).goes_on(), "no destination tells groups apart");

    let mut first = run(&store);
    first.save_borders();
    block_on(first.begin(border(1))).unwrap();
    block_on(first.begin(border(2))).unwrap();
    let mut second = run(&store);
    assert!(second.goes_on());
    assert_eq!((begun(&second), second.safe().group), (vec![1, 2], 0));
    second.save_borders();
    block_on(second.begin(border(1))).unwrap();
    let mut third = run(&store);
    assert_eq!(begun(&third), [1, 2], "it is saved once");
    third.save_borders();
    commit(&mut third, border(1));
    let mut fourth = run(&store);
    assert_eq!(
        (begun(&fourth), fourth.safe().clone()),
        (vec![2], border(1))
    );
    fourth.save_borders();
    commit(&mut fourth, border(2));
    let mut fifth = run(&store);
    assert!(fifth.goes_on() && begun(&fifth).is_empty());
    commit(&mut fifth, end(3, None));
    assert!(!fifth.goes_on());
    assert!(!run(&store).goes_on());
}

#[test]
fn a_watermark_moves_when_the_window_is_safe() {
    let store = store();
    let mut first = run(&store);
    block_on(first.begin(end(1, progress()))).unwrap();
    assert_eq!(run(&store).progress(), (None, None));
    let mut second = run(&store);
    commit(&mut second, end(1, progress()));
    let reached = progress().unwrap().next(true);
    assert_eq!(run(&store).progress(), (Some(&reached), None));
}

#[test]
fn a_source_hears_again_what_is_safe_and_never_of_another_ones_cursor() {
    let store = store();
    let named: fn(RunRequest) -> RunRequest = |request| request.with_run("today");
    let mut first = run_of("source", &store, named).unwrap();
    assert_eq!(first.unheard(), None);
    commit(&mut first, border(1));
    assert_eq!(first.unheard(), Some(&cursor(1)));
    assert_eq!(run(&store).unheard(), Some(&cursor(1)));
    let over: fn(RunRequest) -> RunRequest = |request| request.with_start(Start::Over);
    assert_eq!(run_of("other", &store, over).unwrap().unheard(), None);

    let mut first = run_of("source", &store, named).unwrap();
    commit(&mut first, end(5, None));
    assert_eq!(run_of("other", &store, named).unwrap().unheard(), None);
    assert_eq!(
        run_of("source", &store, named).unwrap().unheard(),
        Some(&cursor(5))
    );
    assert_eq!(run(&store).unheard(), Some(&cursor(5)));
}

#[test]
fn a_source_of_which_nothing_was_read_may_be_another_one_the_next_time() {
    let store = store();
    run(&store);
    let mut other = run_of("other", &store, |request| request).unwrap();
    commit(&mut other, border(1));
    assert!(
        run_of("other", &store, |request| request)
            .unwrap()
            .goes_on()
    );
    let error = run_of("source", &store, |request| request).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OtherLineage);
}

#[test]
fn what_all_destinations_have_is_safe() {
    let store = store();
    let mut first = run(&store);
    first.save_borders();
    for group in 1..=3 {
        block_on(first.begin(border(group))).unwrap();
    }
    let kept = |group| Some(first.to_keep(&border(group)));
    let mut second = run(&store);
    block_on(second.adopt(&[None, kept(3)])).unwrap();
    block_on(second.adopt(&[kept(3), kept(2)])).unwrap();
    for run in [second, run(&store)] {
        assert_eq!((run.safe().clone(), begun(&run)), (border(2), vec![3]));
    }
    let mut third = run(&store);
    let ahead = block_on(third.adopt(&[kept(2), kept(4)])).unwrap_err();
    assert_eq!(ahead.kind(), ErrorKind::CorruptState);
}

#[test]
fn destinations_make_up_for_a_store_that_was_lost_if_they_are_of_one_mind() {
    let first = run(&store());
    let kept = |group| Some(first.to_keep(&border(group)));
    let adopted = |source, kept: &[Option<Checkpoint>]| {
        let mut next = run_of(source, &store(), |request| request)?;
        block_on(next.adopt(kept))?;
        Ok::<_, Error>(next.safe().clone())
    };
    assert_eq!(adopted("source", &[kept(5), kept(5)]).unwrap(), border(5));
    assert_eq!(adopted("source", &[None, None]).unwrap(), Border::start(0));
    for unlike in [[kept(5), kept(6)], [kept(5), None]] {
        let error = adopted("source", &unlike).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CorruptState);
    }
    let error = adopted("other", &[kept(5)]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OtherLineage);
}

#[test]
fn a_destination_is_no_older_than_what_is_not_read_again() {
    let kept = |group| run(&store()).to_keep(&border(group));
    let misses = |store: &Store, change| {
        let next = run_of("source", store, change).unwrap();
        assert!(next.check_kept("contact", Some(&kept(2))).is_ok());
        let older = next.check_kept("contact", Some(&kept(1)));
        assert_eq!(older.is_ok(), next.check_kept("contact", None).is_ok());
        older.is_err_and(|error| error.kind() == ErrorKind::CorruptState)
    };
    let resume: fn(RunRequest) -> RunRequest = |request| request.with_run("today");
    let over: fn(RunRequest) -> RunRequest =
        |request| request.with_run("today").with_start(Start::Over);
    let refresh: fn(RunRequest) -> RunRequest = |request| request.with_start(Start::Refresh);
    let after = |border: Border| {
        let store = store();
        commit(&mut run_of("source", &store, resume).unwrap(), border);
        store
    };
    assert!(!misses(&store(), resume));
    // A run that broke off, and one of this name that ended.
    assert!(misses(&after(border(2)), resume) && !misses(&after(border(2)), over));
    assert!(misses(&after(end(2, None)), resume) && !misses(&after(end(2, None)), over));
    // What is new is read from the watermark on, unless there is none any more.
    assert!(misses(&after(end(2, progress())), resume) && misses(&after(end(2, progress())), over));
    assert!(!misses(&after(end(2, progress())), refresh));
}
