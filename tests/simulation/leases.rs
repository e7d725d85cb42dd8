//! Runs that hold the lease of their job, which die or stand still at each effect, those of the lease itself among them: who comes
//! next waits for the term, no two write, and nothing is lost.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;
use syncline::host::{
    Clock as _, Expected, Saved, StateKey, StateKind, StateStore, StateVersion, Stored, Swap,
};
use syncline::job::{Job as _, LeaseTerms, RunLease, RunReport};
use syncline::memory::ManualClock;
use syncline::testing::{Effect, EffectKind, Effects, Ended, Fate, drive};
use syncline::{Result, Tenant};

use super::check::{Checker, Violation};
use super::sweep::{Figures, Found, Script, at, crashes, found};
use super::world::{Workload, World};

const TTL: u64 = 60;
const WRITE_TIMEOUT: u64 = 20;

/// 60 seconds, of which the last 25 are for writes that were sent before.
pub(crate) fn lease() -> RunLease {
    let seconds = Duration::from_secs;
    let terms = LeaseTerms::default().with_ttl(seconds(TTL));
    let terms = terms
        .with_write_timeout(seconds(WRITE_TIMEOUT))
        .with_margin(seconds(5));
    RunLease::new("a machine").with_terms(terms)
}

/// What a process did.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Deed {
    /// It has the lease from now on, or still.
    Holds(u64),
    /// It gave the lease back.
    Released,
    /// It sent something to a destination.
    Wrote(EffectKind),
}

/// A deed with its time, in seconds, and the number of the process.
type Entry = (u64, i64, Deed);

#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<Entry>>>);

impl Log {
    fn note(&self, who: u64, clock: &ManualClock, deed: Deed) {
        let at = clock.now().timestamp();
        self.0.lock().unwrap().push((who, at, deed));
    }

    fn entries(&self) -> Vec<Entry> {
        self.0.lock().unwrap().clone()
    }

    fn of(&self, who: u64) -> impl Iterator<Item = (i64, Deed)> {
        let all = self.entries().into_iter();
        all.filter_map(move |(by, at, deed)| (by == who).then_some((at, deed)))
    }

    /// What is wrong, if somebody wrote when another one had the lease.
    fn two_wrote(&self) -> Option<String> {
        let mut holder = None;
        for (who, at, deed) in self.entries() {
            match deed {
                Deed::Holds(_) => holder = Some(who),
                Deed::Released => holder = None,
                Deed::Wrote(kind) if holder != Some(who) => {
                    return Some(format!(
                        "{kind:?} of process {who} at {at} s, and the holder is {holder:?}"
                    ));
                }
                Deed::Wrote(_) => {}
            }
        }
        None
    }
}

/// A state store that notes what becomes of leases.
#[derive(Debug)]
struct Watched {
    store: Arc<dyn StateStore>,
    who: u64,
    clock: ManualClock,
    log: Log,
}

#[async_trait]
impl StateStore for Watched {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>> {
        self.store.get(key).await
    }

    async fn put(&self, key: &StateKey, bytes: Bytes, expected: Expected) -> Result<Swap> {
        let swap = self.store.put(key, bytes.clone(), expected).await?;
        if key.kind() == StateKind::Lease && matches!(swap, Swap::Done(_)) {
            let saved: Value = Saved::open(key, 9, &bytes)?.payload()?;
            let deed = match saved["released"] == true {
                true => Deed::Released,
                false => Deed::Holds(saved["epoch"].as_u64().unwrap()),
            };
            self.log.note(self.who, &self.clock, deed);
        }
        Ok(swap)
    }

    async fn delete(&self, key: &StateKey, expected: StateVersion) -> Result<bool> {
        self.store.delete(key, expected).await
    }

