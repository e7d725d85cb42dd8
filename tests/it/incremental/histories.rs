//! Histories by chance, synced by a few runs: what must hold of each (I-7 to I-9b of the invariants).

use std::sync::Arc;

use chrono::TimeDelta;
use syncline::dataset::Dataset;
use syncline::job::RunReport;
use syncline::record::CursorValue;
use syncline::spec::{Incremental, NullCursor, Overlap, SourceDeletes};

use super::scene::Scene;
use super::source::{Chance, Habit, History, Live, Order, snapshot};

/// A history with the job that syncs it.
pub(crate) struct Story {
    pub(crate) scene: Scene,
    pub(crate) live: Live,
    /// The source is read as a whole, and knows no bounds.
    pub(crate) whole: bool,
    pub(crate) nulls: NullCursor,
    /// Everything near the watermark is known again.
    pub(crate) remembers: bool,
    pub(crate) chance: Chance,
}

/// No commit comes later.
const END: i64 = 300;

impl Story {
    pub(crate) fn of(seed: u64) -> Self {
        let mut chance = Chance(seed);
        let mut pick = |choices: &[u64]| choices[chance.below(choices.len() as u64) as usize];
        let (delay, grain) = (pick(&[0, 0, 5, 30]), pick(&[1, 10, 1000]) as i64);
        let habit = Habit {
            keys: pick(&[1, 5, 20]),
            versions: pick(&[0, 5, 40]),
            delay,
            grain,
            nulls: pick(&[0, 0, 6]),
            future: pick(&[0, 0, 8]),
            deletes: pick(&[0, 0, 4]),
        };
        let whole = pick(&[0, 1]) == 1;
        let tells_time = pick(&[0, 1]) == 1;
        let ahead = pick(&[0, 7, 13]) as i64 - 7;
        let remember = pick(&[0, 1, 3, 1000, 1000]);
        let nulls =
            [NullCursor::Always, NullCursor::Skip, NullCursor::Reject][pick(&[0, 1, 2]) as usize];
        let soft = SourceDeletes::Soft {
            field: "gone".into(),
        };
        let deletes = [SourceDeletes::Delete, soft][pick(&[0, 1]) as usize].clone();
        let (page_takes, has_key) = (pick(&[0, 1, 9]) as i64, pick(&[1, 1, 0]) == 1);
        let (page_rows, batch_rows, group) = (
            pick(&[1, 2, 3, 5, 17]),
            pick(&[1, 3, 17]),
            pick(&[1, 4, 100]),
        );
        let order = [Order::Cursor, Order::Key, Order::Shuffled(seed)][pick(&[0, 1, 2]) as usize];

        let history = History::by_chance(&mut chance, habit, END);
        let mut by = Incremental::new("at")
            .with_nulls(nulls)
            .with_remember(remember as u32)
            // Our clock may be ahead of the source's by so much.
            .with_clock_skew(if ahead < 0 { -ahead as u32 } else { 0 });
        if has_key {
            by = by.with_key(["key"]);
        }
        if delay > 0 {
            // Times are rounded down, and that counts as delay too.
            by = by.with_overlap(Overlap::Seconds((delay as i64 + grain - 1) as u32));
        }
        let mut scene = Scene::incremental(by);
        scene.batch_rows = batch_rows as usize;
        scene.group_records = group;
        if !whole {
            scene.deletes = deletes;
        }
        let mut live = Live::new(history, scene.clock.clone(), page_rows as usize);
        live.tells_time = tells_time;
        live.ahead = ahead;
        live.page_takes = page_takes;
        live.order = order;
        Story {
            scene,
            live,
            whole,
            nulls,
            remembers: remember == 1000 && has_key,
            chance,
        }
    }

    /// The source as a run sees it.
    pub(crate) fn dataset(&self) -> Arc<dyn Dataset> {
        match self.whole {
            true => Arc::new(snapshot(
                &self.live.history.lock().unwrap(),
                self.live.now(),
            )),
            false => Arc::new(self.live.clone()),
        }
    }

    /// Some time passes.
    pub(crate) fn wait(&mut self) {
        let seconds = self.chance.below(END as u64 / 2) as i64;
        self.scene.clock.advance(TimeDelta::seconds(seconds));
    }

