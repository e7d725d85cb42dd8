//! What becomes of records that the source deletes.

use std::sync::Arc;

use futures::executor::block_on;
use serde_json::json;
use syncline::ErrorKind;
use syncline::memory::Commits;
use syncline::spec::{Incremental, SourceDeletes, SyncMode, WriteMode};

use super::scene::Scene;
use super::source::{History, Live, Log, Version, snapshot};

fn made(key: i64, value: i64, at: i64) -> Version {
    Version {
        key,
        value,
        at: Some(at),
        commit: at,
        gone: false,
    }
}

fn gone(key: i64, at: i64) -> Version {
    Version {
        gone: true,
        ..made(key, 0, at)
    }
}

fn story(deletes: SourceDeletes, versions: &[Version]) -> (Scene, Live) {
    let mut scene = Scene::incremental(Incremental::new("at").with_key(["key"]));
    scene.deletes = deletes;
    let live = Live::new(History(versions.to_vec()), scene.clock.clone(), 5);
    (scene, live)
}

fn wait(scene: &Scene, seconds: i64) {
    scene.clock.advance(chrono::TimeDelta::seconds(seconds));
}

fn soft() -> SourceDeletes {
    SourceDeletes::Soft {
        field: "gone".into(),
    }
}

#[test]
fn each_policy_does_what_it_says_and_a_record_may_come_again() {
    let versions = [
        made(1, 10, 1),
        made(2, 20, 2),
        made(3, 30, 3),
        gone(1, 11),
        gone(9, 12),
        made(3, 31, 13),
        made(1, 12, 21),
    ];
    let all_commits = [Commits::AtOnce, Commits::ByGroup, Commits::WithCheckpoint];
    for (commits, batch_rows) in all_commits.into_iter().flat_map(|c| [(c, 1), (c, 17)]) {
        for policy in [SourceDeletes::Ignore, soft(), SourceDeletes::Delete] {
            let (mut scene, live) = story(policy.clone(), &versions);
            scene = scene.committing(commits);
            scene.batch_rows = batch_rows;
            wait(&scene, 5);
            scene.run(live.clone());
            let mark = |gone| (policy == soft()).then_some(gone);
            assert_eq!(scene.rows()[&1], [(10, mark(false))]);
            wait(&scene, 10);
            let report = scene.run(live.clone());
            let counts = &report.destinations[0];
            let ignored = u64::from(policy == SourceDeletes::Ignore);
            // One of them hits no record.
            assert_eq!(
                (counts.deleted, counts.skipped),
                (1 - ignored, 1 + ignored),
                "{policy:?}"
            );
            match policy {
                SourceDeletes::Delete => assert_eq!(scene.rows().get(&1), None),
                _ => assert_eq!(scene.rows()[&1], [(10, mark(true))]),
            }
            assert_eq!(scene.rows()[&3], [(31, mark(false))]);
            wait(&scene, 10);
            scene.run(live);
            assert_eq!(scene.rows()[&1], [(12, mark(false))]);
            assert_eq!(scene.rows().len(), 3);
        }
    }
}

#[test]
fn a_delete_is_not_taken_for_the_record_as_it_was_known() {
    // Nothing but the word tells them apart.
    let made = made(1, 0, 5);
    let versions = [
        made,
        Version {
            commit: 11,
            ..gone(1, 5)
        },
    ];
    let (mut scene, live) = story(SourceDeletes::Delete, &versions);
    wait(&scene, 10);
    scene.run(live.clone());
    wait(&scene, 10);
    assert_eq!(scene.run(live).destinations[0].deleted, 1);
}

#[test]
fn a_filter_says_nothing_about_deletes() {
    let (mut scene, live) = story(SourceDeletes::Delete, &[made(1, 10, 1), gone(1, 11)]);
    let filter = json!({"gt": [{"field": "value"}, {"value": 5}]});
    scene.filter = Some(serde_json::from_value(filter).unwrap());
    wait(&scene, 5);
    scene.run(live.clone());
    assert_eq!(scene.rows().len(), 1);
    wait(&scene, 10);
    assert_eq!(scene.run(live).destinations[0].deleted, 1);
    assert_eq!(scene.rows().len(), 0);
}

