//! Lives of processes: which effect is the last, which one fails, and what the next life makes of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt as _;
use syncline::host::{Expected, StateKey, StateKind, StateStore as _};
use syncline::job::Job as _;
use syncline::testing::{Bug, Effect, EffectKind, Effects, Ended, Fate, drive};
use syncline::{Error, ErrorKind};

use super::broken::Flaw;
use super::check::{Checker, Violation};
use super::world::{Hearing, Source, Store, Workload, World};
use super::{incremental, schedulers};

/// Lives after which a job that is no longer disturbed must have come to its end.
const LIVES: u64 = 4;

/// What a broken rule was found by.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) workload: String,
    pub(crate) script: String,
    pub(crate) violation: Violation,
}

impl From<incremental::Broken> for Found {
    fn from((rule, how): incremental::Broken) -> Self {
        Found {
            workload: "incremental".into(),
            script: String::new(),
            violation: Violation { rule, how },
        }
    }
}

/// What becomes of each effect of a life.
pub(crate) type Script = Box<dyn FnMut(&Effect) -> Fate + Send>;

/// Goes through a workload, and answers with what was wrong.
type Sweep = fn(&Arc<Workload>, &mut Figures) -> Vec<Found>;

/// Runs a job by scripts, one for each life, and then undisturbed to its end. Answers with the effects of the first
/// life, of the first undisturbed one, and what was wrong.
fn lives(workload: &Arc<Workload>, scripts: Vec<Script>) -> (Vec<Vec<Effect>>, Vec<Violation>) {
    let mut world = workload.world();
    let checker = Checker::new(workload, &world);
    let mut traces = Vec::new();
    let undisturbed = || Box::new(|_: &Effect| Fate::Proceed) as Script;
    let disturbed = scripts.len() as u64;
    let mut scripts = scripts.into_iter();
    for life in 0.. {
        let effects = checker.effects(scripts.next().unwrap_or_else(undisturbed));
        let ended = workload.live(&mut world, &effects);
        traces.push(effects.trace());
        let failure = match ended {
            Ended::Done(Ok(report)) if report.failure.is_none() => {
                checker.at_end(&report, life);
                break;
            }
            Ended::Done(Ok(report)) => report.failure.map(|error| error.to_string()),
            Ended::Done(Err(error)) => Some(error.to_string()),
            Ended::Crashed => Some("crashed".to_owned()),
            Ended::Stuck => {
                let how = format!("life {life} waits for ever");
                violate(&checker, "I-28 every run ends", how);
                break;
            }
        };
        if life >= disturbed + LIVES {
            let how = format!("life {life} still fails: {failure:?}");
            violate(&checker, "P20 the job comes to its end", how);
            break;
        }
    }
    let found = std::mem::take(&mut *checker.found.lock().unwrap());
    (traces, found)
}

fn violate(checker: &Checker, rule: &'static str, how: String) {
    checker.found.lock().unwrap().push(Violation { rule, how });
}

/// The effects of a run that nothing disturbs.
pub(crate) fn baseline(workload: &Arc<Workload>) -> (Vec<Effect>, Vec<Found>) {
    let (mut traces, violations) = lives(workload, Vec::new());
    (
        traces.swap_remove(0),
        found(workload, "undisturbed", violations),
    )
}

pub(crate) fn found(workload: &Workload, script: &str, violations: Vec<Violation>) -> Vec<Found> {
    let found = |violation| Found {
        workload: workload.name.clone(),
        script: script.to_owned(),
        violation,
    };
    violations.into_iter().map(found).collect()
}

/// All ways to die at an effect.
pub(crate) fn crashes(workload: &Workload, effect: &Effect) -> Vec<Fate> {
    let mut fates = vec![Fate::CrashBefore, Fate::CrashAfter];
    let keeps_parts = match effect.kind {
        EffectKind::Write => (workload.targets.iter()).any(|target| {
            use syncline::memory::Commits;
            matches!(
                target.store,
                Store::Memory(Commits::AtOnce | Commits::InsertsOnly)
            )
        }),
        EffectKind::RejectAppend => workload.eager_rejects,
        _ => false,
    };
    if keeps_parts && effect.parts > 1 {
        let mut parts = vec![1, effect.parts / 2, effect.parts - 1];
        parts.dedup();
        fates.extend(parts.into_iter().map(Fate::CrashAmid));
    }
    fates
}

pub(crate) fn at(number: u64, fate: Fate) -> Script {
    Box::new(move |effect| {
        if effect.number == number {
            fate
        } else {
            Fate::Proceed
        }
    })
}

