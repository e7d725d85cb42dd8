//! What a scheduler does when it looks: which jobs are due, and whose runs are to be gone on with.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;

use super::ending::Ending;
use super::index::Entry;
use super::life::End;
use super::queue::{Candidate, rank};
use super::session::Session;
use super::shelf::{Found, Shelf};
use super::timetable::{Running, Timetable, Waiting};
use super::{JobProvider, ProvidedJob, RunEnd, RunFate, Scheduler, Tick, slots};
use crate::host::{Bug, StateKey, within};
use crate::job::Outcome;
use crate::schedule::LastOutcome;
use crate::{Error, ErrorKind, Result, Tenant};

/// How many entries of the index are read at once.
const PAGE: usize = 500;
/// How many are read each time.
const MOST_ENTRIES: usize = 2_000;
/// How many jobs are asked for at once.
const AT_ONCE: usize = 16;
/// How long a provider may take to say how a job runs.
const ASKED: Duration = Duration::from_secs(5);
/// How long a look may take before what is known to wait is started; the next one goes on behind it.
const SLICE: Duration = Duration::from_secs(5);

/// What is known of a job that an entry of the index names.
enum Known {
    Job(Box<(Found, Option<ProvidedJob>)>),
    /// No timetable relies on the entry, nor will one.
    Nothing,
    /// Its provider does not answer.
    Silence,
}

impl Scheduler {
    /// Looks at what the index says is due.
    pub(super) async fn look(
        &mut self,
        shelf: &Shelf,
        session: &Session,
        tick: &mut Tick,
    ) -> Result<()> {
        let until = shelf.context.clock().monotonic() + SLICE;
        let mut left = MOST_ENTRIES;
        while left > 0 {
            let limit = PAGE.min(left);
            let page = shelf
                .entries(self.looked.as_ref(), shelf.now(), limit)
                .await?;
            left -= page.len();
            let last = page.len() < limit;
            for some in page.chunks(AT_ONCE) {
                let due = some
                    .iter()
                    .filter_map(|(key, entry)| Some((key, entry.as_ref()?)));
                let due: Vec<_> = due.filter(|(_, entry)| !self.passes(entry)).collect();
                self.look_at(shelf, session, &due, tick).await;
                for (key, _) in some.iter().filter(|(_, entry)| entry.is_none()) {
                    // It is nobody's.
                    shelf.drop_entry(key).await?;
                }
                self.looked = some.last().map(|(key, _)| key.clone());
                if shelf.context.clock().monotonic() >= until {
                    return Ok(());
                }
            }
            if last {
                self.looked = None;
                return Ok(());
            }
        }
        Ok(())
    }

    /// Looks, a few times in the life of a lease, whether those are alive who make the runs that go on. There are never more of these than places, and no clock
    /// says where they stand.
    pub(super) async fn look_after(
        &mut self,
        shelf: &Shelf,
        session: &Session,
        tick: &mut Tick,
    ) -> Result<()> {
        let now = shelf.context.clock().monotonic();
        let pause = self.config.terms.ttl / 3;
        if self
            .looked_after
            .is_some_and(|last| now.saturating_sub(last) < pause)
        {
            return Ok(());
        }
        self.looked_after = Some(now);
        let mut behind = None;
        loop {
            let page = shelf.running(behind.as_ref(), PAGE).await?;
            let full = page.len() == PAGE;
            for some in page.chunks(AT_ONCE) {
                let run = some.iter().map(|(key, entry)| (key, entry));
                let run: Vec<_> = run
                    .filter(|(_, entry)| !self.resting.has_tenant(&entry.tenant))
                    .collect();
                self.look_at(shelf, session, &run, tick).await;
            }
            behind = page.into_iter().last().map(|(key, _)| key);
            if !full {
                return Ok(());
            }
        }
    }

    /// Whether an entry need not be looked at now.
    fn passes(&self, entry: &Entry) -> bool {
        let (tenant, job) = (&entry.tenant, &*entry.job);
        self.resting.has(tenant, job)
            || !self.queue.has_room(tenant, entry.rank)
            || self.queue.contains(tenant, job)
    }

    /// Looks at a few jobs, all of which are asked for at once.
    async fn look_at(
        &mut self,
        shelf: &Shelf,
        session: &Session,
        some: &[(&StateKey, &Entry)],
        tick: &mut Tick,
    ) {
        let provider = &*self.config.provider;
        let known = some.iter().map(|(_, entry)| ask(provider, shelf, entry));
        let known = join_all(known).await;
        for ((key, entry), known) in some.iter().zip(known) {
            let (tenant, job) = (&entry.tenant, &*entry.job);
            let now = shelf.context.clock().monotonic();
            let error = match known {
                Ok(Known::Silence) => {
                    self.resting.tenant(tenant, now);
                    Some(silence())
                }
                Ok(Known::Nothing) => shelf.drop_entry(key).await.err(),
                Ok(Known::Job(job)) => {
                    let (found, provided) = *job;
                    let heeded = self.heed(shelf, session, entry, found, provided).await;
                    heeded.err()
                }
                Err(error) => Some(error),
            };
            if let Some(error) = error {
                self.resting.job(tenant, job, now);
                tick.problems.push(about(error, tenant, job));
            }
        }
    }

