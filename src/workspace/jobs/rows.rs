//! The list of jobs, for people.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::super::activity::{RunQuery, RunRecord, RunStatus};
use super::super::roster::{JobEntry, Roster};
use super::super::specs;
use super::Jobs;
use crate::host::Context;
use crate::schedule::{LastOutcome, Schedule as _, ScheduleRequest};
use crate::scheduler::{TimetableView, Timetables};
use crate::spec::{Member, Recurrence, RunSettings, SourceSpec};
use crate::{Error, ErrorKind, Result};

/// Over how many dry runs the last run is looked for.
const DRY_RUNS: usize = 20;

/// Which jobs a list has.
///
/// ```
/// use syncline::workspace::{JobQuery, RunStatus};
///
/// let query = JobQuery::new().with_name("contact").with_statuses([RunStatus::Failed]).with_scheduled(true);
/// assert!(query.connection.is_none());
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct JobQuery {
    /// Whose name has this in it, in capitals or not.
    pub name: Option<String>,
    /// That read this connection, by id.
    pub connection: Option<String>,
    /// Whose last run is, or ended, like one of these; all if there is none, those that never ran among them.
    pub statuses: Vec<RunStatus>,
    /// That run by themselves, or only when somebody says so.
    pub scheduled: Option<bool>,
    /// The timetables of the host's schedulers, for the time of the next run.
    pub timetables: Option<Timetables>,
}

impl JobQuery {
    /// All of them.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, with this in their names.
    #[must_use]
    pub fn with_name(mut self, part: impl Into<String>) -> Self {
        self.name = Some(part.into());
        self
    }

    /// The same, of this connection.
    #[must_use]
    pub fn of_connection(mut self, id: impl Into<String>) -> Self {
        self.connection = Some(id.into());
        self
    }

    /// The same, whose last run is or ended like one of these.
    #[must_use]
    pub fn with_statuses(mut self, statuses: impl IntoIterator<Item = RunStatus>) -> Self {
        self.statuses = statuses.into_iter().collect();
        self
    }

    /// The same, that run by themselves, or do not.
    #[must_use]
    pub fn with_scheduled(mut self, scheduled: bool) -> Self {
        self.scheduled = Some(scheduled);
        self
    }

    /// The same, with times of next runs as these have them: with retries, and with runs that wait. Without them they are those of the schedules alone.
    #[must_use]
    pub fn with_timetables(mut self, timetables: Timetables) -> Self {
        self.timetables = Some(timetables);
        self
    }

    /// By what the roster knows, so that no other spec is loaded.
    fn fits(&self, entry: &JobEntry) -> bool {
        let has = |part: &String| {
            let name = entry.name.to_lowercase();
            name.contains(&part.to_lowercase())
        };
        self.name.as_ref().is_none_or(has)
            && (self.connection.is_none() || self.connection == entry.connection)
    }
}

/// A job as a row of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct JobRow {
    /// What calls name it by.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The name of the connection that it reads; `None` if it reads what is the host's own.
    pub connection: Option<String>,
    /// The object or file that it reads.
    pub source: String,
    /// The objects that it writes, in order.
    pub destinations: Vec<String>,
    /// Whether it may run.
    pub enabled: bool,
    /// Whether its source is gone, so that it does not run.
    pub retired: bool,
    /// The last run, by its id in the [history](crate::workspace::Activity::run), if it ran. Dry runs are none.
    pub last_run: Option<String>,
    /// When that began.
    pub last_at: Option<DateTime<Utc>>,
    /// How it is, or how it ended.
    pub last_status: Option<RunStatus>,
    /// When it runs, as [text](crate::spec::ScheduleSpec).
    pub schedule: String,
    /// The chains that are enabled and run it, by name. Its own schedule does not count then.
    pub chains: Vec<String>,
    /// Whether it runs by itself, by its own schedule or in a chain that does; else only when somebody says so.
    pub scheduled: bool,
    /// When it, or a chain that runs it, is due next.
    pub next_at: Option<DateTime<Utc>>,
}