/// Dies once at every effect in every way.
pub(crate) fn crash_once(workload: &Arc<Workload>, figures: &mut Figures) -> Vec<Found> {
    let (trace, mut all) = baseline(workload);
    for effect in &trace {
        for fate in crashes(workload, effect) {
            let (_, violations) = lives(workload, vec![at(effect.number, fate)]);
            figures.crash_runs += 1;
            all.extend(found(
                workload,
                &format!("{fate:?} at {effect:?}"),
                violations,
            ));
            if figures.stops(&all) {
                return all;
            }
        }
    }
    all
}

/// Dies at every effect in every way, and again at every effect of the life behind it.
pub(crate) fn crash_twice(workload: &Arc<Workload>, figures: &mut Figures) -> Vec<Found> {
    let (trace, mut all) = baseline(workload);
    for first in &trace {
        for fate in crashes(workload, first) {
            let (traces, _) = lives(workload, vec![at(first.number, fate)]);
            for second in &traces[1] {
                for again in [Fate::CrashBefore, Fate::CrashAfter] {
                    let scripts = vec![at(first.number, fate), at(second.number, again)];
                    let (_, violations) = lives(workload, scripts);
                    figures.double_crash_pairs += 1;
                    let script = format!("{fate:?} at {first:?}, {again:?} at {second:?}");
                    all.extend(found(workload, &script, violations));
                    if figures.stops(&all) {
                        return all;
                    }
                }
            }
        }
    }
    all
}

/// The n-th call of each kind fails: once, though it was done, or from then on.
pub(crate) fn fail_each(workload: &Arc<Workload>, figures: &mut Figures) -> Vec<Found> {
    let (trace, mut all) = baseline(workload);
    for effect in &trace {
        let Effect { kind, nth, .. } = *effect;
        let scripts = [
            (Fate::Fail(false), false),
            (Fate::Fail(true), true),
            (Fate::FailAfter(true), false),
        ];
        for (fate, on) in scripts {
            let script = move |other: &Effect| {
                let hit = other.kind == kind && (other.nth == nth || (on && other.nth > nth));
                if hit { fate } else { Fate::Proceed }
            };
            let (_, violations) = lives(workload, vec![Box::new(script)]);
            figures.nth_call_runs += 1;
            let on = if on { " from there on" } else { "" };
            all.extend(found(
                workload,
                &format!("{fate:?}{on} at {effect:?}"),
                violations,
            ));
            if figures.stops(&all) {
                return all;
            }
        }
    }
    all
}

/// Each effect is never answered once, done or not.
pub(crate) fn hang_each(workload: &Arc<Workload>, figures: &mut Figures) -> Vec<Found> {
    let (trace, mut all) = baseline(workload);
    for effect in &trace {
        for fate in [Fate::Hang, Fate::HangAfter] {
            let (_, violations) = lives(workload, vec![at(effect.number, fate)]);
            figures.hung_runs += 1;
            all.extend(found(
                workload,
                &format!("{fate:?} at {effect:?}"),
                violations,
            ));
            if figures.stops(&all) {
                return all;
            }
        }
    }
    all
}

/// A process is suspended at an effect, another one does the whole job, and the first wakes up. With a lease that is
/// [another question](super::leases).
pub(crate) fn wake_late(workload: &Arc<Workload>, figures: &mut Figures) -> Vec<Found> {
    if workload.leased {
        return Vec::new();
    }
    let (trace, mut all) = baseline(workload);
    for effect in &trace {
        // The second life gets a head start up to each of a few of its effects.
        for head_start in [None, Some(trace.len() as u64 / 2)] {
            let violations = zombie(workload, effect.number, head_start);
            figures.zombie_runs += 1;
            let script = format!("suspended at {effect:?}, woken at {head_start:?}");
            all.extend(found(workload, &script, violations));
            if figures.stops(&all) {
                return all;
            }
        }
    }
    all
}

