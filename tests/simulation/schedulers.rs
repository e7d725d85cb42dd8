//! Ten schedulers over one store, which die, stand still, have wrong clocks and a store that fails: no run of a job is made twice at a time or begun anew when it is
//! over, none is lost, and no place is given away twice.
//!
//! A history is a function of its seed: who is polled next, what fails, who dies, which clock jumps, is drawn from it.

mod book;
mod process;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, Waker};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use futures::FutureExt as _;
use syncline::Tenant;
use syncline::host::{Clock as _, Context};
use syncline::job::Trigger;
use syncline::memory::{ManualClock, MemoryState};
use syncline::schedule::{CompiledSchedule, Happened, Schedule as _, ScheduleRequest};
use syncline::scheduler::{ProvidedJob, RunView, TimetableView, Timetables};
use syncline::spec::{MissedRuns, Priority, RunRetry, RunSettings, WhileRunning};
use syncline::testing::Bug;

use super::sweep::Chance;
use book::{Attempt, Book, Deed, End};
use process::Process;

const SCHEDULERS: usize = 10;
/// Disturbed so long, and then left in peace.
const WILD: i64 = 16 * 60;
const CALM: i64 = 12 * 60;
/// A run of this many seconds at most.
const LONGEST: u64 = 90;
const OF_TENANT: u16 = 2;
/// When a listener runs.
const LISTENS: &str = r#"on job "job 0" success or on file """#;

/// The defects that this finds.
pub(crate) const DEFECTS: [Bug; 10] = [
    Bug::BlindTimetable,
    Bug::InstantNotDecided,
    Bug::HintAfterTimetable,
    Bug::RunnerOutlivesSession,
    Bug::DeadAtOnce,
    Bug::SlotsIgnored,
    Bug::DeathUnnoticed,
    Bug::DrainForgets,
    Bug::CancelledComesAgain,
    Bug::ListenersToldLate,
];

fn start() -> DateTime<Utc> {
    "2026-03-01T00:00:00Z".parse().unwrap()
}

