//! When jobs run, for whoever changes or shows it.

use std::fmt;
use std::sync::Arc;

use super::listeners::{EventReport, is_unreadable, too_many};
use super::provider::ProvidedJob;
use super::shelf::{Change, Changed, Shelf};
use super::timetable::Timetable;
use super::view::{TimetableView, view};
use crate::host::{Context, StateKey, StateKind, StateStore, unique};
use crate::job::Trigger;
use crate::schedule::{Happened, Holidays};
use crate::{Error, ErrorKind, Result, Tenant};

/// How many are listed at once.
const PAGE: usize = 200;

/// When the jobs of all tenants run, in a state store. Any number of processes may have it; it starts nothing, [schedulers](super::Scheduler) do. Cheap to
/// clone.
///
/// ```
/// # futures::executor::block_on(async {
/// use std::sync::Arc;
/// use syncline::Tenant;
/// use syncline::host::Context;
/// use syncline::memory::MemoryState;
/// use syncline::scheduler::{ProvidedJob, Timetables};
/// use syncline::spec::RunSettings;
///
/// let timetables = Timetables::new(Tenant::new("the host")?, Arc::new(MemoryState::new()));
/// let (context, acme) = (Context::new(), Tenant::new("acme")?);
/// let hourly = RunSettings::new("every hour".parse()?);
/// timetables.put(&context, &acme, "people", ProvidedJob::new("people", hourly)).await?;
/// let run = timetables.run_now(&context, &acme, "people").await?;
/// let view = timetables.get(&context, &acme, "people").await?;
/// assert_eq!(view.waiting[0].run, run);
/// assert!(view.next.unwrap() > context.clock().now());
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Timetables {
    own: Tenant,
    store: Arc<dyn StateStore>,
    holidays: Option<Arc<dyn Holidays>>,
}

impl Timetables {
    /// The timetables in a store. What schedulers save belongs to the host, under this name; jobs belong to tenants of any name.
    pub fn new(own: Tenant, store: Arc<dyn StateStore>) -> Self {
        Timetables {
            own,
            store,
            holidays: None,
        }
    }

    /// The same, where schedules look at these holidays.
    #[must_use]
    pub fn with_holidays(mut self, holidays: Arc<dyn Holidays>) -> Self {
        self.holidays = Some(holidays);
        self
    }

    pub(super) fn own(&self) -> &Tenant {
        &self.own
    }

    pub(super) fn store(&self) -> &Arc<dyn StateStore> {
        &self.store
    }

    pub(super) fn shelf(&self, context: &Context) -> Shelf {
        Shelf::new(context, &self.store, &self.own, self.holidays.clone())
    }

    /// Says when and how a job runs from now on.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) settings, and those of the store. One that stands there and cannot be read must be [removed](Self::remove) first.
    pub async fn put(
        &self,
        context: &Context,
        tenant: &Tenant,
        job: &str,
        provided: ProvidedJob,
    ) -> Result<()> {
        let shelf = self.shelf(context);
        let problems = provided.settings.problems("settings");
        if !problems.is_empty() {
            return Err(Error::invalid("the job cannot run so", problems).with("job", job));
        }
        let schedule = shelf.compile(&provided.settings.schedule);
        let schedule = schedule.map_err(|error| error.with("job", job))?;
        shelf
            .alter(tenant, job, |stored| {
                let now = shelf.now();
                let timetable = match stored {
                    None => Timetable::new(provided.clone(), now),
                    Some(mut timetable) => {
                        // What cannot be compiled here decides nothing, and is replaced all the same.
                        if let Ok(before) = shelf.compile(&timetable.settings.schedule) {
                            timetable.decide(now, &before, job);
                        }
                        if !timetable.provided(&provided, now) {
                            return Ok((Change::Stays, ()));
                        }
                        timetable
                    }
                };
                let schedule = schedule.clone();
                let to = Changed {
                    timetable,
                    schedule,
                };
                Ok((Change::To(Box::new(to)), ()))
            })
            .await
    }

