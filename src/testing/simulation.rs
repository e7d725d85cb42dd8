//! A user's own job under the simulator: broken off and disturbed at every effect, it must come to the same end.

use std::fmt;
use std::sync::Arc;

use chrono::DateTime;

use super::effects::{Effect, Effects, Ended, Fate, drive};
use super::fault::Fault;
use crate::host::{Context, RejectLedger, SeededEntropy, StateStore};
use crate::job::{CommitPolicy, Guarantee, Job as _, Outcome, RunReport, RunRequest, SyncJob};
use crate::memory::{ManualClock, MemoryRejects, MemoryState};
use crate::{Result, Tenant};

/// How often a job may be run, undisturbed, until it must have come to its end.
const LIVES: u64 = 6;

type MakeJob<'a, W> = Box<dyn Fn(&W, &Effects) -> Result<SyncJob> + 'a>;
type ReadRecords<'a, W> = Box<dyn Fn(&W) -> Result<Vec<String>> + 'a>;
type FindState<'a, W> = Box<dyn Fn(&W) -> Arc<dyn StateStore> + 'a>;
type Script = Box<dyn FnMut(&Effect) -> Fate + Send>;

/// Runs a job of one's own with every disturbance that there is, and looks whether it comes to the end to which it comes without.
///
/// A *world* is all that outlives a process: the outside system, files, a database. It is made anew for each trial. The job is
/// made anew for each *life* of the process, of parts that are wrapped by the life's [`Effects`]. What must hold behind the last life:
///
/// - The job has come to its end, within a few lives that were not disturbed.
/// - The records are those of a run that was never disturbed, by the job's [`Guarantee`]: the same for effectively and exactly once;
///   of at least once none is missing and none is there that should not be; of best effort some may be missing too.
/// - The counts of the last report add up, and are about as many records as the undisturbed ones.
/// - Each refused record is in the ledger once.
///
/// Whatever the job waits for must happen on this thread, as with files, embedded databases and mocks: time is a [`ManualClock`],
/// which leaps.
///
/// ```
/// use std::sync::Arc;
/// use syncline::job::SyncJob;
/// use syncline::memory::{MemoryConnection, MemoryDataset};
/// # use syncline::record::{Field, FieldType, RecordBuilder, Schema};
/// # use syncline::spec::{DestinationSpec, FieldMapping, Identity, MappingSpec, ObjectSpec, WriteMode};
/// use syncline::testing::Simulation;
/// # fn fields() -> Vec<Field> { vec![Field::new("name", FieldType::Text)] }
/// # fn my_source() -> syncline::Result<MemoryDataset> {
/// #     let mut rows = RecordBuilder::new(&Schema::new(fields()));
/// #     for name in ["Ada", "Ben", "Cleo"] { rows.push(&serde_json::json!({"name": name})).unwrap(); }
/// #     MemoryDataset::new("names", Schema::new(fields()), vec![rows.finish()?])
/// # }
/// # fn my_system() -> syncline::Result<MemoryConnection> {
/// #     MemoryConnection::new("home").with_object(&ObjectSpec::new("person", Identity::Generated, fields()))
/// # }
/// # fn my_spec() -> DestinationSpec {
/// #     let mapping = MappingSpec::new(vec![FieldMapping::direct("name", "name")]);
/// #     DestinationSpec::new("person", WriteMode::upsert(["name"]), mapping)
/// # }
/// # fn names_in(home: &MemoryConnection) -> syncline::Result<Vec<String>> {
/// #     let records = home.object("person").unwrap().scan()?;
/// #     let names = records.iter().flat_map(|batch| (0..batch.num_rows()).map(|row| {
/// #         let mut text = Vec::new();
/// #         syncline::record::format::value(batch.column(1), row, &mut text);
/// #         String::from_utf8(text).unwrap()
/// #     }));
/// #     Ok(names.collect())
/// # }
///
/// let source = Arc::new(my_source()?);
/// Simulation::new(my_system, |system, effects| {
///     let job = SyncJob::new("people", effects.dataset(source.clone()));
///     Ok(job.to(effects.connection(Arc::new(system.clone())), my_spec()))
/// }, names_in)
///     .crash_everywhere()
///     .fail_everywhere()
///     .seeds(0..50)
///     .assert_holds();
/// # Ok::<(), syncline::Error>(())
/// ```
pub struct Simulation<'a, W> {
    world: Box<dyn Fn() -> Result<W> + 'a>,
    job: MakeJob<'a, W>,
    records: ReadRecords<'a, W>,
    state: Option<FindState<'a, W>>,
    request: Box<dyn Fn(RunRequest) -> RunRequest + 'a>,
    trials: u64,
    violations: Vec<Violation>,
    undisturbed: Option<Undisturbed>,
}