/// A rule that is broken, and how.
type Broken = (&'static str, String);

/// A job of a tenant.
type Name = (Tenant, String);

struct History {
    draw: Chance,
    clock: ManualClock,
    state: Arc<MemoryState>,
    book: Book,
    jobs: BTreeMap<Name, RunSettings>,
    processes: Vec<Process>,
    /// Those that are no more, with the number of the next one.
    born: usize,
    disturbed: bool,
    /// Whether clocks are wrong at times, in half of those that are disturbed; the index is compared with the timetables then, and else nothing of it may be lost.
    jumps: bool,
}

/// What is wrong with the history of a seed.
pub(crate) fn by_seed(seed: u64) -> Option<Broken> {
    // One of four is not disturbed at all, and then nothing may happen twice.
    let mut history = History::new(seed, seed % 4 != 0);
    history.live();
    let found = history.violation();
    found.map(|(rule, how)| (rule, format!("seed {seed}: {how}")))
}

/// The first history that breaks a rule with a defect.
pub(crate) fn catch(bug: Bug) -> Option<Broken> {
    Bug::switch(Some(bug));
    let found = (0..3_000).find_map(by_seed);
    Bug::switch(None);
    found
}

impl History {
    fn new(seed: u64, disturbed: bool) -> Self {
        let mut draw = Chance(seed);
        let clock = ManualClock::new(start());
        let mut jobs = BTreeMap::new();
        for tenant in ["acme", "globex", "initech"] {
            let tenant = Tenant::new(tenant).unwrap();
            for number in 0..=draw.below(3) {
                jobs.insert(
                    (tenant.clone(), format!("job {number}")),
                    settings(&mut draw),
                );
            }
            if draw.below(2) == 0 {
                let listens = RunSettings::new(LISTENS.parse().unwrap());
                jobs.insert((tenant, "listener".into()), listens);
            }
        }
        History {
            book: Book::new(&clock, jobs.clone(), seed),
            state: Arc::new(MemoryState::new()),
            processes: Vec::new(),
            born: 0,
            clock,
            jobs,
            draw,
            disturbed,
            jumps: seed % 8 < 4,
        }
    }

    fn timetables(&self) -> Timetables {
        let own = Tenant::new("host").unwrap();
        Timetables::new(own, self.state.clone())
    }

    fn spawn(&mut self) {
        let disturbed = self.disturbed;
        let process = Process::begin(
            self.born,
            &self.clock,
            &self.state,
            &self.book,
            &mut self.draw,
            disturbed,
            self.jumps,
        );
        self.born += 1;
        self.processes.push(process);
    }

    fn live(&mut self) {
        let context = Context::new().with_clock(Arc::new(self.clock.clone()));
        let timetables = self.timetables();
        for ((tenant, job), settings) in &self.jobs {
            let put = timetables.put(&context, tenant, job, provided(job, settings));
            put.now_or_never().unwrap().unwrap();
        }
        for _ in 0..SCHEDULERS {
            self.spawn();
        }
        let ends = start() + TimeDelta::seconds(WILD);
        let mut next = start();
        while self.clock.now() < ends {
            if self.clock.now() >= next {
                if self.disturbed {
                    self.disturb();
                }
                if self.draw.below(4) == 0 {
                    self.ask(&context);
                }
                next = self.clock.now() + TimeDelta::seconds(20 + self.draw.below(60) as i64);
            }
            self.step();
        }
        self.disturbed = false;
        self.processes.iter_mut().for_each(Process::leave_in_peace);
        while self.processes.len() < 3 {
            self.spawn();
        }
        let ends = self.clock.now() + TimeDelta::seconds(CALM);
        while self.clock.now() < ends {
            self.step();
        }
    }

    /// One process goes on, or time does.
    fn step(&mut self) {
        let now = self.clock.now();
        let ready: Vec<usize> = (0..self.processes.len())
            .filter(|&at| self.processes[at].is_ready(now))
            .collect();
        if ready.is_empty() {
            // Somebody always sleeps, or stands still until a time.
            let wakes = self
                .processes
                .iter()
                .filter_map(Process::stands_until)
                .min();
            if !self.clock.leap() || wakes.is_some_and(|at| at < self.clock.now()) {
                self.clock.advance(TimeDelta::seconds(1));
            }
            return;
        }
        let at = ready[self.draw.below(ready.len() as u64) as usize];
        if self.processes[at].poll() {
            let over = self.processes.swap_remove(at);
            self.book.process_ended(over.number);
            if self.disturbed || self.processes.len() < 3 {
                self.spawn();
            }
        }
    }

    fn disturb(&mut self) {
        let at = self.draw.below(self.processes.len() as u64) as usize;
        match self.draw.below(10) {
            // It dies.
            0..=2 => {
                let dead = self.processes.swap_remove(at);
                self.book.process_died(dead.number);
                drop(dead);
                self.spawn();
            }
            3..=5 => {
                let seconds = 10 + self.draw.below(180) as i64;
                let until = self.clock.now() + TimeDelta::seconds(seconds);
                self.book.disturbed(self.processes[at].number);
                self.processes[at].stand_still(until);
            }
            6..=7 if self.jumps => {
                let minutes = self.draw.below(121) as i64 - 60;
                self.book.disturbed(self.processes[at].number);
                self.processes[at].jump(TimeDelta::minutes(minutes));
            }
            // It is to stop, and another one comes.
            8 => self.processes[at].stop(),
            _ => self.processes[at].dies_amid_effects(1 + self.draw.below(6)),
        }
    }

    /// Somebody has a job run now, thinks better of it, or something happens. Nothing waits but for a conflict, which there is none between two polls.
    fn ask(&mut self, context: &Context) {
        let timetables = self.timetables();
        let at = self.draw.below(self.jobs.len() as u64) as usize;
        let (tenant, job) = self.jobs.keys().nth(at).unwrap().clone();
        match self.draw.below(4) {
            0 => {
                let asked = self.book.asked_for();
                if let Some(deed) = asked.last() {
                    let (tenant, job) = &deed.job;
                    let cancel = timetables.cancel_run(context, tenant, job, &deed.of);
                    if cancel.now_or_never().unwrap().unwrap() {
                        self.book.cancelled(deed.job.clone(), deed.of.clone());
                    }
                }
            }
            1 => {
                let id = format!("file {}", self.clock.now().timestamp());
                let file = Happened::File(id.clone());
                let told = timetables.happened(context, &tenant, &file, &id);
                for job in told.now_or_never().unwrap().unwrap().started {
                    self.book.told((tenant.clone(), job), id.clone());
                }
            }
            _ => {
                let asked = timetables.run_now(context, &tenant, &job).now_or_never();
                self.book.asked((tenant, job), asked.unwrap().unwrap());
            }
        }
    }

    fn violation(&self) -> Option<Broken> {
        let broken = |rule, how| Some((rule, how));
        let attempts = self.book.attempts();
        for ((tenant, job), settings) in &self.jobs {
            let of_job: Vec<&Attempt> = attempts
                .iter()
                .filter(|a| a.tenant == *tenant && a.job == *job)
                .collect();
            if let Some(how) = two_at_once(&of_job) {
                return broken("I-25 one run of a job at a time", how);
            }
            if let Some(how) = begun_anew(&of_job, settings, self.disturbed_ever()) {
                return broken("I-25 a run that is over does not begin anew", how);
            }
            if let Some(how) = self.uncounted(&of_job, settings, &self.view(tenant, job)) {
                return broken("I-25 each instant has one fate", how);
            }
            if let Some(how) = lost(&of_job, settings, &self.view(tenant, job)) {
                let last: Vec<_> = of_job.iter().rev().take(2).collect();
                let how = format!("{how}, {last:?}, {:?}", self.view(tenant, job));
                return broken("I-25 the latest run is not lost", how);
            }
        }
        for deed in self.book.asked_for() {
            let began = attempts.iter().any(|a| is_of(a, &deed) && a.run == deed.of);
            let cancels = self.jobs[&deed.job].while_running == WhileRunning::Cancel;
            if !began && !cancels {
                return broken("I-25 a run that was asked for is made", format!("{deed:?}"));
            }
        }
        for deed in self.book.all_cancelled() {
            // One that had begun may come to know it a little later.
            let by = deed.at + TimeDelta::seconds(60);
            let again = attempts
                .iter()
                .find(|a| is_of(a, &deed) && a.run == deed.of && a.at > by);
            if let Some(again) = again {
                let how = format!("{again:?} behind {deed:?}");
                return broken("I-25 a run that was cancelled does not begin", how);
            }
        }
        for deed in self.book.all_told() {
            let is_it = |trigger: &Trigger| *trigger == Trigger::Event(deed.of.clone());
            if !attempts
                .iter()
                .any(|a| is_of(a, &deed) && is_it(&a.trigger))
            {
                return broken("I-25 what happened starts a run", format!("{deed:?}"));
            }
        }
        if let Some(how) = self.unheard(&attempts) {
            return broken("I-25 who listens hears of each good end", how);
        }
        if let Some(how) = self.interrupted(&attempts) {
            return broken(
                "I-25 a run that was stopped with its scheduler is made",
                how,
            );
        }
        if let Some(how) = too_many(&attempts) {
            return broken("T35 no more runs than there are places", how);
        }
        let context = Context::new().with_clock(Arc::new(self.clock.clone()));
        for (tenant, job) in self.jobs.keys() {
            let view = self
                .timetables()
                .get(&context, tenant, job)
                .now_or_never()
                .unwrap()
                .unwrap();
            let since = view.running.as_ref().map(|run| self.clock.now() - run.at);
            if since.is_some_and(|since| since > TimeDelta::seconds(6 * 60)) {
                return broken(
                    "P20 a dead run is noticed",
                    format!("{tenant} {job}: {view:?}"),
                );
            }
        }
        None
    }

    /// Instants that were due and that are not counted once among those that began, wait, were skipped or missed. Where somebody dies, one may have begun of which
    /// nothing was seen; where clocks jump, instants are decided twice.
    fn uncounted(
        &self,
        attempts: &[&Attempt],
        settings: &RunSettings,
        view: &TimetableView,
    ) -> Option<String> {
        let follows = settings.schedule.to_string().contains("after the end");
        if follows || self.disturbed_ever() && self.jumps {
            return None;
        }
        let schedule = CompiledSchedule::new(&settings.schedule).unwrap();
        let mut request = ScheduleRequest::new(start()).with_job(&view.job);
        let mut due = 0;
        while let Some(at) = schedule
            .next(&request)
            .at()
            .filter(|at| *at <= self.clock.now())
        {
            (due, request.after) = (due + 1, at);
        }
        let of_schedule = attempts.iter().filter(|a| a.trigger == Trigger::Schedule);
        let began: BTreeSet<&str> = of_schedule.map(|a| &*a.run).collect();
        let waits = |run: &&RunView| run.trigger == Trigger::Schedule && run.begun == 0;
        let waits = view.waiting.iter().filter(waits).count();
        let counted = began.len() as u64 + waits as u64 + view.skipped + view.missed;
        let right = match self.disturbed_ever() {
            true => counted <= due,
            false => counted == due,
        };
        (!right).then(|| {
            let (began, skipped, missed) = (began.len(), view.skipped, view.missed);
            format!("{due} due; {began} began, {waits} wait, {skipped} skipped, {missed} missed; {settings:?}")
        })
    }

    /// A good end of the first job of a tenant of which its listener did not hear.
    fn unheard(&self, attempts: &[Attempt]) -> Option<String> {
        let by = start() + TimeDelta::seconds(WILD + CALM - 400);
        let listener = |a: &Attempt| (a.tenant.clone(), "listener".to_owned());
        let mut good = attempts.iter().filter(|a| {
            let went_well = matches!(a.fate.as_deref(), Some("success" | "partial_success"));
            a.job == "job 0" && went_well && a.last_at <= by && self.jobs.contains_key(&listener(a))
        });
        let unheard = good.find(|good| {
            let due = good.due.to_rfc3339_opts(SecondsFormat::Secs, true);
            let prefix = format!("job 0 {due} ");
            !attempts.iter().any(|a| {
                let heard = matches!(&a.trigger, Trigger::Event(id) if id.starts_with(&prefix));
                a.tenant == good.tenant && a.job == "listener" && heard
            })
        });
        unheard.map(|unheard| format!("{unheard:?}"))
    }

    /// A run that was stopped with its scheduler and never came again.
    fn interrupted(&self, attempts: &[Attempt]) -> Option<String> {
        let stopped = attempts.iter().filter(|a| a.end == Some(End::Stopped));
        let by = start() + TimeDelta::seconds(WILD + CALM - 400);
        // One that took too long is given up, and so is one in front of another one that is due.
        let given_up =
            |job: &RunSettings| job.timeout.is_some() || job.while_running == WhileRunning::Cancel;
        let times_out = |a: &Attempt| {
            self.jobs
                .get(&(a.tenant.clone(), a.job.clone()))
                .is_some_and(given_up)
        };
        let cancelled = self.book.all_cancelled();
        let is_cancelled = |a: &Attempt| {
            cancelled
                .iter()
                .any(|deed| is_of(a, deed) && a.run == deed.of)
        };
        let mut stopped = stopped.filter(|a| a.at <= by && !times_out(a) && !is_cancelled(a));
        let alone = stopped.find(|one| {
            let later = |other: &&Attempt| {
                other.tenant == one.tenant && other.job == one.job && other.began > one.began
            };
            let waits = !self.view(&one.tenant, &one.job).waiting.is_empty();
            !waits && !attempts.iter().any(|other| later(&other))
        })?;
        Some(format!("{alone:?}"))
    }

    fn view(&self, tenant: &Tenant, job: &str) -> TimetableView {
        let context = Context::new().with_clock(Arc::new(self.clock.clone()));
        let timetables = self.timetables();
        let got = timetables.get(&context, tenant, job).now_or_never();
        got.unwrap().unwrap()
    }

    fn disturbed_ever(&self) -> bool {
        self.born > SCHEDULERS || self.book.was_disturbed()
    }
}

fn settings(draw: &mut Chance) -> RunSettings {
    let schedules = [
        "every 2 minutes",
        "every 5 minutes",
        "every 90 seconds",
        "every 7 minutes; jitter 60 seconds",
        "every 3 minutes after the end",
        r#"cron "*/4 * * * *""#,
    ];
    let schedule = schedules[draw.below(schedules.len() as u64) as usize];
    let policies = [
        WhileRunning::Skip,
        WhileRunning::Queue,
        WhileRunning::Cancel,
    ];
    let missed = [
        MissedRuns::Latest,
        MissedRuns::Latest,
        MissedRuns::Latest,
        MissedRuns::None,
        MissedRuns::All { most: 3 },
    ];
    let priorities = [Priority::Low, Priority::Normal, Priority::High];
    let mut settings = RunSettings::new(schedule.parse().unwrap())
        .with_while_running(policies[draw.below(3) as usize])
        .with_missed(missed[draw.below(5) as usize])
        .with_priority(priorities[draw.below(3) as usize]);
    if draw.below(3) == 0 {
        settings = settings.with_retry(RunRetry::times(2).with_wait(10));
    }
    if draw.below(4) == 0 {
        settings = settings.with_timeout(60);
    }
    settings
}

fn provided(job: &str, settings: &RunSettings) -> ProvidedJob {
    ProvidedJob::new(job, settings.clone()).with_connections(["the system"])
}

/// Whether an attempt is one of the job that a deed was about.
fn is_of(attempt: &Attempt, deed: &Deed) -> bool {
    (&attempt.tenant, &attempt.job) == (&deed.job.0, &deed.job.1)
}

/// A step of a run behind the beginning of another one of the same job.
fn two_at_once(attempts: &[&Attempt]) -> Option<String> {
    attempts.iter().find_map(|one| {
        let later = attempts
            .iter()
            .find(|other| other.began > one.began && other.began < one.last_step)?;
        Some(format!("{one:?} goes on behind the beginning of {later:?}"))
    })
}

/// A run that begins though it was over, without a reason.
fn begun_anew(attempts: &[&Attempt], settings: &RunSettings, disturbed: bool) -> Option<String> {
    let mut last: BTreeMap<&str, &Attempt> = BTreeMap::new();
    let gives_way = settings.while_running == WhileRunning::Cancel;
    for attempt in attempts {
        if let Some(before) = last.insert(&attempt.run, attempt) {
            let excused = match (before.fate.as_deref(), before.end) {
                (Some("success" | "partial_success"), _) => false,
                // It gave way to one that was not due after all, however it ended.
                (Some("failed" | "timed_out" | "cancelled"), _) if gives_way => true,
                (Some("failed" | "timed_out"), _) => settings.retry.times > 0,
                (Some("cancelled"), _) => false,
                (Some("interrupted"), _) => disturbed,
                (Some(_), _) => true,
                // It failed or paused, and is tried again.
                (None, Some(End::Again)) => true,
                // Whoever made it may not have come to say so.
                (None, Some(End::Over) | None) => before
                    .process_ended_by
                    .is_some_and(|by| by <= attempt.began),
                (None, Some(End::Stopped)) => disturbed,
            };
            if !excused {
                return Some(format!("{attempt:?} behind {before:?}"));
            }
        }
    }
    None
}

/// The last instant that was due and of which nothing came.
fn lost(attempts: &[&Attempt], settings: &RunSettings, view: &TimetableView) -> Option<String> {
    if settings.missed == MissedRuns::None || view.job == "listener" {
        return None;
    }
    let schedule = CompiledSchedule::new(&settings.schedule).unwrap();
    // Time enough to notice the dead, and to wait for a place.
    let by = start() + TimeDelta::seconds(WILD + CALM - 400);
    let mut request = ScheduleRequest::new(start()).with_job(&view.job);
    let mut due = None;
    if settings.schedule.to_string().contains("after the end") {
        // It is due some minutes behind the last end.
        due = Some(by - TimeDelta::minutes(5));
        // By the clock of whoever saw that end.
        if view.next.is_some_and(|next| next > by) {
            return None;
        }
    } else {
        while let Some(at) = schedule.next(&request).at().filter(|at| *at <= by) {
            (due, request.after) = (Some(at), at);
        }
    }
    let due = due?;
    // What a fast clock started counts.
    let waits = view.waiting.iter().any(|run| run.due >= due);
    let named = |run: &str| run.parse::<DateTime<Utc>>().is_ok_and(|at| at >= due);
    let came = waits
        || attempts
            .iter()
            .any(|a| a.at >= due || named(&a.run) || a.last_at >= due);
    (!came).then(|| {
        format!(
            "{} was due at {due} and did not run; {settings:?}",
            view.job
        )
    })
}

/// A moment at which more runs of a tenant, or with its connection, went on than there are places.
fn too_many(attempts: &[Attempt]) -> Option<String> {
    attempts.iter().find_map(|one| {
        let at_once = attempts
            .iter()
            .filter(|a| a.tenant == one.tenant && a.began <= one.began && a.last_step >= one.began);
        let at_once: Vec<&Attempt> = at_once.collect();
        (at_once.len() > usize::from(OF_TENANT)).then(|| format!("{at_once:?}"))
    })
}

/// Polls a future once.
fn poll_once<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    let mut task = Task::from_waker(waker);
    Pin::new(future).poll(&mut task)
}