    /// Forgets a job. A run that goes on is stopped first, and its timetable goes with it. One that cannot be read goes at once.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn remove(&self, context: &Context, tenant: &Tenant, job: &str) -> Result<()> {
        let shelf = self.shelf(context);
        let removed = shelf.alter(tenant, job, |stored| {
            let Some(mut timetable) = stored else {
                return Ok((Change::Stays, ()));
            };
            timetable.remove();
            if timetable.is_over() {
                return Ok((Change::Goes, ()));
            }
            // The run has places, which only its timetable knows.
            let schedule = shelf.compile_any(&timetable)?;
            let to = Changed {
                timetable,
                schedule,
            };
            Ok((Change::To(Box::new(to)), ()))
        });
        match removed.await {
            Err(error) if is_unreadable(error.kind()) => shelf.discard(tenant, job).await,
            removed => removed,
        }
    }

    /// Has a job run as soon as it can; its name is the answer. It waits until a run that goes on has ended.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) without a timetable, [`Invalid`](ErrorKind::Invalid) for a job that is disabled,
    /// [`LimitExceeded`](ErrorKind::LimitExceeded) if 100 runs wait already.
    pub async fn run_now(&self, context: &Context, tenant: &Tenant, job: &str) -> Result<String> {
        let run = format!("manual {}", unique(context.entropy()));
        self.ask(context, tenant, job, &run, Trigger::Manual)
            .await?;
        Ok(run)
    }

    async fn ask(
        &self,
        context: &Context,
        tenant: &Tenant,
        job: &str,
        run: &str,
        trigger: Trigger,
    ) -> Result<()> {
        let shelf = self.shelf(context);
        shelf
            .change(tenant, job, |timetable, schedule| {
                let now = shelf.now();
                if !timetable.enabled {
                    let message = "the job is disabled; enable it first";
                    return Err(
                        Error::new(ErrorKind::Invalid, message).with("job", &timetable.name)
                    );
                }
                timetable.decide(now, schedule, job);
                match timetable.ask(run.to_owned(), now, trigger.clone(), &[]) {
                    true => {
                        timetable.on_behalf(run, context.actor());
                        Ok(())
                    }
                    false => Err(too_many().with("job", &timetable.name)),
                }
            })
            .await
    }

    /// Stops the run that goes on, and takes away those that wait. None of them comes again.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) without a timetable, and those of the store.
    pub async fn cancel(&self, context: &Context, tenant: &Tenant, job: &str) -> Result<()> {
        self.cancelled(context, tenant, job, None).await.map(drop)
    }

    /// Stops the run of this name, or takes it away if it waits; `false` if it does neither.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) without a timetable, and those of the store.
    pub async fn cancel_run(
        &self,
        context: &Context,
        tenant: &Tenant,
        job: &str,
        run: &str,
    ) -> Result<bool> {
        self.cancelled(context, tenant, job, Some(run)).await
    }

    async fn cancelled(
        &self,
        context: &Context,
        tenant: &Tenant,
        job: &str,
        run: Option<&str>,
    ) -> Result<bool> {
        let shelf = self.shelf(context);
        shelf
            .change(tenant, job, |timetable, schedule| {
                let now = shelf.now();
                timetable.decide(now, schedule, job);
                Ok(timetable.cancel(run, now))
            })
            .await
    }

    /// Tells the jobs of a tenant that something has happened, once: `id` is the same if it is told again, such as a file's name with its version. Each job
    /// knows the last 1,000 that started it; an older one that is told again starts a run of the same name again.
    ///
    /// # Errors
    /// Those of the store: some jobs may know by then. What is told again after an error starts nothing twice.
    pub async fn happened(
        &self,
        context: &Context,
        tenant: &Tenant,
        event: &Happened,
        id: &str,
    ) -> Result<EventReport> {
        self.shelf(context).tell(tenant, event, id, &[]).await
    }

    /// The jobs of a tenant that have a timetable.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn jobs(&self, context: &Context, tenant: &Tenant) -> Result<Vec<String>> {
        let shelf = self.shelf(context);
        let first = StateKey::new(&self.own, StateKind::Timetable, [tenant.as_ref(), ""])?;
        // An empty name is spelled `%`, which comes first.
        let prefix = first.path().trim_end_matches('%').to_owned();
        let mut behind = first;
        let mut jobs = Vec::new();
        loop {
            let page = shelf.jobs(Some(&behind), PAGE).await?;
            let full = page.len() == PAGE;
            let mut ours = page
                .into_iter()
                .take_while(|(key, ..)| key.path().starts_with(&prefix))
                .peekable();
            let came = ours.peek().is_some();
            for (key, _, job) in ours {
                jobs.push(job);
                behind = key;
            }
            if !full || !came {
                return Ok(jobs);
            }
        }
    }

    /// When a job runs.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) without a timetable, and those of the store.
    pub async fn get(
        &self,
        context: &Context,
        tenant: &Tenant,
        job: &str,
    ) -> Result<TimetableView> {
        let shelf = self.shelf(context);
        match shelf.find(tenant, job).await? {
            None => Err(super::shelf::no_timetable(job)),
            Some(found) => Ok(view(tenant, job, found, shelf.now())),
        }
    }

    /// When each job of a tenant runs, by its name.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list(&self, context: &Context, tenant: &Tenant) -> Result<Vec<TimetableView>> {
        let shelf = self.shelf(context);
        let mut views = Vec::new();
        for job in self.jobs(context, tenant).await? {
            if let Some(found) = shelf.find(tenant, &job).await? {
                views.push(view(tenant, &job, found, shelf.now()));
            }
        }
        views.sort_by(|a: &TimetableView, b| {
            (&a.provided.name, &a.job).cmp(&(&b.provided.name, &b.job))
        });
        Ok(views)
    }
}

impl fmt::Debug for Timetables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Timetables").field(&self.own).finish()
    }
}
