//! What must hold at every instant, and at the end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures::FutureExt as _;
use serde_json::Value;
use syncline::host::{Saved, StateKey, StateKind, StateStore as _};
use syncline::job::{Outcome, RunReport};
use syncline::memory::Commits;
use syncline::record::Cursor;
use syncline::testing::{Effect, EffectKind, Effects, Fate as Script};

use super::model::{Fate, Model, models};
use super::world::{Store, Target, Workload, World};

/// A rule that was broken, and how.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    pub(crate) rule: &'static str,
    pub(crate) how: String,
}

/// Looks at a world through all lives of its process.
#[derive(Clone)]
pub(crate) struct Checker {
    workload: Arc<Workload>,
    models: Arc<Vec<Model>>,
    world: World,
    epoch: Arc<Mutex<u64>>,
    pub(crate) found: Arc<Mutex<Vec<Violation>>>,
}

impl Target {
    /// Rows become visible by groups, each of them once.
    fn is_atomic(&self) -> bool {
        matches!(
            self.store,
            Store::Memory(Commits::ByGroup | Commits::WithCheckpoint) | Store::Parts | Store::Whole
        )
    }

    /// Nothing is there twice in the end.
    fn is_exact(&self) -> bool {
        self.is_atomic() || self.upsert
    }
}

/// The record in front of which a cursor stands.
fn record_of(cursor: &str) -> u64 {
    let number = cursor.rsplit(' ').next().unwrap();
    number.parse().unwrap()
}

impl Checker {
    pub(crate) fn new(workload: &Arc<Workload>, world: &World) -> Self {
        Checker {
            models: Arc::new(models(workload)),
            workload: Arc::clone(workload),
            world: world.clone(),
            epoch: Arc::default(),
            found: Arc::default(),
        }
    }

    /// Effects that are checked one by one.
    pub(crate) fn effects(
        &self,
        script: impl FnMut(&Effect) -> Script + Send + 'static,
    ) -> Effects {
        let checker = self.clone();
        Effects::new(script).with_check(move |effect| checker.after(effect))
    }

    fn violate(&self, rule: &'static str, how: String) {
        self.found.lock().unwrap().push(Violation { rule, how });
    }

    /// The saved checkpoint.
    pub(crate) fn saved(&self) -> Option<Value> {
        let parts = ["job", &self.world.dataset.info().name, ""];
        let key = StateKey::new(&self.world.tenant, StateKind::Checkpoint, parts).unwrap();
        let stored = self
            .world
            .state
            .get(&key)
            .now_or_never()
            .unwrap()
            .unwrap()?;
        Some(
            Saved::open(&key, 9, &stored.bytes)
                .unwrap()
                .payload()
                .unwrap(),
        )
    }

    /// How many records are in front of the saved checkpoint.
    fn safe(&self, saved: Option<&Value>) -> u64 {
        let Some(safe) = saved.map(|saved| &saved["safe"]) else {
            return 0;
        };
        match safe["cursor"].as_str() {
            Some(cursor) => record_of(cursor),
            None if safe["ended"] == true => self.workload.rows.len() as u64,
            None => 0,
        }
    }

    fn after(&self, effect: &Effect) {
        use EffectKind as Kind;
        match effect.kind {
            Kind::StateGet | Kind::Read | Kind::Connect | Kind::Lookup | Kind::FileOpen => return,
            Kind::Acknowledge => {
                let heard: Option<Cursor> = self.world.heard.lock().unwrap().clone();
                let saved = self.saved();
                let heard = heard.map_or(0, |cursor| record_of(cursor.as_str()));
                if heard > self.safe(saved.as_ref()) {
                    let how = format!("the source heard of record {heard} too early");
                    self.violate("I-5 order of effects", how);
                }
                return;
            }
            _ => {}
        }
        let saved = self.saved();
        if effect.kind == Kind::StatePut {
            let now = saved
                .as_ref()
                .map_or(0, |saved| saved["epoch"].as_u64().unwrap());
            let mut epoch = self.epoch.lock().unwrap();
            if now < *epoch {
                self.violate("I-6 epochs only grow", format!("{now} behind {epoch}"));
            }
            *epoch = now;
        }
        let safe = self.safe(saved.as_ref());
        let rejects = self.rejects();
        if let Some((reject, times)) = rejects.iter().find(|(_, times)| **times > 1) {
            let how = format!("{reject:?} is there {times} times");
            self.violate("I-10 a record is rejected once", how);
        }
        for (target, model) in self.workload.targets.iter().zip(&*self.models) {
            let records = self.workload.records(&self.world, target);
            if target.is_atomic() {
                self.check_atomic(target, model, &records);
            }
            for n in 0..safe as usize {
                let key = self.workload.rows[n].0.unwrap_or_default();
                let by = match model.fates[n] {
                    Fate::Filtered => continue,
                    Fate::Refused => None,
                    Fate::Rejected => Some(target.object.to_owned()),
                    Fate::Written => {
                        let row = n as i64;
                        let has = |(other, m, _): &(String, i64, String)| {
                            *other == key && (*m == row || (target.upsert && *m > row))
                        };
                        if !records.iter().any(has) {
                            let how = format!("row {n} of {safe} is not in `{}`", target.object);
                            self.violate("I-2 the checkpoint is behind the data", how);
                            return;
                        }
                        continue;
                    }
                };
                if !rejects.contains_key(&(by, n as u64)) {
                    let how = format!("the reject of row {n} of {safe} is not kept");
                    self.violate("I-2 the checkpoint is behind the rejects", how);
                    return;
                }
            }
        }
    }