#[test]
fn a_mirror_deletes_what_a_full_read_lacks() {
    let versions: Vec<Version> = (0..10).map(|key| made(key, key, 1)).collect();
    for commits in [Commits::AtOnce, Commits::WithCheckpoint] {
        let mut scene = Scene::new(SyncMode::Full).committing(commits);
        scene.deletes = SourceDeletes::Mirror { most_percent: 20 };
        let read = |scene: &mut Scene, versions: &[Version]| {
            scene.run(snapshot(&History(versions.to_vec()), 9))
        };
        assert_eq!(read(&mut scene, &versions).destinations[0].removed, 0);
        let report = read(&mut scene, &versions[2..]);
        assert_eq!(
            (
                report.destinations[0].removed,
                report.destinations[0].updated
            ),
            (2, 8)
        );
        assert_eq!(
            scene.rows().keys().copied().collect::<Vec<_>>(),
            (2..10).collect::<Vec<_>>()
        );
        // Two of eight are a quarter.
        let fewer = snapshot(&History(versions[4..].to_vec()), 9);
        let report = scene.run_with(Arc::new(fewer), |request| request).unwrap();
        let failure = report.failure.unwrap();
        assert_eq!(failure.kind(), ErrorKind::LimitExceeded, "{failure}");
        assert_eq!(scene.rows().len(), 8);
        let nothing = snapshot(&History::default(), 9);
        let report = scene.run_with(Arc::new(nothing), |request| {
            request.with_start(syncline::job::Start::Over)
        });
        assert!(report.unwrap().failure.is_some());
        assert_eq!(scene.rows().len(), 8);
    }
}

#[test]
fn a_mirror_spares_everything_while_a_record_is_rejected() {
    let versions: Vec<Version> = (0..10).map(|key| made(key, key, 1)).collect();
    let mut scene = Scene::new(SyncMode::Full);
    scene.deletes = SourceDeletes::Mirror { most_percent: 100 };
    scene.run(snapshot(&History(versions.clone()), 9));
    let refusal = syncline::record::Refusal::new(syncline::record::Reason::BadValue, "scripted");
    let lame = snapshot(&History(versions[2..].to_vec()), 9).with_reject(3, refusal);
    let counts = scene.run(lame).destinations.remove(0);
    assert_eq!((counts.rejected, counts.removed, counts.spared), (1, 0, 3));
    assert_eq!(scene.rows().len(), 10);
}

#[test]
fn a_policy_that_cannot_be_kept_is_refused() {
    let problems = |deletes: SourceDeletes, change: fn(&mut Scene), whole: bool| {
        let (mut scene, live) = story(deletes, &[]);
        change(&mut scene);
        let dataset: Arc<dyn syncline::dataset::Dataset> = match whole {
            true => Arc::new(snapshot(&History::default(), 0)),
            false => Arc::new(live),
        };
        let job = scene.job(dataset, Arc::new(scene.home.clone()));
        let error = block_on(job.plan(&scene.context())).unwrap_err();
        let message = |problem: &syncline::Problem| {
            assert_eq!(problem.path, "destinations[0].deletes");
            problem.message.clone()
        };
        error
            .problems()
            .iter()
            .map(message)
            .collect::<Vec<_>>()
            .join("; ")
    };
    let plain: fn(&mut Scene) = |_| {};
    let inserts: fn(&mut Scene) = |scene| scene.mode = WriteMode::Insert;
    assert!(problems(SourceDeletes::Delete, inserts, false).contains("found by identifiers"));
    assert!(problems(SourceDeletes::Delete, plain, true).contains("does not tell of deletes"));
    let mark = |field: &str| SourceDeletes::Soft {
        field: field.into(),
    };
    assert!(problems(mark("nothing"), plain, false).contains("no such field"));
    assert!(problems(mark("value"), plain, false).contains("is a `boolean`"));
    let mirror = |most_percent| SourceDeletes::Mirror { most_percent };
    assert!(problems(mirror(5), plain, true).contains("needs all of the source"));
    let full: fn(&mut Scene) = |scene| scene.sync = SyncMode::Full;
    assert!(problems(mirror(0), full, true).contains("from 1 to 100"));
    let by_group: fn(&mut Scene) = |scene| {
        scene.sync = SyncMode::Full;
        scene.home = scene.home.clone().with_commits(Commits::ByGroup);
    };
    assert!(problems(mirror(5), by_group, true).contains("comes again"));
}

#[test]
fn rows_and_deletes_of_one_key_are_applied_in_order() {
    let versions = [
        made(1, 1, 1),
        gone(1, 2),
        made(1, 3, 3),
        made(2, 1, 3),
        gone(2, 4),
        gone(2, 5),
        made(3, 2, 6),
    ];
    let mut essences = Vec::new();
    for batch_rows in [1, 2, 3, 7] {
        for commits in [Commits::AtOnce, Commits::ByGroup, Commits::WithCheckpoint] {
            let mut scene = Scene::new(SyncMode::Full).committing(commits);
            scene.deletes = SourceDeletes::Delete;
            // Links that wait for a record go with it.
            scene.linked = true;
            scene.batch_rows = batch_rows;
            let counts = scene.run(Log::new(&versions)).destinations.remove(0);
            assert_eq!((counts.inserted, counts.deleted, counts.skipped), (4, 2, 1));
            essences.push(scene.rows());
        }
    }
    let rows: Vec<_> = essences[0]
        .iter()
        .map(|(key, rows)| (*key, rows[0].0))
        .collect();
    assert_eq!(rows, [(1, 3), (3, 2)]);
    assert!(essences.iter().all(|rows| *rows == essences[0]));
}
