//! Windows, one by one: what a run reads, skips and counts.

use std::sync::Arc;

use futures::executor::block_on;
use syncline::ErrorKind;
use syncline::host::{CancelToken, Event, Observer};
use syncline::job::{Guarantee, Job as _, Outcome, Start};
use syncline::memory::{Commits, MemoryDataset};
use syncline::record::{CursorValue, Reason, RecordBuilder, Schema};
use syncline::spec::{Incremental, NullCursor, Overlap, SyncMode, WriteMode};

use super::scene::Scene;
use super::source::{History, Live, Order, Version, snapshot, time};

fn version(key: i64, value: i64, at: impl Into<Option<i64>>, commit: i64) -> Version {
    Version {
        key,
        value,
        at: at.into(),
        commit,
        gone: false,
    }
}

fn at(seconds: i64) -> Option<CursorValue> {
    Some(CursorValue::DateTime(time(seconds)))
}

/// A source of these versions and a job that syncs it, without a skew of the clocks.
fn story(by: Incremental, versions: &[Version]) -> (Scene, Live) {
    let scene = Scene::incremental(by.with_clock_skew(0));
    let live = Live::new(History(versions.to_vec()), scene.clock.clone(), 2);
    (scene, live)
}

fn wait(scene: &Scene, seconds: i64) {
    scene.clock.advance(chrono::TimeDelta::seconds(seconds));
}

#[test]
fn a_record_that_comes_late_with_the_value_of_the_watermark_is_read() {
    let by = Incremental::new("at").with_key(["key"]);
    let (mut scene, live) = story(by, &[version(1, 10, 5, 5), version(2, 20, 5, 6)]);
    wait(&scene, 5);
    assert_eq!(scene.run(live.clone()).window.unwrap().watermark, at(5));
    wait(&scene, 5);
    let report = scene.run(live);
    let window = report.window.unwrap();
    assert_eq!(
        (window.from, window.watermark, window.known),
        (at(5), at(5), 1)
    );
    assert_eq!(
        (
            report.destinations[0].inserted,
            report.destinations[0].skipped
        ),
        (1, 1)
    );
    assert_eq!(scene.rows().len(), 2);
}

#[test]
fn a_record_that_is_changed_back_within_the_overlap_is_written() {
    let by = Incremental::new("at").with_key(["key"]);
    let versions = [
        version(1, 10, 5, 5),
        version(1, 11, 5, 6),
        version(1, 10, 5, 7),
    ];
    let (mut scene, live) = story(by, &versions);
    for value in [10, 11, 10] {
        wait(
            &scene,
            if value == 10 && scene.lives == 0 {
                5
            } else {
                1
            },
        );
        scene.run(live.clone());
        assert_eq!(scene.rows()[&1], [(value, None)]);
    }
}

#[test]
fn a_record_from_the_future_comes_and_moves_nothing() {
    let by = Incremental::new("at").with_key(["key"]);
    let versions = [
        version(1, 10, 5, 5),
        version(2, 20, 4000, 5),
        version(3, 30, 8, 8),
    ];
    let (mut scene, live) = story(by, &versions);
    wait(&scene, 6);
    let window = scene.run(live.clone()).window.unwrap();
    assert_eq!((window.watermark, window.future), (at(5), 1));
    assert_eq!(scene.rows()[&2], [(20, None)]);
    wait(&scene, 4);
    let window = scene.run(live.clone()).window.unwrap();
    // It is known, and still from the future.
    assert_eq!(
        (window.watermark, window.future, window.known),
        (at(8), 1, 2)
    );
    wait(&scene, 5000);
    assert_eq!(scene.run(live).window.unwrap().watermark, at(4000));
}

#[test]
fn a_record_that_changes_behind_the_reader_is_read_by_the_next_run() {
    for order in [Order::Key, Order::Shuffled(7)] {
        let by = Incremental::new("at").with_key(["key"]);
        let versions: Vec<Version> = (0..6).map(|key| version(key, 0, 5, 5)).collect();
        let (mut scene, mut live) = story(by, &versions);
        (live.order, live.page_takes) = (order, 10);
        wait(&scene, 10);
        let keys = live.keys();
        // The first page is read at 10, the last at 30.
        live.history
            .lock()
            .unwrap()
            .0
            .extend([version(keys[0], 1, 15, 15), version(keys[5], 2, 25, 25)]);
        let window = scene.run(live.clone()).window.unwrap();
        assert_eq!((window.upper_bound, window.watermark), (at(10), at(5)));
        let rows = scene.rows();
        assert_eq!((rows[&keys[0]][0].0, rows[&keys[5]][0].0), (0, 2));
        scene.run(live);
        assert_eq!(scene.rows()[&keys[0]], [(1, None)], "{order:?}");
    }
}