    /// What is lost of the versions that were there at this time of the source and still are.
    pub(crate) fn lost(&self, then: i64) -> Option<String> {
        let rows = self.scene.rows();
        let now = self.live.now();
        let newest = self.live.history.lock().unwrap().newest(now);
        for (key, version) in newest
            .into_iter()
            .filter(|(_, version)| version.commit <= then)
        {
            if version.at.is_none() && self.nulls != NullCursor::Always {
                continue;
            }
            let there = rows.get(&key).map(Vec::as_slice);
            let is_right = match there {
                // A newer version came with it.
                Some([(value, _)]) if *value > version.value => true,
                Some([(value, gone)]) if !version.gone => {
                    *value == version.value && *gone != Some(true)
                }
                // What a delete leaves of a marked record are its older values.
                Some([(_, gone)]) if version.gone => *gone == Some(true),
                Some(_) => false,
                None => version.gone,
            };
            let is_known_gone = self.whole && version.gone;
            if !(is_right || is_known_gone) {
                return Some(format!("{version:?} at {then}: there is {there:?}"));
            }
        }
        None
    }

    /// What is wrong with the window of a run that came to its end.
    pub(crate) fn misread(
        &self,
        report: &RunReport,
        before: Option<CursorValue>,
        now: i64,
    ) -> Option<String> {
        let window = report.window.clone().unwrap();
        if before.is_some() && (window.watermark.is_none() || window.watermark < before) {
            return Some(format!("the watermark went back: {before:?}, {window:?}"));
        }
        if window.watermark > before && window.watermark > window.upper_bound {
            return Some(format!(
                "the watermark is above the upper bound: {window:?}"
            ));
        }
        if self.whole {
            // A function of what was read.
            let seconds = |value: Option<CursorValue>| match value {
                Some(CursorValue::DateTime(value)) => Some(value.timestamp()),
                _ => None,
            };
            let upper = seconds(window.upper_bound);
            let history = self.live.history.lock().unwrap().newest(now);
            let values = history
                .values()
                .filter(|version| !version.gone)
                .filter_map(|version| version.at);
            let newest = values.filter(|at| Some(*at) <= upper).max();
            if seconds(window.watermark) != seconds(before).max(newest) {
                return Some(format!("{newest:?} was read, and the window is {window:?}"));
            }
        }
        None
    }
}

/// Syncs a history by a few runs, the last of them behind its end; answers what was broken.
pub(crate) fn tell(seed: u64) -> Option<(&'static str, String)> {
    let mut story = Story::of(seed);
    let mut watermark = None;
    for run in 0..2 + story.chance.below(4) {
        match run {
            0 => story.wait(),
            _ if story.chance.below(3) == 0 => {}
            _ => story.wait(),
        }
        let now = story.live.now();
        let dataset = story.dataset();
        let report = story.scene.run_with(dataset, |request| request).unwrap();
        if let Some(failure) = &report.failure {
            return Some(("P20 a run succeeds", failure.to_string()));
        }
        if let Some(how) = story.misread(&report, watermark, now) {
            return Some(("I-9 watermark", how));
        }
        watermark = report.window.and_then(|window| window.watermark);
        // What was committed by then has been read, or comes again; the last of it must be there at once.
        if let Some(how) = story.lost(now) {
            return Some(("I-7 no gap", how));
        }
    }
    story.scene.clock.advance(TimeDelta::seconds(2 * END));
    story.live.page_takes = 0;
    let dataset = story.dataset();
    story.scene.run_with(dataset, |request| request).unwrap();
    if let Some(how) = story.lost(story.live.now()) {
        return Some(("I-7 no gap", how));
    }
    let before = story.scene.rows();
    let dataset = story.dataset();
    let again = story.scene.run_with(dataset, |request| request).unwrap();
    if story.scene.rows() != before {
        return Some((
            "I-9b a second run",
            "the second run changed the rows".into(),
        ));
    }
    let wrote = &again.destinations[0];
    let written = wrote.inserted + wrote.updated + wrote.deleted;
    if story.remembers && story.nulls != NullCursor::Always && written > 0 {
        return Some((
            "I-9b a second run",
            format!("{written} rows were written again"),
        ));
    }
    None
}