fn zombie(workload: &Arc<Workload>, number: u64, woken_at: Option<u64>) -> Vec<Violation> {
    let mut world = workload.world();
    let checker = Checker::new(workload, &world);
    let old = checker.effects(at(number, Fate::Suspend));
    let (context, request) = workload.call(&world, &old);
    let job = workload.job(&world, &old);
    let mut first = Box::pin(async move { job.run(&context, request).await });
    if !matches!(drive(&world.clock, &old, first.as_mut()), Ended::Stuck) {
        let how = format!("effect {number} did not suspend the run");
        violate(&checker, "I-30 the same run twice", how);
    }
    world.lives += 1;
    let script = woken_at.map_or_else(
        || Box::new(|_: &Effect| Fate::Proceed) as Box<dyn FnMut(&Effect) -> Fate + Send>,
        |woken_at| at(woken_at, Fate::Suspend),
    );
    let new = checker.effects(script);
    let (context, request) = workload.call(&world, &new);
    let job = workload.job(&world, &new);
    let mut second = Box::pin(async move { job.run(&context, request).await });
    let mut ended = drive(&world.clock, &new, second.as_mut());
    old.wake();
    // Whatever becomes of the old one, it must not harm.
    let _ = drive(&world.clock, &old, first.as_mut());
    if new.suspended() {
        new.wake();
        ended = drive(&world.clock, &new, second.as_mut());
    }
    drop((first, second));
    // Until it has taken the checkpoint over, a run is no older one.
    let claimed = old
        .trace()
        .iter()
        .any(|effect| effect.kind == EffectKind::StatePut && effect.number < number);
    match ended {
        Ended::Done(Ok(report)) if report.failure.is_none() => {
            // The old one may have written in between, as far as the destination lets it.
            checker.at_end(&report, 1);
        }
        _ if !claimed => {
            let effects = checker.effects(|_| Fate::Proceed);
            match workload.live(&mut world, &effects) {
                Ended::Done(Ok(report)) if report.failure.is_none() => checker.at_end(&report, 2),
                other => {
                    let how = format!("{other:?}");
                    violate(&checker, "P20 the job comes to its end", how);
                }
            }
        }
        other => {
            let how = format!("the newer run did not come to its end: {other:?}");
            violate(&checker, "I-6 the newer run wins", how);
        }
    }
    std::mem::take(&mut *checker.found.lock().unwrap())
}

/// After a crash the source is another one, or the saved state is damaged: nothing is done without a clear error.
pub(crate) fn tampered(workload: &Arc<Workload>, figures: &mut Figures) -> Vec<Found> {
    let (trace, mut all) = baseline(workload);
    let puts = trace
        .iter()
        .filter(|effect| effect.kind == EffectKind::StatePut);
    for effect in puts {
        let damaged = |world: &mut World| {
            damage(world);
            ErrorKind::CorruptState
        };
        let replaced = |world: &mut World| {
            let dataset = workload.memory_dataset().with_lineage("another");
            world.dataset = Arc::new(Hearing {
                dataset: Arc::new(dataset),
                heard: Arc::clone(&world.heard),
            });
            ErrorKind::OtherLineage
        };
        let mut run = |tamper: &dyn Fn(&mut World) -> ErrorKind, needs_cursor: bool| {
            let mut world = workload.world();
            let checker = Checker::new(workload, &world);
            let _ = workload.live(
                &mut world,
                &checker.effects(at(effect.number, Fate::CrashAfter)),
            );
            // Until then there is nothing to damage, such as when only the lease was taken.
            let Some(saved) = checker.saved() else {
                return;
            };
            let goes_on = saved["safe"]["ended"] == false
                && (saved["safe"]["cursor"].is_string() || !saved["begun"][0].is_null());
            if needs_cursor && !goes_on {
                return;
            }
            let kind = tamper(&mut world);
            let ended = workload.live(&mut world, &Effects::new(|_| Fate::Proceed));
            figures.tampered_runs += 1;
            let error = match ended {
                Ended::Done(Err(error)) => Some(error),
                _ => None,
            };
            if error.as_ref().map(Error::kind) != Some(kind) {
                let how = format!("{error:?} instead of {kind:?}");
                let violation = Violation {
                    rule: "I-31 no silent full read",
                    how,
                };
                all.extend(found(
                    workload,
                    &format!("tampered behind {effect:?}"),
                    vec![violation],
                ));
            }
        };
        run(&damaged, false);
        if workload.source == Source::Memory {
            run(&replaced, true);
        }
    }
    all
}

/// Changes a byte in the middle of the saved checkpoint.
fn damage(world: &World) {
    let parts = ["job", &world.dataset.info().name, ""];
    let key = StateKey::new(&world.tenant, StateKind::Checkpoint, parts).unwrap();
    let stored = world
        .state
        .get(&key)
        .now_or_never()
        .unwrap()
        .unwrap()
        .unwrap();
    let mut bytes = stored.bytes.to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let put = world
        .state
        .put(&key, bytes.into(), Expected::Version(stored.version));
    let _ = put.now_or_never().unwrap().unwrap();
}