#[test]
fn our_own_clock_counts_less_its_skew() {
    let by = Incremental::new("at").with_clock_skew(60);
    let mut scene = Scene::incremental(by);
    let history = History(vec![version(1, 10, 50, 50), version(2, 20, 95, 95)]);
    wait(&scene, 100);
    let window = scene.run(snapshot(&history, 100)).window.unwrap();
    assert_eq!(
        (window.upper_bound, window.watermark, window.future),
        (at(40), None, 2)
    );
    wait(&scene, 20);
    let window = scene.run(snapshot(&history, 120)).window.unwrap();
    assert_eq!((window.upper_bound, window.watermark), (at(60), at(50)));
}

#[test]
fn records_without_a_value_are_rejected_written_or_skipped() {
    let versions = [version(1, 10, None, 1), version(2, 20, 2, 2)];
    for (nulls, wrote) in [
        (NullCursor::Reject, 1),
        (NullCursor::Always, 2),
        (NullCursor::Skip, 1),
    ] {
        let by = Incremental::new("at").with_key(["key"]).with_nulls(nulls);
        for whole in [false, true] {
            let (mut scene, live) = story(by.clone(), &versions);
            wait(&scene, 5);
            let report = match whole {
                true => scene.run(snapshot(&live.history.lock().unwrap(), 5)),
                false => scene.run(live.clone()),
            };
            let counts = &report.destinations[0];
            assert_eq!(counts.inserted, wrote, "{nulls:?}");
            let rejected = counts.rejects.get(&Reason::EmptyCursor).copied();
            assert_eq!(rejected, (nulls == NullCursor::Reject).then_some(1));
            let skipped = u64::from(nulls == NullCursor::Skip && whole);
            assert_eq!(
                (counts.skipped, report.window.unwrap().empty),
                (skipped, skipped)
            );
            if nulls == NullCursor::Always {
                assert_eq!(scene.run(live).destinations[0].updated, 1);
            }
        }
    }
}

#[test]
fn a_range_reads_a_stretch_of_the_past_and_moves_nothing() {
    let by = Incremental::new("at").with_key(["key"]);
    let versions = [
        version(1, 10, 10, 10),
        version(2, 20, 20, 20),
        version(3, 30, 30, 30),
    ];
    let (mut scene, live) = story(by, &versions);
    wait(&scene, 20);
    scene.run(live.clone());
    scene.home.object("row").unwrap();
    wait(&scene, 20);
    let report = scene.run_with(Arc::new(live.clone()), |request| {
        request.with_range(at(10), at(20))
    });
    let window = report.unwrap().window.unwrap();
    assert_eq!((window.from, window.to, window.known), (at(10), at(20), 0));
    // Even one that has no end.
    let report = scene.run_with(Arc::new(live.clone()), |request| {
        request.with_range(at(25), None)
    });
    assert_eq!(report.unwrap().destinations[0].inserted, 1);
    let window = scene.run(live).window.unwrap();
    assert_eq!(
        (window.from, window.watermark, window.known),
        (at(20), at(30), 1)
    );
}

#[test]
fn a_range_that_breaks_off_is_gone_on_with() {
    let by = Incremental::new("at").with_key(["key"]);
    let versions: Vec<Version> = (0..10).map(|n| version(n, n, n, n)).collect();
    let (mut scene, live) = story(by, &versions);
    scene.group_records = 2;
    wait(&scene, 20);
    let range = |request: syncline::job::RunRequest| request.with_range(at(2), at(8));
    let stop = CancelToken::new();
    stop.cancel();
    let job = scene.job(Arc::new(live.clone()), Arc::new(scene.home.clone()));
    let request = range(scene.request(scene.ledger.clone(), scene.state.clone()));
    let stopped = block_on(job.run(&scene.context().with_cancel(stop), request)).unwrap();
    assert_eq!(stopped.outcome, Outcome::Cancelled);
    // Another run of the job is none of its affair.
    assert_eq!(scene.run(live.clone()).records, 10);
    let report = scene.run_with(Arc::new(live), range).unwrap();
    assert_eq!((report.records, report.outcome), (6, Outcome::Success));
}