/// What a run that nothing disturbs comes to.
struct Undisturbed {
    guarantee: Guarantee,
    records: Vec<String>,
    read: Vec<u64>,
    rejected: usize,
    effects: Vec<Effect>,
}

/// A rule that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// What was done to the first life.
    pub disturbance: String,
    /// What was seen.
    pub seen: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.disturbance, self.seen)
    }
}

impl<W> fmt::Debug for Simulation<'_, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation")
            .field("trials", &self.trials)
            .field("violations", &self.violations)
            .finish_non_exhaustive()
    }
}

/// One trial: a world and what surrounds it.
struct Trial<'s, 'a, W> {
    simulation: &'s Simulation<'a, W>,
    world: W,
    state: Arc<dyn StateStore>,
    ledger: Arc<MemoryRejects>,
    clock: ManualClock,
    tenant: Tenant,
    lives: u64,
}

impl<'a, W> Simulation<'a, W> {
    /// `world` makes a world as it is before the job ever ran; `job` makes the job in it, of parts that the effects wrap; `records` tells
    /// what the destinations hold, a text for each record, in any order.
    pub fn new(
        world: impl Fn() -> Result<W> + 'a,
        job: impl Fn(&W, &Effects) -> Result<SyncJob> + 'a,
        records: impl Fn(&W) -> Result<Vec<String>> + 'a,
    ) -> Self {
        Simulation {
            world: Box::new(world),
            job: Box::new(job),
            records: Box::new(records),
            state: None,
            request: Box::new(|request| request),
            trials: 0,
            violations: Vec::new(),
            undisturbed: None,
        }
    }

    /// The same, whose jobs keep their state in a store of the world; without it, in memory.
    #[must_use]
    pub fn with_state(mut self, state: impl Fn(&W) -> Arc<dyn StateStore> + 'a) -> Self {
        self.state = Some(Box::new(state));
        self
    }

    /// The same, changing how each life is run: its retries, timeouts, batches, groups.
    #[must_use]
    pub fn with_request(mut self, request: impl Fn(RunRequest) -> RunRequest + 'a) -> Self {
        self.request = Box::new(request);
        self
    }

    /// Lets the process die in front of each effect, behind it, and, where it has parts, amid it.
    #[must_use]
    pub fn crash_everywhere(self) -> Self {
        self.at_each_effect(|effect| {
            let mut fates = vec![Fate::CrashBefore, Fate::CrashAfter];
            if effect.parts > 1 {
                fates.push(Fate::CrashAmid(effect.parts / 2));
            }
            fates
        })
    }

    /// Lets each effect fail: nothing done, with and without hope in a retry; done, and the answer lost; done in part; and never answered.
    #[must_use]
    pub fn fail_everywhere(self) -> Self {
        self.at_each_effect(|effect| {
            let mut fates = vec![
                Fate::Fail(false),
                Fate::Fail(true),
                Fate::FailAfter(true),
                Fate::Hang,
                Fate::HangAfter,
            ];
            if effect.parts > 1 {
                fates.push(Fate::FailAmid(effect.parts / 2));
            }
            fates
        })
    }

    fn at_each_effect(mut self, fates: impl Fn(&Effect) -> Vec<Fate>) -> Self {
        let Some(effects) = self.effects() else {
            return self;
        };
        for effect in effects {
            // A fate that only effects of the parts of a wrapper can meet is left out for the others.
            let can = effect.kind.faults();
            let possible = |fate: &Fate| fate.fault().is_some_and(|fault| can.contains(&fault));
            for fate in fates(&effect).into_iter().filter(possible) {
                let script = move |other: &Effect| match other.number == effect.number {
                    true => fate,
                    false => Fate::Proceed,
                };
                let what = format!("{fate:?} at {:?} {}", effect.kind, effect.nth);
                self.trial(what, vec![Box::new(script)]);
            }
        }
        self
    }