/// What a seed stands for: a workload, and fates by chance for a few lives.
pub(crate) fn by_seed(workloads: &[Arc<Workload>], seed: u64) -> Vec<Found> {
    let mut chance = Chance(seed);
    let workload = &workloads[chance.below(workloads.len() as u64) as usize];
    // From one effect in a hundred to one in three.
    let rate = [3, 8, 20, 50, 100][chance.below(5) as usize];
    let disturbed = 1 + chance.below(5);
    let scripts = (0..disturbed).map(|life| {
        let mut chance = Chance(seed ^ (life + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let script = move |effect: &Effect| match chance.below(rate) {
            0 => match chance.below(6) {
                0 => Fate::CrashBefore,
                1 => Fate::CrashAfter,
                2 if effect.parts > 1 => {
                    Fate::CrashAmid(1 + chance.below(effect.parts as u64 - 1) as usize)
                }
                2 => Fate::CrashAfter,
                3 => Fate::Fail(chance.below(2) == 0),
                _ => Fate::FailAfter(chance.below(2) == 0),
            },
            _ => Fate::Proceed,
        };
        Box::new(script) as Box<dyn FnMut(&Effect) -> Fate + Send>
    });
    let (_, violations) = lives(workload, scripts.collect());
    found(workload, &format!("seed {seed}"), violations)
}

/// SplitMix64.
#[derive(Debug)]
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// How much was tried.
#[derive(Debug, Default, Clone)]
pub(crate) struct Figures {
    pub(crate) crash_runs: u64,
    pub(crate) double_crash_pairs: u64,
    pub(crate) nth_call_runs: u64,
    pub(crate) hung_runs: u64,
    pub(crate) zombie_runs: u64,
    pub(crate) lease_runs: u64,
    pub(crate) tampered_runs: u64,
    pub(crate) redrive_runs: u64,
    pub(crate) seeds: u64,
    pub(crate) histories: u64,
    pub(crate) scheduler_histories: u64,
    /// The first broken rule is enough.
    pub(crate) stops_at_first: bool,
}

impl Figures {
    fn stops(&self, all: &[Found]) -> bool {
        self.stops_at_first && !all.is_empty()
    }

    pub(crate) fn add(&mut self, other: &Figures) {
        self.crash_runs += other.crash_runs;
        self.double_crash_pairs += other.double_crash_pairs;
        self.nth_call_runs += other.nth_call_runs;
        self.hung_runs += other.hung_runs;
        self.zombie_runs += other.zombie_runs;
        self.lease_runs += other.lease_runs;
        self.tampered_runs += other.tampered_runs;
        self.redrive_runs += other.redrive_runs;
        self.seeds += other.seeds;
        self.histories += other.histories;
        self.scheduler_histories += other.scheduler_histories;
    }
}

/// Does the work for each number below `count` on all threads; answers in the order of the numbers.
pub(crate) fn spread<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut all: Vec<(usize, T)> = std::thread::scope(|scope| {
        let worker = || {
            Bug::switch(None);
            let mut done = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return done;
                }
                done.push((number, work(number)));
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap())
            .collect()
    });
    all.sort_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, done)| done).collect()
}

/// What the first life that breaks a rule with a defect is.
pub(crate) fn catch(bug: Bug, workloads: &[Arc<Workload>]) -> Option<Found> {
    if incremental::DEFECTS.contains(&bug) {
        return incremental::catch(bug).map(Found::from);
    }
    if schedulers::DEFECTS.contains(&bug) {
        return schedulers::catch(bug).map(Found::from);
    }
    Bug::switch(Some(bug));
    let found = first(workloads);
    Bug::switch(None);
    found
}

/// What the first life that breaks a rule on a broken backend is.
pub(crate) fn catch_broken(flaw: Flaw, workloads: &[Arc<Workload>]) -> Option<Found> {
    Flaw::switch(Some(flaw));
    let found = first(workloads);
    Flaw::switch(None);
    found
}

fn first(workloads: &[Arc<Workload>]) -> Option<Found> {
    let sweeps: [Sweep; 4] = [crash_once, tampered, wake_late, fail_each];
    let mut figures = Figures {
        stops_at_first: true,
        ..Figures::default()
    };
    let mut sweeps = sweeps.iter();
    sweeps.find_map(|sweep| {
        workloads
            .iter()
            .find_map(|workload| sweep(workload, &mut figures).into_iter().next())
    })
}