#[test]
fn a_refresh_reads_everything_and_starting_over_what_is_new() {
    let by = Incremental::new("at").with_key(["key"]);
    let versions: Vec<Version> = (0..6).map(|n| version(n, n, n, n)).collect();
    let (mut scene, live) = story(by, &versions);
    wait(&scene, 20);
    scene.run(live.clone());
    let run = |scene: &mut Scene, start| {
        scene
            .run_with(Arc::new(live.clone()), |request| request.with_start(start))
            .unwrap()
    };
    assert_eq!(run(&mut scene, Start::Over).window.unwrap().from, at(5));
    let report = run(&mut scene, Start::Refresh);
    let window = report.window.unwrap();
    assert_eq!(
        (window.from, window.watermark, window.known),
        (None, at(5), 0)
    );
    assert_eq!(report.destinations[0].updated, 6);
}

#[test]
fn another_cursor_field_or_mode_is_not_taken_for_the_old_one() {
    let by = Incremental::new("at");
    let (mut scene, live) = story(
        by,
        &[
            version(1, 1, 1, 1),
            version(2, 2, 2, 2),
            version(3, 3, 3, 3),
        ],
    );
    wait(&scene, 5);
    scene.run(live.clone());
    scene.sync = SyncMode::Incremental(Incremental::new("value"));
    let error = scene
        .run_with(Arc::new(live.clone()), |request| request)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OtherLineage);
    let report = scene.run_with(Arc::new(live.clone()), |request| {
        request.with_start(Start::Refresh)
    });
    let window = report.unwrap().window.unwrap();
    assert_eq!(
        (window.watermark, window.upper_bound),
        (Some(CursorValue::Integer(3)), None)
    );
}

#[test]
fn another_cursor_field_of_the_same_type_is_not_taken_for_the_old_one() {
    let (mut scene, live) = story(Incremental::new("value"), &[version(1, 1, 1, 1)]);
    scene.run(live.clone());
    scene.sync = SyncMode::Incremental(Incremental::new("key"));
    let error = scene.run_with(Arc::new(live), |request| request);
    assert_eq!(error.unwrap_err().kind(), ErrorKind::OtherLineage);
}

#[test]
fn a_run_that_goes_on_reads_the_window_that_the_other_one_began() {
    let by = Incremental::new("at").with_key(["key"]);
    let versions: Vec<Version> = (0..10).map(|n| version(n, n, n, n)).collect();
    let (mut scene, live) = story(by, &versions);
    scene.group_records = 2;
    wait(&scene, 20);
    let stop = CancelToken::new();
    let job = scene.job(Arc::new(live.clone()), Arc::new(scene.home.clone()));
    let request = scene.request(scene.ledger.clone(), scene.state.clone());
    let context = scene.context().with_cancel(stop.clone());
    let context = context.with_observer(Arc::new(StopAtProgress(stop)));
    let stopped = block_on(job.run(&context, request)).unwrap();
    assert_eq!((stopped.outcome, stopped.records), (Outcome::Cancelled, 2));
    wait(&scene, 20);
    let report = scene.run(live);
    let window = report.window.unwrap();
    assert_eq!(
        (report.resumed, window.upper_bound, window.watermark),
        (2, at(20), at(9))
    );
}

/// Stops a run behind its first batch.
#[derive(Debug)]
struct StopAtProgress(CancelToken);

impl Observer for StopAtProgress {
    fn observe(&self, event: &Event<'_>) {
        if matches!(event, Event::Progress { .. }) {
            self.0.cancel();
        }
    }
}

/// Here from a source that knows nothing of windows.
#[test]
fn records_that_no_window_wants_are_counted_and_skipped() {
    for nulls in [NullCursor::Reject, NullCursor::Always, NullCursor::Skip] {
        let by = Incremental::new("at").with_key(["key"]).with_nulls(nulls);
        let versions: Vec<Version> = (0..10)
            .map(|n| version(n, n, (n % 3 > 0).then_some(n), n))
            .collect();
        let (mut scene, _) = story(by, &versions);
        wait(&scene, 20);
        let all = snapshot(&History(versions), 20);
        let range = |request: syncline::job::RunRequest| request.with_range(at(2), at(8));
        let report = scene.run_with(Arc::new(all), range).unwrap();
        let window = report.window.unwrap();
        // Without a value are 0, 3, 6, 9; outside are 1 and 8.
        assert_eq!((window.empty, window.outside), (4, 2), "{nulls:?}");
        let counts = &report.destinations[0];
        assert_eq!(
            (counts.inserted, counts.skipped, counts.rejected),
            (4, 6, 0)
        );
    }
}