    /// Disturbs a few lives by chance, each seed in its own way: crashes and failed calls. A seed that was found to break something
    /// does so again.
    #[must_use]
    pub fn seeds(mut self, seeds: impl IntoIterator<Item = u64>) -> Self {
        if self.effects().is_none() {
            return self;
        }
        const FAULTS: [Fault; 6] = [
            Fault::Crash,
            Fault::CrashAmid,
            Fault::Reject,
            Fault::LostAnswer,
            Fault::Partial,
            Fault::Silence,
        ];
        for seed in seeds {
            let one_in = [3, 8, 20, 50][(seed % 4) as usize];
            let lives = (0..1 + seed % 3).map(|life| -> Script {
                let effects =
                    Effects::chances(seed.wrapping_mul(31).wrapping_add(life), one_in, &FAULTS);
                Box::new(effects)
            });
            let lives = lives.collect();
            self.trial(format!("seed {seed}"), lives);
        }
        self
    }

    /// How many trials there were.
    pub fn trials(&self) -> u64 {
        self.trials
    }

    /// The rules that did not hold.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Demands that every rule held in every trial.
    ///
    /// # Panics
    /// If one did not, with the first of them; and if nothing was tried.
    #[track_caller]
    #[allow(clippy::panic)]
    pub fn assert_holds(&self) {
        let shown: Vec<String> = self
            .violations
            .iter()
            .take(10)
            .map(ToString::to_string)
            .collect();
        let count = self.violations.len();
        if count > 0 {
            panic!(
                "{count} of {} trials break a rule:\n{}",
                self.trials,
                shown.join("\n")
            );
        }
        assert!(
            self.trials > 0,
            "nothing was tried: `crash_everywhere` is a beginning"
        );
    }

    /// The effects of an undisturbed life, which is lived if it was not yet; `None` if even that goes wrong.
    fn effects(&mut self) -> Option<Vec<Effect>> {
        if self.undisturbed.is_none() {
            self.trials += 1;
            match self.baseline() {
                Ok(undisturbed) => self.undisturbed = Some(undisturbed),
                Err(seen) => {
                    let disturbance = "nothing".to_owned();
                    self.violations.push(Violation { disturbance, seen });
                }
            }
        }
        self.undisturbed
            .as_ref()
            .map(|undisturbed| undisturbed.effects.clone())
    }

    fn begin(&self) -> Result<Trial<'_, 'a, W>> {
        let world = (self.world)()?;
        let state = match &self.state {
            Some(state) => state(&world),
            None => Arc::new(MemoryState::new()),
        };
        Ok(Trial {
            simulation: self,
            world,
            state,
            ledger: Arc::default(),
            clock: ManualClock::new(DateTime::UNIX_EPOCH),
            tenant: Tenant::new("simulation")?,
            lives: 0,
        })
    }

    fn baseline(&self) -> std::result::Result<Undisturbed, String> {
        let mut trial = self.begin().map_err(|error| error.to_string())?;
        let effects = Effects::scripted([]);
        let job = (self.job)(&trial.world, &effects).map_err(|error| error.to_string())?;
        let context = trial.context();
        let plan = trial.clock.drive(job.plan(&context));
        let plan = plan
            .ok_or("the plan waits for ever")?
            .map_err(|error| error.to_string())?;
        let effects = Effects::scripted([]);
        let report = trial.live(&effects)?;
        let Some(report) = report else {
            return Err("the job does not come to its end".into());
        };
        Ok(Undisturbed {
            guarantee: plan.guarantee(),
            records: trial.records()?,
            read: report
                .destinations
                .iter()
                .map(|counts| counts.read)
                .collect(),
            rejected: trial.ledger.all().len(),
            effects: effects.trace(),
        })
    }