    async fn list(
        &self,
        tenant: &Tenant,
        kind: StateKind,
        start_after: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<StateKey>> {
        self.store.list(tenant, kind, start_after, limit).await
    }
}

fn writes(kind: EffectKind) -> bool {
    use EffectKind as Kind;
    matches!(
        kind,
        Kind::Write | Kind::Commit | Kind::Abort | Kind::Patch | Kind::Delete
    )
}

/// A process that runs the job.
fn process(
    workload: &Workload,
    world: &World,
    checker: &Checker,
    log: &Log,
    mut fates: Script,
) -> (Effects, impl Future<Output = Result<RunReport>> + use<>) {
    let (who, clock, written) = (world.lives, world.clock.clone(), log.clone());
    let effects = checker.effects(move |effect: &Effect| {
        let fate = fates(effect);
        if writes(effect.kind) && fate != Fate::CrashBefore {
            written.note(who, &clock, Deed::Wrote(effect.kind));
        }
        fate
    });
    let (context, request) = workload.call(world, &effects);
    let store = Watched {
        store: world.state.clone(),
        who,
        clock: world.clock.clone(),
        log: log.clone(),
    };
    let request = request.with_state(world.tenant.clone(), effects.state(Arc::new(store)));
    let job = workload.job(world, &effects);
    (effects, async move { job.run(&context, request).await })
}

fn undisturbed() -> Script {
    Box::new(|_| Fate::Proceed)
}

fn ended_well(ended: &Ended<Result<RunReport>>) -> Option<&RunReport> {
    match ended {
        Ended::Done(Ok(report)) if report.failure.is_none() => Some(report),
        _ => None,
    }
}

/// One more process, which nothing disturbs, does what is left, and everything is there.
fn comes_to_its_end(workload: &Workload, world: &World, checker: &Checker, log: &Log) {
    let (effects, run) = process(workload, world, checker, log, undisturbed());
    let ended = drive(&world.clock, &effects, run);
    match ended_well(&ended) {
        Some(report) => checker.at_end(report, world.lives),
        None => violate(
            checker,
            "P20 the job comes to its end",
            format!("{ended:?}"),
        ),
    }
}

fn violate(checker: &Checker, rule: &'static str, how: String) {
    checker.found.lock().unwrap().push(Violation { rule, how });
}

fn taken(checker: &Checker) -> Vec<Violation> {
    std::mem::take(&mut *checker.found.lock().unwrap())
}

/// A process dies, and the next one takes the lease as soon as it may, and no sooner.
fn dies(workload: &Arc<Workload>, number: u64, fate: Fate) -> Vec<Violation> {
    let mut world = workload.world();
    let (checker, log) = (Checker::new(workload, &world), Log::default());
    let (effects, run) = process(workload, &world, &checker, &log, at(number, fate));
    let _ = drive(&world.clock, &effects, run);
    let died = world.clock.now().timestamp();
    let left = log
        .of(0)
        .filter(|(_, deed)| !matches!(deed, Deed::Wrote(_)));
    let is_held = matches!(left.last(), Some((_, Deed::Holds(_))));
    world.lives += 1;
    comes_to_its_end(workload, &world, &checker, &log);
    let term = if is_held { TTL + WRITE_TIMEOUT } else { 0 };
    let took = log.of(1).next();
    if took.map(|(at, _)| at) != Some(died + term as i64) {
        let how = format!("died at {died} s, held: {is_held}, and then {took:?}");
        violate(&checker, "P5 a successor waits for the term", how);
    }
    if let Some(how) = log.two_wrote() {
        violate(&checker, "P5 one holder writes", how);
    }
    taken(&checker)
}

/// A process stands still, another one comes and may stand still itself, and the first goes on.
fn stands_still(workload: &Arc<Workload>, number: u64, other_at: Option<u64>) -> Vec<Violation> {
    let mut world = workload.world();
    let (checker, log) = (Checker::new(workload, &world), Log::default());
    let suspended = at(number, Fate::Suspend);
    let (old, run) = process(workload, &world, &checker, &log, suspended);
    let mut first = Box::pin(run);
    match drive(&world.clock, &old, first.as_mut()) {
        Ended::Stuck => {}
        // It came to its end in the step in which it asked for its lease once more.
        Ended::Done(Ok(_)) if old.suspended() => return taken(&checker),
        other => {
            let how = format!("effect {number} did not suspend the run: {other:?}");
            violate(&checker, "I-30 the same run twice", how);
            return taken(&checker);
        }
    }
    let held = log.of(0).any(|(_, deed)| matches!(deed, Deed::Holds(_)));
    world.lives += 1;
    let script = other_at.map_or_else(undisturbed, |number| at(number, Fate::Suspend));
    let (new, run) = process(workload, &world, &checker, &log, script);
    let mut second = Box::pin(run);
    let mut ended = drive(&world.clock, &new, second.as_mut());
    let stood = matches!(ended, Ended::Stuck) && new.suspended();
    old.wake();
    let _ = drive(&world.clock, &old, first.as_mut());
    if stood {
        new.wake();
        ended = drive(&world.clock, &new, second.as_mut());
    }
    // Who had the lease and stood still has lost it, and the newer one did not stand still.
    if held && !stood && ended_well(&ended).is_none() {
        let how = format!("the newer run did not come to its end: {ended:?}");
        violate(&checker, "I-6 the newer run wins", how);
    }
    drop((first, second));
    world.lives += 1;
    comes_to_its_end(workload, &world, &checker, &log);
    if let Some(how) = log.two_wrote() {
        violate(&checker, "P5 one holder writes", how);
    }
    taken(&checker)
}

/// Every way to die at every effect, and to stand still there.
pub(crate) fn leased(workload: &Arc<Workload>, figures: &mut Figures) -> Vec<Found> {
    let world = workload.world();
    let (checker, log) = (Checker::new(workload, &world), Log::default());
    let (effects, run) = process(workload, &world, &checker, &log, undisturbed());
    let ended = drive(&world.clock, &effects, run);
    let trace = effects.trace();
    let mut all = found(workload, "undisturbed", taken(&checker));
    let renewed = log.of(0).filter(|(_, deed)| matches!(deed, Deed::Holds(1)));
    if ended_well(&ended).is_none() || renewed.count() < 3 {
        let how = format!("{ended:?}, {:?}", log.entries());
        let rule = "P5 a lease is renewed as long as its run";
        all.extend(found(
            workload,
            "undisturbed",
            vec![Violation { rule, how }],
        ));
    }
    for effect in &trace {
        for fate in crashes(workload, effect) {
            figures.lease_runs += 1;
            let violations = dies(workload, effect.number, fate);
            all.extend(found(
                workload,
                &format!("{fate:?} at {effect:?}"),
                violations,
            ));
        }
        for other_at in (0..=trace.len() as u64).step_by(4) {
            figures.lease_runs += 1;
            let other_at = (other_at > 0).then_some(other_at);
            let violations = stands_still(workload, effect.number, other_at);
            let script = format!("stood still at {effect:?}, the other one at {other_at:?}");
            all.extend(found(workload, &script, violations));
        }
    }
    all
}