    /// Brings a timetable up to date, and lets its run wait that may start.
    async fn heed(
        &mut self,
        shelf: &Shelf,
        session: &Session,
        entry: &Entry,
        mut found: Found,
        provided: Option<ProvidedJob>,
    ) -> Result<()> {
        let (tenant, job) = (&entry.tenant, &*entry.job);
        let now = shelf.now();
        let before = found.timetable.clone();
        let dead = found.timetable.running.clone();
        let dead = dead.filter(|running| self.is_over(shelf, session, running));
        match dead {
            Some(Running {
                start, slots, run, ..
            }) => {
                slots::give_back(shelf, tenant, job, &slots, &start).await?;
                found.timetable.end(now, &found.schedule, job, End::Died);
                if found.timetable.last != before.last {
                    let provider = Arc::clone(&self.config.provider);
                    told_at_last(&*provider, shelf, (tenant, job), &found.timetable, &run).await?;
                }
            }
            None => found.timetable.decide(now, &found.schedule, job),
        }
        match &provided {
            None => found.timetable.remove(),
            Some(provided) => {
                if found.timetable.provided(provided, now) {
                    found.schedule = shelf.compile(&provided.settings.schedule)?;
                }
            }
        }
        if found.timetable.is_over() {
            shelf
                .remove(tenant, job, found.timetable, found.version)
                .await?;
            return Ok(());
        }
        let waits = found.timetable.startable(now).cloned();
        let stays = waits.is_some() || before.running.is_some();
        if !(stays && found.timetable == before && is_of(entry, &found)) {
            // An entry of a change that was not made counts as one, so that it can be taken away next time.
            found.timetable.change = found.timetable.change.max(entry.change);
            if !shelf.swap(tenant, job, &mut found).await? {
                return Ok(());
            }
        }
        if let Some(run) = waits {
            let rank = rank(run.due, found.timetable.settings.priority);
            self.queue.push(tenant, Candidate::new(job, rank));
        }
        Ok(())
    }

    /// Whether nobody makes a run any more.
    fn is_over(&mut self, shelf: &Shelf, session: &Session, running: &Running) -> bool {
        if Bug::DeathUnnoticed.is_on() {
            return false;
        }
        if running.session == session.id {
            return !self.shared.has(&running.start);
        }
        self.watch
            .is_dead(&shelf.context, &self.config, &running.session)
    }

    /// Looks whether all is there that is filed beside the next few timetables.
    pub(super) async fn compare(&mut self, shelf: &Shelf, tick: &mut Tick) {
        let most = self.config.repair;
        let page = match shelf.jobs(self.compared.as_ref(), most).await {
            Ok(page) => page,
            Err(error) => return tick.problems.push(error),
        };
        self.compared = None;
        let full = page.len() == most;
        for (key, tenant, job) in page {
            if let Err(error) = compare(shelf, &tenant, &job).await {
                tick.problems.push(about(error, &tenant, &job));
            }
            self.compared = Some(key).filter(|_| full);
        }
    }
}

/// Asks how a job runs at present that an entry of the index names.
async fn ask(provider: &dyn JobProvider, shelf: &Shelf, entry: &Entry) -> Result<Known> {
    let (tenant, job) = (&entry.tenant, &*entry.job);
    let Some(found) = shelf.find(tenant, job).await? else {
        return Ok(Known::Nothing);
    };
    if !is_of(entry, &found) && entry.change <= found.timetable.change {
        // No change to come can rely on it.
        return Ok(Known::Nothing);
    }
    let provided = provider.job(&shelf.context, tenant, job);
    Ok(match within(shelf.context.clock(), ASKED, provided).await {
        Some(provided) => Known::Job(Box::new((found, provided?))),
        None => Known::Silence,
    })
}

/// Tells of the end of a run that does not come again, though nobody is left who made it.
async fn told_at_last(
    provider: &dyn JobProvider,
    shelf: &Shelf,
    (tenant, job): (&Tenant, &str),
    ended: &Timetable,
    run: &Waiting,
) -> Result<()> {
    let Some(outcome) = ended.last.outcome else {
        return Ok(());
    };
    let job_run = run.job_run(tenant, job);
    let ending = Ending {
        context: &shelf.context,
        shelf,
        provider,
        run: &job_run,
        name: &ended.name,
        behind: &run.behind,
    };
    let mut told = match outcome {
        LastOutcome::Failed => {
            let message = "the processes that made the run died, again and again; look at what it does to them";
            let error = Error::new(ErrorKind::LimitExceeded, message);
            RunEnd::new(RunFate::Ended(Outcome::Failed)).with_failure(error)
        }
        _ => RunEnd::new(RunFate::Ended(Outcome::Cancelled)),
    };
    // Whoever does not answer keeps nobody else waiting.
    ending.tell_provider(ended, &mut told, ASKED).await;
    ending.tell_listeners(outcome).await
}

async fn compare(shelf: &Shelf, tenant: &Tenant, job: &str) -> Result<()> {
    // One that cannot be read shows when it is due, or looked at.
    let Ok(Some(mut found)) = shelf.find(tenant, job).await else {
        return Ok(());
    };
    shelf.mend(tenant, job, &found.timetable).await?;
    let before = found.timetable.clone();
    found.timetable.decide(shelf.now(), &found.schedule, job);
    if found.timetable != before {
        // If somebody was faster, that one has looked at it.
        shelf.swap(tenant, job, &mut found).await?;
    }
    Ok(())
}

/// Whether an entry of the index is the one that a timetable wrote.
fn is_of(entry: &Entry, found: &Found) -> bool {
    let hint = found.timetable.hint.as_ref();
    hint.is_some_and(|hint| (hint.at, hint.change) == (entry.at, entry.change))
}

fn silence() -> Error {
    let message =
        "nobody said in time how this job runs; look whether what the provider asks for answers";
    Error::new(ErrorKind::Timeout, message)
}

pub(super) fn about(error: Error, tenant: &Tenant, job: &str) -> Error {
    error.with("tenant", tenant).with("job", job)
}