    fn trial(&mut self, disturbance: String, scripts: Vec<Script>) {
        self.trials += 1;
        let lived = self.begin().map_err(|error| error.to_string());
        let held = lived.and_then(|mut trial| trial.run(scripts));
        if let Err(seen) = held {
            self.violations.push(Violation { disturbance, seen });
        }
    }
}

impl<W> Trial<'_, '_, W> {
    fn context(&self) -> Context {
        Context::new()
            .with_clock(Arc::new(self.clock.clone()))
            .with_entropy(Arc::new(SeededEntropy::new(self.lives)))
    }

    /// One life; the report of one that came to a good end. An error is one that no disturbance explains.
    fn live(&mut self, effects: &Effects) -> std::result::Result<Option<RunReport>, String> {
        self.lives += 1;
        let effects = effects.clone().with_clock(Arc::new(self.clock.clone()));
        let job =
            (self.simulation.job)(&self.world, &effects).map_err(|error| error.to_string())?;
        // Each life has other batches and groups, as a host that was set up anew.
        let other = self.lives as usize % 3;
        let ledger: Arc<dyn RejectLedger> = self.ledger.clone();
        let request = RunRequest::new(effects.rejects(ledger))
            .with_batch_rows(2 + other)
            .with_commit(CommitPolicy::default().with_records(4 + other as u64))
            .with_run("the only one")
            .with_state(self.tenant.clone(), effects.state(Arc::clone(&self.state)));
        let (context, request) = (self.context(), (self.simulation.request)(request));
        let ended = drive(&self.clock, &effects, async {
            job.run(&context, request).await
        });
        let Ended::Done(Ok(report)) = ended else {
            return Ok(None);
        };
        for counts in &report.destinations {
            counts.check().map_err(|error| error.to_string())?;
        }
        let goes_well = matches!(report.outcome, Outcome::Success | Outcome::PartialSuccess);
        Ok(Some(report).filter(|report| goes_well && report.failure.is_none()))
    }

    fn records(&self) -> std::result::Result<Vec<String>, String> {
        let records = (self.simulation.records)(&self.world);
        let mut records = records.map_err(|error| error.to_string())?;
        records.sort_unstable();
        Ok(records)
    }

    fn run(&mut self, scripts: Vec<Script>) -> std::result::Result<(), String> {
        let Some(expected) = &self.simulation.undisturbed else {
            return Err("no undisturbed run to compare with".into());
        };
        let mut ended = None;
        for script in scripts {
            ended = self.live(&Effects::new(script))?;
        }
        while ended.is_none() {
            if self.lives > LIVES {
                return Err(format!("the job does not come to its end in {LIVES} lives"));
            }
            ended = self.live(&Effects::scripted([]))?;
        }
        let read: Vec<u64> = ended
            .iter()
            .flat_map(|report| &report.destinations)
            .map(|counts| counts.read)
            .collect();
        if read != expected.read {
            return Err(format!(
                "{read:?} records accounted for instead of {:?}",
                expected.read
            ));
        }
        let rejected = self.ledger.all().len();
        if rejected != expected.rejected {
            return Err(format!(
                "{rejected} rejects in the ledger instead of {}",
                expected.rejected
            ));
        }
        compare(expected.guarantee, &self.records()?, &expected.records)
    }
}

/// Whether sorted records are what a guarantee allows.
fn compare(
    guarantee: Guarantee,
    is: &[String],
    expected: &[String],
) -> std::result::Result<(), String> {
    let missing = expected
        .iter()
        .find(|record| is.binary_search(record).is_err());
    let strange = is
        .iter()
        .find(|record| expected.binary_search(record).is_err());
    let counts = format!("{} records instead of {}", is.len(), expected.len());
    match guarantee {
        _ if strange.is_some() => Err(format!("a record that should not be there: {strange:?}")),
        Guarantee::BestEffort => Ok(()),
        _ if missing.is_some() => Err(format!("a record is missing: {missing:?}")),
        Guarantee::AtLeastOnce => Ok(()),
        Guarantee::EffectivelyOnce | Guarantee::ExactlyOnce if is == expected => Ok(()),
        Guarantee::EffectivelyOnce | Guarantee::ExactlyOnce => {
            Err(format!("{counts}: some are there twice"))
        }
    }
}