    /// Whole groups are there, each once: the front rows, and no hole.
    fn check_atomic(&self, target: &Target, model: &Model, records: &[(String, i64, String)]) {
        if target.upsert {
            return;
        }
        let mut there: Vec<i64> = records.iter().map(|record| record.1).collect();
        there.sort_unstable();
        let rows = (0..).zip(&model.fates);
        let written = rows.filter(|(_, fate)| **fate == Fate::Written);
        let written: Vec<i64> = written.map(|(n, _)| n).collect();
        if written.get(..there.len()) != Some(&there) {
            let how = format!("`{}` has {there:?} of {written:?}", target.object);
            self.violate("I-4 whole groups, each once", how);
        }
    }

    /// How often each record is among the durable rejects.
    fn rejects(&self) -> BTreeMap<(Option<String>, u64), u64> {
        let mut rejects = BTreeMap::new();
        for segment in self.world.ledger.segments() {
            for reject in segment.rejects {
                let by = segment.destination.as_deref().map(str::to_owned);
                *rejects.entry((by, reject.position.record)).or_insert(0) += 1;
            }
        }
        rejects
    }

    /// The job came to its end, after so many lives that broke off.
    pub(crate) fn at_end(&self, report: &RunReport, broken: u64) {
        let rows = self.workload.rows.len() as u64;
        let mut expected = BTreeMap::new();
        for (target, model) in self.workload.targets.iter().zip(&*self.models) {
            for (n, fate) in (0..).zip(&model.fates) {
                match fate {
                    Fate::Refused => expected.insert((None, n), 1),
                    Fate::Rejected => expected.insert((Some(target.object.to_owned()), n), 1),
                    _ => None,
                };
            }
            self.check_records(target, model, broken);
        }
        let rejects = self.rejects();
        if rejects != expected {
            let how = format!("{rejects:?} instead of {expected:?}");
            self.violate("I-10 each reject once", how);
        }
        self.check_report(report, rows, &expected);
        let ended = self.saved().is_some_and(|saved| {
            saved["safe"]["ended"] == true && saved["begun"] == Value::Array(Vec::new())
        });
        if !ended {
            self.violate(
                "the end is saved",
                "the checkpoint does not say that the run ended".into(),
            );
        }
    }

    fn check_records(&self, target: &Target, model: &Model, broken: u64) {
        let mut records = self.workload.records(&self.world, target);
        records.sort();
        if target.is_exact() {
            if records != model.records {
                let rule = match target.is_atomic() {
                    true => "I-1e exactly once",
                    false => "I-1 convergence",
                };
                self.violate(rule, format!("{records:?} instead of {:?}", model.records));
            }
            return;
        }
        let all = records.len();
        records.dedup();
        if records != model.records {
            let how = format!("{records:?} instead of {:?}", model.records);
            self.violate("I-1d at least once", how);
        }
        // A batch is read at once, so a group may pass its bound by one; and lives differ by two rows in both.
        let flight = self.workload.group_records + 2 + self.workload.batch_rows as u64 + 2;
        let surplus = (all - records.len()) as u64;
        if surplus > broken * flight {
            let how = format!("{surplus} rows are there twice after {broken} broken runs");
            self.violate("I-1d at most what was in flight", how);
        }
    }

    fn check_report(
        &self,
        report: &RunReport,
        rows: u64,
        rejects: &BTreeMap<(Option<String>, u64), u64>,
    ) {
        let mut wrong = Vec::new();
        let mut same = |what: &str, is: u64, must: u64| {
            if is != must {
                wrong.push(format!("{what} is {is} instead of {must}"));
            }
        };
        same("records", report.records, rows);
        for ((target, model), counts) in
            (self.workload.targets.iter().zip(&*self.models)).zip(&report.destinations)
        {
            same("balance", u64::from(counts.check().is_err()), 0);
            same("read", counts.read, rows);
            same("pending", counts.pending, 0);
            same("filtered", counts.filtered, model.count(Fate::Filtered));
            let refused = model.count(Fate::Refused) + model.count(Fate::Rejected);
            same("rejected", counts.rejected, refused);
            if target.is_atomic() {
                same("made", counts.inserted, model.records.len() as u64);
            }
        }
        let outcome = match rejects.is_empty() {
            true => Outcome::Success,
            false => Outcome::PartialSuccess,
        };
        if report.outcome != outcome {
            wrong.push(format!("{:?} instead of {outcome:?}", report.outcome));
        }
        if !wrong.is_empty() {
            self.violate("I-3 conservation over all runs", wrong.join("; "));
        }
    }
}