impl Jobs<'_> {
    /// Jobs with what people want to see of them at a glance, by name.
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// # use std::sync::Arc;
    /// # use syncline::Tenant;
    /// # use syncline::host::{Context, HttpResponse};
    /// # use syncline::memory::{MemoryCipher, MemoryConnection, MemoryState, MemoryTransport};
    /// # use syncline::record::{Field, FieldType};
    /// # use syncline::spec::{DatasetSpec, DestinationSpec, FieldMapping, Identity, JobSpec, MappingSpec, ObjectSpec, RunSettings, SourceSpec, WriteMode};
    /// # use syncline::workspace::{Workspace, WorkspaceConfig};
    /// # let email = || vec![Field::new("email", FieldType::Email)];
    /// # let home = MemoryConnection::new("home")
    /// #     .with_object(&ObjectSpec::new("user", Identity::Generated, email()))?
    /// #     .with_object(&ObjectSpec::new("person", Identity::Generated, email()))?;
    /// # let transport = MemoryTransport::new(|request| Ok(HttpResponse::of(request, 404, "")));
    /// # let (state, cipher) = (Arc::new(MemoryState::new()), Arc::new(MemoryCipher::new()));
    /// # let workspace = Workspace::new(WorkspaceConfig::new(Tenant::new("acme")?, state, cipher, Arc::new(transport), Arc::new(home)));
    /// # let context = Context::new();
    /// # let mapping = MappingSpec::new(vec![FieldMapping::direct("email", "email")]);
    /// # let person = DestinationSpec::new("person", WriteMode::upsert(["email"]), mapping);
    /// # let spec = JobSpec::new("people", DatasetSpec::new(SourceSpec::Object("user".into())), vec![], vec![person]);
    /// use syncline::workspace::JobQuery;
    ///
    /// let hourly = RunSettings::new("every hour".parse()?);
    /// workspace.jobs().create(&context, spec.with_settings(hourly)).await?;
    /// let rows = workspace.jobs().rows(&context, &JobQuery::new().with_name("PEOPLE")).await?;
    /// assert_eq!((&*rows[0].source, &*rows[0].destinations[0]), ("user", "person"));
    /// assert_eq!((&*rows[0].schedule, rows[0].last_status), ("every hour UTC", None));
    /// assert!(rows[0].next_at.is_some());
    /// # Ok::<(), syncline::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// Those of the store.
    pub async fn rows(self, context: &Context, query: &JobQuery) -> Result<Vec<JobRow>> {
        let (roster, views) = self.snapshot(context, |entry| query.fits(entry)).await?;
        let mut rows = Vec::new();
        for view in &views {
            let own = Member::job(&view.id);
            let ways = ways(&roster, &own, &view.spec.settings);
            let by_itself = ways.iter().any(|(_, settings)| !is_on_demand(settings));
            let scheduled = by_itself && view.enabled && !view.retired;
            if query.scheduled.is_some_and(|wanted| wanted != scheduled) {
                continue;
            }
            let last = self.last_run(context, &view.id).await?;
            let status = last.as_ref().map(|run| run.status);
            let is_wanted = |wanted: &RunStatus| Some(*wanted) == status;
            if !query.statuses.is_empty() && !query.statuses.iter().any(is_wanted) {
                continue;
            }
            let next_at = match scheduled {
                true => self.next_at(context, query, &ways, last.as_ref()).await?,
                false => None,
            };
            let chains = roster.chains_with(&own);
            rows.push(JobRow {
                id: view.id.clone(),
                name: view.spec.name.clone(),
                connection: view.spec.dataset.connection.clone(),
                source: match &view.spec.dataset.source {
                    SourceSpec::Object(object) => object.clone(),
                    SourceSpec::File(file) => file.name.clone(),
                },
                destinations: (view.spec.destinations.iter())
                    .map(|destination| destination.object.clone())
                    .collect(),
                enabled: view.enabled,
                retired: view.retired,
                last_at: last.as_ref().map(|run| run.started_at),
                last_status: status,
                last_run: last.map(|run| run.id),
                schedule: view.spec.settings.schedule.to_string(),
                chains: chains.map(|chain| chain.spec.name.clone()).collect(),
                scheduled,
                next_at,
            });
        }
        rows.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(rows)
    }

    /// The last run that was no dry one.
    async fn last_run(self, context: &Context, job: &str) -> Result<Option<RunRecord>> {
        let mut query = RunQuery::new().of_job(job).with_limit(1);
        for _ in 0..DRY_RUNS {
            let mut page = self.0.activity().runs(context, &query).await?;
            match (page.runs.pop(), page.next) {
                (Some(run), _) if !run.dry_run => return Ok(Some(run)),
                (_, Some(next)) => query.after = Some(next),
                _ => break,
            }
        }
        Ok(None)
    }

    /// When the first of these is due.
    async fn next_at(
        self,
        context: &Context,
        query: &JobQuery,
        ways: &[(Member, &RunSettings)],
        last: Option<&RunRecord>,
    ) -> Result<Option<DateTime<Utc>>> {
        let mut first: Option<DateTime<Utc>> = None;
        for (member, settings) in ways {
            let timetable = match &query.timetables {
                Some(timetables) => {
                    let tenant = self.0.tenant();
                    match timetables.get(context, tenant, member.name()).await {
                        Ok(timetable) => Some(timetable),
                        // It was not put yet; or it cannot be read, which hides no other job.
                        Err(error) if is_its_own(&error) => None,
                        Err(error) => return Err(error),
                    }
                }
                None => None,
            };
            let next = match timetable {
                Some(timetable) => due(&timetable),
                None => self.by_schedule(context, member, settings, last),
            };
            first = first.into_iter().chain(next).min();
        }
        Ok(first)
    }

    /// What a schedule says by itself.
    fn by_schedule(
        self,
        context: &Context,
        member: &Member,
        settings: &RunSettings,
        last: Option<&RunRecord>,
    ) -> Option<DateTime<Utc>> {
        // What cannot be compiled was not saved.
        let holidays = self.0.0.config.holidays.as_ref();
        let schedule = specs::schedule(settings, holidays).ok()?;
        let mut request = ScheduleRequest::new(context.clock().now()).with_job(member.name());
        if let (Member::Job(_), Some(last)) = (member, last) {
            request.last_start = Some(last.started_at);
            request.last_end = last.finished_at;
            request.last_outcome = last.finished_at.map(|_| match last.status {
                status if status.wrote() => LastOutcome::Succeeded,
                RunStatus::Failed => LastOutcome::Failed,
                _ => LastOutcome::Stopped,
            });
        }
        schedule.next(&request).at()
    }
}

/// By what a job runs by itself: its own settings, or, if chains that are enabled run it, those of the outermost of them.
fn ways<'a>(
    roster: &'a Roster,
    member: &Member,
    settings: &'a RunSettings,
) -> Vec<(Member, &'a RunSettings)> {
    let mut chains = roster.chains_with(member).peekable();
    if chains.peek().is_none() {
        return vec![(member.clone(), settings)];
    }
    let of_chains = chains.flat_map(|chain| {
        let member = Member::chain(&chain.id);
        ways(roster, &member, &chain.spec.settings)
    });
    of_chains.collect()
}

/// Whether an error is about one timetable, and says nothing of the others.
fn is_its_own(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::CorruptState | ErrorKind::NewerState | ErrorKind::Invalid
    )
}

fn is_on_demand(settings: &RunSettings) -> bool {
    settings.schedule.recurrence == Recurrence::OnDemand
}

/// The first of the runs that wait, and the one that its schedule has next.
fn due(timetable: &TimetableView) -> Option<DateTime<Utc>> {
    let waiting = timetable.waiting.iter().map(|run| run.at);
    waiting.chain(timetable.next).min()
}
