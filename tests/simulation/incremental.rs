//! Incremental sync and deletes of the source: runs over a source that changes, broken off at every effect.

use std::sync::Arc;

use chrono::TimeDelta;
use syncline::connection::Connection;
use syncline::dataset::Dataset;
use syncline::job::{Job as _, RunReport, RunRequest, Start};
use syncline::memory::Commits;
use syncline::record::{CursorValue, Reason, Refusal};
use syncline::spec::{Incremental, Overlap, SourceDeletes, SyncMode};
use syncline::testing::{Bug, Effect, EffectKind, Effects, Ended, Fate, drive};

use super::sweep::Figures;

#[path = "../it/incremental/histories.rs"]
mod histories;
#[path = "../it/incremental/scene.rs"]
mod scene;
#[path = "../it/incremental/source.rs"]
mod source;

use histories::Story;
use scene::Scene;
use source::{Chance, History, Live, Log, Order, Version, snapshot, time};

/// A rule that was broken, and how.
pub(crate) type Broken = (&'static str, String);

/// One life of the process that runs the job; `None` if it did not come to its end.
fn live(scene: &mut Scene, effects: &Effects, dataset: Arc<dyn Dataset>) -> Option<RunReport> {
    live_with(scene, effects, dataset, |request| request)
}

fn live_with(
    scene: &mut Scene,
    effects: &Effects,
    dataset: Arc<dyn Dataset>,
    change: impl FnOnce(RunRequest) -> RunRequest,
) -> Option<RunReport> {
    scene.lives += 1;
    let home: Arc<dyn Connection> = Arc::new(scene.home.clone());
    let job = scene.job(effects.dataset(dataset), effects.connection(home));
    let (ledger, state) = (
        effects.rejects(scene.ledger.clone()),
        effects.state(scene.state.clone()),
    );
    let request = change(scene.request(ledger, state));
    let context = scene.context();
    let clock = scene.clock.clone();
    match drive(&clock, effects, async { job.run(&context, request).await }) {
        Ended::Done(Ok(report)) if report.failure.is_none() => Some(report),
        _ => None,
    }
}

fn undisturbed() -> Effects {
    Effects::new(|_| Fate::Proceed)
}

fn at(number: u64, fate: Fate) -> Effects {
    Effects::new(move |effect| {
        if effect.number == number {
            fate
        } else {
            Fate::Proceed
        }
    })
}

/// Syncs a history by chance, and each run dies or fails by chance, again and again.
pub(crate) fn by_seed(seed: u64) -> Option<Broken> {
    let mut story = Story::of(seed);
    let mut chance = Chance(!seed);
    // A source that changes while a run is gone on with is none whose groups come again as they were.
    let rate = [2, 5, 12, 40][chance.below(4) as usize];
    let mut watermark = None;
    for run in 0..2 + chance.below(3) {
        if run == 0 || chance.below(3) > 0 {
            story.wait();
        }
        let began = story.live.now();
        let whole = story.dataset();
        let mut ended = None;
        for life in 0..8 {
            let mut own = Chance(chance.below(u64::MAX));
            let script = move |effect: &Effect| match own.below(rate) {
                0 if life < 7 => match own.below(5) {
                    0 => Fate::CrashBefore,
                    1 => Fate::CrashAfter,
                    2 if effect.parts > 1 => {
                        Fate::CrashAmid(1 + own.below(effect.parts as u64 - 1) as usize)
                    }
                    3 => Fate::Fail(false),
                    _ => Fate::FailAfter(false),
                },
                _ => Fate::Proceed,
            };
            // A whole source stays as it is until it was read.
            let dataset = match story.whole {
                true => Arc::clone(&whole),
                false => story.dataset(),
            };
            ended = live(&mut story.scene, &Effects::new(script), dataset);
            if ended.is_some() {
                break;
            }
            if !story.whole {
                story
                    .scene
                    .clock
                    .advance(TimeDelta::seconds(chance.below(20) as i64));
            }
        }
        let Some(report) = ended else {
            return Some((
                "P20 the job comes to its end",
                format!("seed {seed}, run {run}"),
            ));
        };
        if let Some(how) = story.misread(&report, watermark, began) {
            return Some(("I-9 watermark", format!("seed {seed}, run {run}: {how}")));
        }
        // What a run promises is what was there when its window began.
        let upper = report.window.as_ref().and_then(|window| window.upper_bound);
        let then = match upper {
            Some(CursorValue::DateTime(upper)) => began.min(upper.timestamp()),
            _ => began,
        };
        watermark = report.window.and_then(|window| window.watermark);
        if let Some(how) = story.lost(then) {
            return Some(("I-7 no gap", format!("seed {seed}, run {run}: {how}")));
        }
    }
    // What a broken run may have left for the next is read by the next.
    story.scene.clock.advance(TimeDelta::seconds(1000));
    story.live.page_takes = 0;
    for _ in 0..2 {
        let dataset = story.dataset();
        live(&mut story.scene, &undisturbed(), dataset);
    }
    let lost = story.lost(story.live.now());
    lost.map(|how| ("I-7 no gap", format!("seed {seed}, at the end: {how}")))
}

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

/// A job whose source is as it is, over two runs; the second may die at any effect. What there must be in the end.
struct Case {
    scene: Scene,
    first: Arc<dyn Dataset>,
    second: Arc<dyn Dataset>,
    /// Key and value.
    rows: Vec<(i64, i64)>,
}

fn wait(scene: &Scene, seconds: i64) {
    scene.clock.advance(TimeDelta::seconds(seconds));
}

/// A case by its name, made anew each time.
type Named = (&'static str, fn(Commits) -> Case);

fn cases() -> Vec<Named> {
    vec![
        ("ties in the overlap", |commits| {
            let by = Incremental::new("at")
                .with_key(["key"])
                .with_overlap(Overlap::Seconds(3));
            let scene = Scene::incremental(by).committing(commits);
            wait(&scene, 100);
            let mut versions: Vec<Version> = (0..6).map(|key| made(key, key, 10)).collect();
            let first = History(versions.clone());
            versions.extend([
                made(2, 20, 10),
                made(7, 7, 10),
                made(8, 8, 8),
                made(9, 9, 14),
            ]);
            Case {
                first: Arc::new(Live::new(first, scene.clock.clone(), 2)),
                second: Arc::new(Live::new(History(versions), scene.clock.clone(), 2)),
                rows: vec![
                    (0, 0),
                    (1, 1),
                    (2, 20),
                    (3, 3),
                    (4, 4),
                    (5, 5),
                    (7, 7),
                    (8, 8),
                    (9, 9),
                ],
                scene,
            }
        }),
        ("a whole source, out of order", |commits| {
            let by = Incremental::new("at").with_key(["key"]);
            let scene = Scene::incremental(by).committing(commits);
            wait(&scene, 100);
            let first = History(vec![made(1, 1, 10), made(2, 2, 5)]);
            let second = History(vec![
                made(1, 1, 10),
                made(2, 3, 20),
                made(3, 3, 12),
                made(4, 4, 30),
                made(5, 5, 11),
            ]);
            Case {
                first: Arc::new(snapshot(&first, 50)),
                second: Arc::new(snapshot(&second, 50)),
                rows: vec![(1, 1), (2, 3), (3, 3), (4, 4), (5, 5)],
                scene,
            }
        }),
        ("deletes", |commits| {
            let mut scene =
                Scene::incremental(Incremental::new("at").with_key(["key"])).committing(commits);
            scene.deletes = SourceDeletes::Delete;
            let filter = serde_json::json!({"gt": [{"field": "value"}, {"value": 5}]});
            scene.filter = Some(serde_json::from_value(filter).unwrap());
            wait(&scene, 100);
            let mut versions: Vec<Version> = (0..6).map(|key| made(key, 10 + key, key)).collect();
            let first = History(versions.clone());
            versions.extend([
                gone(1, 20),
                made(2, 22, 21),
                gone(4, 22),
                gone(8, 23),
                made(4, 24, 24),
                gone(5, 25),
            ]);
            Case {
                first: Arc::new(Live::new(first, scene.clock.clone(), 3)),
                second: Arc::new(Live::new(History(versions), scene.clock.clone(), 3)),
                rows: vec![(0, 10), (2, 22), (3, 13), (4, 24)],
                scene,
            }
        }),
        ("a mirror", |commits| {
            let mut scene = Scene::new(SyncMode::Full).committing(commits);
            scene.deletes = SourceDeletes::Mirror { most_percent: 40 };
            let versions: Vec<Version> = (0..9).map(|key| made(key, key, 1)).collect();
            Case {
                first: Arc::new(snapshot(&History(versions.clone()), 9)),
                second: Arc::new(snapshot(&History(versions[3..].to_vec()), 9)),
                rows: (3..9).map(|key| (key, key)).collect(),
                scene,
            }
        }),
        ("a mirror with a reject", |commits| {
            let mut scene = Scene::new(SyncMode::Full).committing(commits);
            scene.deletes = SourceDeletes::Mirror { most_percent: 100 };
            let versions: Vec<Version> = (0..5).map(|key| made(key, key, 1)).collect();
            let refusal = Refusal::new(Reason::BadValue, "scripted");
            Case {
                first: Arc::new(snapshot(&History(versions.clone()), 9)),
                second: Arc::new(
                    snapshot(&History(versions[1..].to_vec()), 9).with_reject(1, refusal),
                ),
                rows: (0..5).map(|key| (key, key)).collect(),
                scene,
            }
        }),
    ]
}

const COMMITS: [Commits; 3] = [Commits::AtOnce, Commits::ByGroup, Commits::WithCheckpoint];

/// Whether who dies amid the effect of this number leaves a part of it.
fn leaves_part(effects: &Effects, number: u64, commits: Commits) -> bool {
    let trace = effects.trace();
    let effect = (number as usize).checked_sub(1).and_then(|i| trace.get(i));
    let in_parts = |effect: &Effect| effect.kind == EffectKind::Write && effect.parts > 1;
    commits == Commits::AtOnce && effect.is_some_and(in_parts)
}

/// Every case, dying at every effect of its second run.
pub(crate) fn crash(case: usize, figures: &mut Figures) -> Vec<Broken> {
    let (name, make) = cases().swap_remove(case / COMMITS.len());
    let commits = COMMITS[case % COMMITS.len()];
    if commits == Commits::ByGroup && name.contains("mirror") {
        // Refused.
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut number = 1;
    loop {
        let mut done = false;
        for fate in [
            Fate::CrashBefore,
            Fate::CrashAfter,
            Fate::CrashAmid(1),
            Fate::Fail(false),
            Fate::FailAfter(false),
        ] {
            let Case {
                mut scene,
                first,
                second,
                rows,
            } = make(commits);
            live(&mut scene, &undisturbed(), first);
            let effects = at(number, fate);
            let ended = live(&mut scene, &effects, Arc::clone(&second));
            done = (effects.trace().len() as u64) < number;
            match fate {
                // The run has no such effect.
                _ if done => {}
                // Where no part of it is left, that is the same as dying before it.
                Fate::CrashAmid(_) if !leaves_part(&effects, number, commits) => {}
                Fate::Fail(_) | Fate::FailAfter(_) => figures.nth_call_runs += 1,
                _ => figures.crash_runs += 1,
            }
            if ended.is_none()
                && !(0..3).any(|_| live(&mut scene, &undisturbed(), Arc::clone(&second)).is_some())
            {
                found.push((
                    "P20 the job comes to its end",
                    format!("{name}, {commits:?}, {fate:?} at {number}"),
                ));
            }
            let there = scene.rows().into_iter();
            let there: Vec<(i64, i64)> = there
                .flat_map(|(key, rows)| rows.into_iter().map(move |(value, _)| (key, value)))
                .collect();
            if there != rows {
                let how = format!(
                    "{name}, {commits:?}, {fate:?} at {number}: {there:?} instead of {rows:?}"
                );
                found.push(("I-7 no gap", how));
            }
            if figures.stops_at_first && !found.is_empty() {
                return found;
            }
        }
        if done {
            return found;
        }
        number += 1;
    }
}

pub(crate) fn crash_cases() -> usize {
    cases().len() * COMMITS.len()
}

/// A range of the past reads above the watermark, and a record that was not read yet stands below it.
fn range() -> Option<Broken> {
    let scene = &mut Scene::incremental(Incremental::new("at").with_key(["key"]));
    let history = History(vec![made(1, 1, 10), made(2, 2, 20), made(3, 3, 30)]);
    let source = Arc::new(Live::new(history, scene.clock.clone(), 2));
    wait(scene, 10);
    live(scene, &undisturbed(), source.clone());
    wait(scene, 100);
    let from = Some(CursorValue::DateTime(time(25)));
    live_with(scene, &undisturbed(), source.clone(), |request| {
        request.with_range(from, None).with_start(Start::Over)
    });
    live(scene, &undisturbed(), source);
    let missing = (1..4).find(|key| !scene.rows().contains_key(key))?;
    Some((
        "I-9 watermark",
        format!("the range took the place of what is new: {missing} is missing"),
    ))
}

/// A source that lacks most of its records.
fn guard() -> Option<Broken> {
    let scene = &mut Scene::new(SyncMode::Full);
    scene.deletes = SourceDeletes::Mirror { most_percent: 10 };
    let versions: Vec<Version> = (0..9).map(|key| made(key, key, 1)).collect();
    live(
        scene,
        &undisturbed(),
        Arc::new(snapshot(&History(versions.clone()), 9)),
    );
    live(
        scene,
        &undisturbed(),
        Arc::new(snapshot(&History(versions[..2].to_vec()), 9)),
    );
    (scene.rows().len() != 9).then(|| {
        (
            "a mirror has a guard",
            format!("{} of 9 rows are left", scene.rows().len()),
        )
    })
}

/// A record that waits for its parent is deleted.
fn link() -> Option<Broken> {
    let scene = &mut Scene::new(SyncMode::Full);
    (scene.deletes, scene.linked) = (SourceDeletes::Delete, true);
    let log = Arc::new(Log::new(&[made(1, 2, 1), gone(1, 2), made(2, 2, 3)]));
    let report = live(scene, &undisturbed(), log);
    let how = || format!("{report:?}, {:?}", scene.rows());
    (report.is_none() || scene.rows().len() != 1).then(|| ("a link goes with its record", how()))
}

/// A run breaks off, and a record that it has passed changes, before one that is still to come changes too: a window that
/// ended later would put the watermark above the first.
fn passed() -> Option<Broken> {
    for order in [Order::Key, Order::Shuffled(7)] {
        let scene = &mut Scene::incremental(Incremental::new("at").with_key(["key"]));
        wait(scene, 10);
        let mut live_source = Live::new(
            History((0..9).map(|key| made(key, 0, 5)).collect()),
            scene.clock.clone(),
            2,
        );
        live_source.order = order;
        let keys = live_source.keys();
        // It dies when a part of the records is safe.
        let script = |effect: &Effect| match (effect.kind, effect.nth) {
            (EffectKind::Write, 4) => Fate::CrashBefore,
            _ => Fate::Proceed,
        };
        let source = Arc::new(live_source.clone());
        let died = live(scene, &Effects::new(script), source.clone()).is_none();
        if !died || scene.rows().len() >= keys.len() {
            return Some((
                "P20 the run dies amid",
                format!("{order:?}: {:?}", scene.rows()),
            ));
        }
        {
            let mut history = live_source.history.lock().unwrap();
            history
                .0
                .extend([made(keys[0], 1, 20), made(keys[8], 2, 30)]);
        }
        wait(scene, 30);
        for _ in 0..2 {
            live(scene, &undisturbed(), source.clone());
        }
        let there = scene.rows();
        for (key, value) in [(keys[0], 1), (keys[8], 2)] {
            if there[&key] != [(value, None)] {
                let how = format!("{order:?}: {key} is {:?} instead of {value}", there[&key]);
                return Some(("I-7 no gap", how));
            }
        }
    }
    None
}

/// Runs that nothing disturbs.
pub(crate) fn calm(seed: u64) -> Option<Broken> {
    histories::tell(seed).map(|(rule, how)| (rule, format!("seed {seed}: {how}")))
}

pub(crate) fn fixed() -> Vec<Broken> {
    [range(), guard(), link(), passed()]
        .into_iter()
        .flatten()
        .collect()
}

/// The defects that are looked for here.
pub(crate) const DEFECTS: [Bug; 14] = [
    Bug::OpenLowerBound,
    Bug::OverlapIgnored,
    Bug::FutureMovesWatermark,
    Bug::WatermarkBeforeCommit,
    Bug::WatermarkGoesBack,
    Bug::WindowAnew,
    Bug::RangeMovesWatermark,
    Bug::NullCursorLost,
    Bug::KnownByKeyAlone,
    Bug::DeletesFiltered,
    Bug::DeleteLeavesLink,
    Bug::MirrorUnguarded,
    Bug::MirrorPassesRejects,
    Bug::MirrorForgets,
];

/// What a defect breaks first.
pub(crate) fn catch(bug: Bug) -> Option<Broken> {
    Bug::switch(Some(bug));
    let mut figures = Figures {
        stops_at_first: true,
        ..Figures::default()
    };
    let found = fixed().into_iter().next();
    let found = found.or_else(|| {
        (0..crash_cases()).find_map(|case| crash(case, &mut figures).into_iter().next())
    });
    let found = found.or_else(|| (0..2_000).find_map(calm));
    let found = found.or_else(|| (0..2_000).find_map(by_seed));
    Bug::switch(None);
    found
}
