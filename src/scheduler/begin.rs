//! Which run starts, and how.

use std::sync::Arc;
use std::time::Duration;

use super::look::about;
use super::run::{StartedRun, UnderWay};
use super::session::Session;
use super::shelf::Shelf;
use super::timetable::Running;
use super::{Scheduler, Tick, slots};
use crate::host::{Bug, Context, unique};
use crate::{Result, Tenant};

/// How many starts are tried each time, beside those that there is room for.
const MOST_VAIN: usize = 100;

/// What became of a start.
enum Start {
    Begun(Box<StartedRun>),
    /// There is nothing to start any more, or somebody else was faster.
    Nothing,
    /// There is no place.
    NoPlace,
}

impl Scheduler {
    /// Starts runs as long as there is room.
    pub(super) async fn start(
        &mut self,
        context: &Context,
        shelf: &Shelf,
        session: &Arc<Session>,
        tick: &mut Tick,
    ) {
        let mut vain = 0;
        if self.shared.is_draining() {
            return;
        }
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
                    let now = context.clock().monotonic();
                    self.resting.job(&tenant, &candidate.job, now);
                }
                Err(error) => {
                    vain += 1;
                    let now = context.clock().monotonic();
                    self.resting.job(&tenant, &candidate.job, now);
                    tick.problems.push(about(error, &tenant, &candidate.job));
                }
            }
        }
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
            begun_before: None,
            stop: None,
            slots: slots.clone(),
        };
        found.timetable.start(&waiting.run, running);
        // Others may take it for dead by now, and what it begins with it.
        session.check(context)?;
        if !shelf.swap(tenant, job, &mut found).await? {
            return Ok(Start::Nothing);
        }
        if !slots::take(shelf, tenant, job, &slots, &start).await? {
            unstart(shelf, tenant, job, &start).await?;
            return Ok(Start::NoPlace);
        }
        let run = waiting.job_run(tenant, job);
        let under_way = UnderWay {
            context: context.clone(),
            shelf: self.config.timetables.shelf(context),
            session: Arc::clone(session),
            provider: Arc::clone(&self.config.provider),
            place: place.begun(),
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
}

/// Takes back a start that found no place.
async fn unstart(shelf: &Shelf, tenant: &Tenant, job: &str, start: &str) -> Result<()> {
    let unstarted = shelf.change(tenant, job, |timetable, _| {
        timetable.unstart(start);
        Ok(())
    });
    unstarted.await
}
