//! What a scheduler does when it looks: which jobs are due, whose runs are to be gone on with, and which run starts.

use std::sync::Arc;
use std::time::Duration;

use super::queue::Candidate;
use super::run::{StartedRun, UnderWay};
use super::session::Session;
use super::shelf::{Entry, Shelf};
use super::slots;
use super::timetable::{End, Running, Waiting};
use super::{JobRun, Scheduler, Tick};
use crate::host::{Bug, Context, StateKey, unique};
use crate::{Error, Result, Tenant};

/// How many entries of the index are read at once.
const PAGE: usize = 500;
/// How many are read each time.
const MOST_ENTRIES: usize = 2_000;
/// How many starts are tried each time, beside those that there is room for.
const MOST_VAIN: usize = 100;
/// How long a job is left alone for which there was no place, or that made trouble.
const REST: Duration = Duration::from_secs(5);

/// What became of a start.
enum Start {
    Begun(Box<StartedRun>),
    /// There is nothing to start any more, or somebody else was faster.
    Nothing,
    /// There is no place.
    NoPlace,
}

impl Scheduler {
    /// Looks at what the index says is due.
    pub(super) async fn look(
        &mut self,
        shelf: &Shelf,
        session: &Session,
        tick: &mut Tick,
    ) -> Result<()> {
        let mut left = MOST_ENTRIES;
        while left > 0 {
            let limit = PAGE.min(left);
            let page = shelf
                .entries(self.looked.as_ref(), shelf.now(), limit)
                .await?;
            left -= page.len();
            let last = page.len() < limit;
            for (key, entry) in page {
                match &entry {
                    Some(entry) if self.passes(entry) => {}
                    Some(entry) => {
                        if let Err(error) = self.look_at(shelf, session, &key, entry).await {
                            self.rest(shelf, &entry.tenant, &entry.job);
                            tick.problems.push(about(error, &entry.tenant, &entry.job));
                        }
                    }
                    // It is nobody's.
                    None => shelf.drop_entry(&key).await?,
                }
                self.looked = Some(key);
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
            for (key, entry) in page {
                if let Err(error) = self.look_at(shelf, session, &key, &entry).await {
                    tick.problems.push(about(error, &entry.tenant, &entry.job));
                }
                behind = Some(key);
            }
            if !full {
                return Ok(());
            }
        }
    }

    /// Whether an entry need not be looked at now.
    fn passes(&self, entry: &Entry) -> bool {
        let (tenant, job) = (&entry.tenant, &entry.job);
        let rests = self.resting.contains_key(&(tenant.clone(), job.clone()));
        rests || !self.queue.has_room(tenant) || self.queue.contains(tenant, job)
    }

    async fn look_at(
        &mut self,
        shelf: &Shelf,
        session: &Session,
        key: &StateKey,
        entry: &Entry,
    ) -> Result<()> {
        let (tenant, job) = (&entry.tenant, &*entry.job);
        let Some(mut found) = shelf.find(tenant, job).await? else {
            return shelf.drop_entry(key).await;
        };
        let hint = found.timetable.hint.as_ref();
        let is_its_own =
            hint.is_some_and(|hint| (hint.at, hint.change) == (entry.at, entry.change));
        if !is_its_own && entry.change <= found.timetable.change {
            // No change to come can rely on it.
            return shelf.drop_entry(key).await;
        }
        let provider = &self.config.provider;
        let provided = provider.job(&shelf.context, tenant, job).await?;
        let now = shelf.now();
        let before = found.timetable.clone();
        found.timetable.decide(now, &found.schedule, job);
        match &provided {
            None => found.timetable.remove(),
            Some(provided) => {
                if found.timetable.provided(provided, now) {
                    found.schedule = shelf.compile(&provided.settings.schedule)?;
                    shelf.listens(tenant, job, &found.schedule).await?;
                }
            }
        }
        if let Some(running) = found.timetable.running.clone() {
            if self.is_over(shelf, session, &running) {
                slots::give_back(shelf, tenant, &running.slots, &running.start).await?;
                found
                    .timetable
                    .end(now, &found.schedule, job, End::Interrupted);
            }
        }
        if found.timetable.is_over() {
            shelf.remove(tenant, job, found).await?;
            return Ok(());
        }
        // An entry of a change that was not made counts as one, so that it can be taken away next time.
        let waits = found.timetable.startable(now).cloned();
        let stays = waits.is_some() || before.running.is_some();
        let stays = stays && is_its_own && found.timetable == before;
        if !stays && !shelf.swap(tenant, job, &mut found).await? {
            return Ok(());
        }
        if let Some(run) = waits {
            let priority = found.timetable.settings.priority;
            let candidate = Candidate::new(job, run.due, priority);
            self.queue.push(tenant, candidate);
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

    /// Starts runs as long as there is room.
    pub(super) async fn start(
        &mut self,
        context: &Context,
        shelf: &Shelf,
        session: &Arc<Session>,
        tick: &mut Tick,
    ) {
        let mut vain = 0;
        while self.shared.count() < self.config.limits.at_once && vain < MOST_VAIN {
            let Some((tenant, candidate)) = self.queue.pop() else {
                return;
            };
            match self
                .begin(context, shelf, session, &tenant, &candidate.job)
                .await
            {
                Ok(Start::Begun(run)) => tick.started.push(*run),
                Ok(Start::Nothing) => vain += 1,
                Ok(Start::NoPlace) => {
                    vain += 1;
                    self.rest(shelf, &tenant, &candidate.job);
                }
                Err(error) => {
                    vain += 1;
                    self.rest(shelf, &tenant, &candidate.job);
                    tick.problems.push(about(error, &tenant, &candidate.job));
                }
            }
        }
    }

    fn rest(&mut self, shelf: &Shelf, tenant: &Tenant, job: &str) {
        let until = shelf.context.clock().monotonic() + REST;
        self.resting.insert((tenant.clone(), job.to_owned()), until);
    }

    async fn begin(
        &mut self,
        context: &Context,
        shelf: &Shelf,
        session: &Arc<Session>,
        tenant: &Tenant,
        job: &str,
    ) -> Result<Start> {
        let Some(mut found) = shelf.find(tenant, job).await? else {
            return Ok(Start::Nothing);
        };
        let now = shelf.now();
        found.timetable.decide(now, &found.schedule, job);
        let Some(waiting) = found.timetable.startable(now).cloned() else {
            return Ok(Start::Nothing);
        };
        let slots = match Bug::SlotsIgnored.is_on() {
            true => Some(Vec::new()),
            false => slots::free(shelf, tenant, &found.timetable, &self.config.limits).await?,
        };
        let Some(slots) = slots else {
            return Ok(Start::NoPlace);
        };
        let start = unique(context.entropy());
        // From here on somebody looking after this start finds it alive.
        let place = self.shared.enter(&start, tenant);
        self.queue.began(tenant);
        let running = Running {
            run: waiting.clone(),
            start: start.clone(),
            session: session.id.clone(),
            scheduler: self.config.name.clone(),
            since: now,
            cancel: false,
            slots: slots.clone(),
        };
        found.timetable.start(&waiting.run, running);
        if !shelf.swap(tenant, job, &mut found).await? {
            return Ok(Start::Nothing);
        }
        if !slots::take(shelf, tenant, &slots, &start).await? {
            unstart(shelf, tenant, job, &start).await?;
            return Ok(Start::NoPlace);
        }
        let Waiting {
            run,
            due,
            trigger,
            begun,
            ..
        } = waiting;
        let run = JobRun {
            tenant: tenant.clone(),
            job: job.to_owned(),
            name: run,
            due,
            trigger,
            begun,
        };
        let under_way = UnderWay {
            context: context.clone(),
            shelf: self.config.timetables.shelf(context),
            session: Arc::clone(session),
            provider: Arc::clone(&self.config.provider),
            place,
            run: run.clone(),
            name: found.timetable.name,
            slots,
            timeout: (found.timetable.settings)
                .timeout
                .map(|seconds| Duration::from_secs(seconds.into())),
            heed_every: self.config.heed_every,
        };
        let future = Box::pin(under_way.made());
        Ok(Start::Begun(Box::new(StartedRun { run, future })))
    }

    /// Looks whether the index has the next few timetables.
    pub(super) async fn compare(&mut self, shelf: &Shelf, most: usize) -> Result<u64> {
        let page = shelf.jobs(self.compared.as_ref(), most).await?;
        self.compared = None;
        let full = page.len() == most;
        let mut mended = 0;
        for (key, tenant, job) in page {
            // One that cannot be read shows when it is due, or looked at.
            if let Ok(Some(mut found)) = shelf.find(&tenant, &job).await {
                mended += u64::from(shelf.mend(&tenant, &job, &found.timetable).await?);
                let before = found.timetable.clone();
                found.timetable.decide(shelf.now(), &found.schedule, &job);
                if found.timetable != before {
                    // If somebody was faster, that one has looked at it.
                    shelf.swap(&tenant, &job, &mut found).await?;
                }
            }
            self.compared = Some(key).filter(|_| full);
        }
        Ok(mended)
    }
}

fn about(error: Error, tenant: &Tenant, job: &str) -> Error {
    error.with("tenant", tenant).with("job", job)
}

/// Takes back a start that found no place.
async fn unstart(shelf: &Shelf, tenant: &Tenant, job: &str, start: &str) -> Result<()> {
    let unstarted = shelf.change(tenant, job, |timetable, _| {
        if let Some(running) = timetable.running.take_if(|running| running.start == start) {
            let mut run = running.run;
            run.begun -= 1;
            timetable.waiting.insert(0, run);
        }
        Ok(())
    });
    unstarted.await
}