#[test]
fn a_record_whose_key_has_no_value_is_never_known_again() {
    let by = Incremental::new("at").with_key(["value", "key"]);
    let (mut scene, _) = story(by, &[]);
    wait(&scene, 20);
    let rows = |key: Option<i64>| {
        let schema = Schema::new(super::source::fields());
        let mut rows = RecordBuilder::new(&schema);
        rows.push(&serde_json::json!({"key": 1, "value": key, "at": time(5)}))
            .unwrap();
        MemoryDataset::new("rows", schema, vec![rows.finish().unwrap()]).unwrap()
    };
    for (key, known) in [(Some(1), 1), (None, 0)] {
        scene.run(rows(key));
        assert_eq!(scene.run(rows(key)).window.unwrap().known, known, "{key:?}");
    }
}

#[test]
fn what_does_not_fit_is_told_with_its_path() {
    let problems = |by: Incremental| {
        let (scene, live) = story(by, &[]);
        let job = scene.job(Arc::new(live), Arc::new(scene.home.clone()));
        let error = block_on(job.plan(&scene.context())).unwrap_err();
        let paths = error.problems().iter().map(|problem| problem.path.clone());
        paths.collect::<Vec<_>>()
    };
    assert_eq!(
        problems(Incremental::new("when")),
        ["dataset.sync.incremental.field"]
    );
    assert_eq!(
        problems(Incremental::new("at").with_key(["no", "value"])),
        ["dataset.sync.incremental.key[0]"]
    );
    assert_eq!(
        problems(Incremental::new("at").with_overlap(Overlap::Days(1))),
        ["dataset.sync.incremental.overlap"]
    );
    let mut scene = Scene::new(SyncMode::Full);
    let live = Live::new(History::default(), scene.clock.clone(), 2);
    let error = scene
        .run_with(Arc::new(live), |request| request.with_range(None, None))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[test]
fn the_guarantee_counts_the_overlap() {
    let guarantee = |mode: WriteMode, commits| {
        let (mut scene, live) = story(Incremental::new("at"), &[]);
        scene.mode = mode;
        let job = scene.job(
            Arc::new(live),
            Arc::new(scene.home.clone().with_commits(commits)),
        );
        block_on(job.plan(&scene.context())).unwrap().guarantee()
    };
    assert_eq!(
        guarantee(WriteMode::Insert, Commits::WithCheckpoint),
        Guarantee::AtLeastOnce
    );
    let keyed = || WriteMode::upsert(["key"]);
    assert_eq!(
        guarantee(keyed(), Commits::WithCheckpoint),
        Guarantee::EffectivelyOnce
    );
    assert_eq!(
        guarantee(keyed(), Commits::AtOnce),
        Guarantee::EffectivelyOnce
    );
}

#[test]
fn days_and_numbers_are_cursor_fields_too() {
    let job = |columns: &str, by: &str| {
        format!(
            r#"{{"version": 1, "name": "j",
            "dataset": {{"version": 1, "sync": {{"incremental": {by}}},
              "source": {{"file": {{"name": "in.csv", "columns": [{{"name": "k", "type": "text"}}, {columns}]}}}}}},
            "objects": [{{"name": "o", "identity": "generated", "fields": [{{"name": "k", "type": "text"}}]}}],
            "destinations": [{{"object": "o", "mode": {{"upsert": {{"identifiers": [["k"]]}}}},
              "mapping": {{"fields": [{{"field": "k", "from": "k"}}]}}}}]}}"#
        )
    };
    let spec = job(
        r#"{"name": "day", "type": "date"}"#,
        r#"{"field": "day", "overlap": {"days": 2}}"#,
    );
    let ran = crate::support::run(
        &spec,
        &[(
            "in.csv",
            "k,day\na,2025-01-02\nb,2025-01-07\nc,2999-01-01\n",
        )],
    );
    // There is no state, so there is nothing to go by: everything is new.
    assert_eq!(ran.report.destinations[0].inserted, 3);
    assert_eq!(ran.report.window.unwrap().future, 1);
    let spec = job(
        r#"{"name": "day", "type": "local_datetime"}"#,
        r#"{"field": "day"}"#,
    );
    let problems = crate::support::problems(&spec, &[("in.csv", "k,day\n")]);
    assert!(
        problems[0].1.contains("goes back each autumn"),
        "{problems:?}"
    );
}
