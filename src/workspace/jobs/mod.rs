//! What a tenant syncs.

mod editions;
mod first;
mod fits;
mod rows;
mod run;

use chrono::{DateTime, Utc};

use super::roster::{JobEntry, Roster, not_found};
use super::{Workspace, chains};
use crate::error::Problem;
use crate::host::{Context, unique};
use crate::spec::{JobSpec, Member};
use crate::{Error, ErrorKind, Result};

pub(super) use first::{check, connections, free};
pub(super) use fits::{fits, unfit};
pub use rows::{JobQuery, JobRow};
pub(super) use run::{job_end, judged};

/// The jobs of a [`Workspace`].
#[derive(Debug, Clone, Copy)]
pub struct Jobs<'a>(pub(super) &'a Workspace);

/// A job, for people.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JobView {
    /// What calls name it by. What it has done so far is kept under it, so a job may be renamed.
    pub id: String,
    /// What it does, with the present names of itself and its connection.
    pub spec: JobSpec,
    /// The connection that it reads, by id; `None` if it reads what is the host's own.
    pub connection: Option<String>,
    /// Which of its specs this is: each edit makes another one.
    pub edition: String,
    /// Whether it may run.
    pub enabled: bool,
    /// Whether its source is gone, so that it does not run.
    pub retired: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub changed_at: DateTime<Utc>,
}

impl Jobs<'_> {
    /// Makes a job. Its source is looked at when it is [validated](Self::validate) or run.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) with what is wrong with the spec, as far as that can be seen without the source;
    /// [`Conflict`](ErrorKind::Conflict) if the name is taken.
    pub async fn create(self, context: &Context, spec: JobSpec) -> Result<JobView> {
        let created = self.created(context, spec).await;
        created.map_err(|error| error.during("create job"))
    }

    async fn created(self, context: &Context, spec: JobSpec) -> Result<JobView> {
        self.valid(context, &spec).await?;
        let id = unique(context.entropy());
        let edition = self.save_edition(context, &id, &spec).await?;
        let mut job = entry(id, spec.name.clone(), edition, context.clock().now());
        let mut refused = false;
        let change = |roster: &mut Roster| {
            // What was done by a try whose answer was lost is done.
            if roster.job(&job.id).is_ok() {
                return Ok(());
            }
            let admitted = roster.job_name_is_free(&spec.name, None);
            let connection = admitted.and_then(|()| connection_of(roster, &spec));
            refused = connection.is_err();
            job.connection = connection?;
            let first = first::of_spec(roster, &spec);
            refused = first.is_err();
            job.first = first?;
            roster.jobs.push(job.clone());
            let checked = check(roster);
            refused = checked.is_err();
            checked.map_err(|problem| unfit(&spec, problem))
        };
        let created = self.0.change(context, change).await;
        // If the store failed, it may have been done.
        if refused {
            self.clear(context, &job.id).await?;
        }
        created?;
        self.get(context, &job.id).await
    }

    /// All of them, by name.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list(self, context: &Context) -> Result<Vec<JobView>> {
        let mut views = self.views(context, |_| true).await?;
        views.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
        Ok(views)
    }

    /// The job of this id.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound), and those of the store.
    pub async fn get(self, context: &Context, id: &str) -> Result<JobView> {
        let mut found = self.views(context, |entry| entry.id == id).await?;
        found.pop().ok_or_else(|| not_found("job", id))
    }

    /// Puts another spec in place of the one of this edition.
    ///
    /// # Errors
    /// [`Conflict`](ErrorKind::Conflict) if somebody else changed the job meanwhile, or the name is taken; [`Invalid`](ErrorKind::Invalid)
    /// also for a change of what the job's template [fixes](crate::connector::JobTemplate).
    pub async fn edit(
        self,
        context: &Context,
        id: &str,
        edition: &str,
        spec: JobSpec,
    ) -> Result<JobView> {
        let edited = self.edited(context, id, edition, spec).await;
        edited.map_err(|error| error.during("edit job"))
    }

    async fn edited(
        self,
        context: &Context,
        id: &str,
        edition: &str,
        spec: JobSpec,
    ) -> Result<JobView> {
        let before = self.get(context, id).await?;
        self.keeps_what_is_fixed(context, &before, &spec).await?;
        self.valid(context, &spec).await?;
        let new = self.save_edition(context, id, &spec).await?;
        let now = context.clock().now();
        let mut refused = false;
        let change = |roster: &mut Roster| {
            let swapped = swap(roster, id, edition, &new, &spec);
            refused = swapped.is_err();
            swapped?.changed_at = now;
            Ok(())
        };
        let swapped = self.0.change(context, change).await;
        let unused = match &swapped {
            Ok(()) => Some(edition),
            Err(_) if refused => Some(new.as_str()),
            // It may have been done.
            Err(_) => None,
        };
        if let Some(unused) = unused {
            self.forget_edition(context, id, unused).await?;
        }
        swapped?;
        self.get(context, id).await
    }

    /// Lets it run again.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound), and those of the store.
    pub async fn enable(self, context: &Context, id: &str) -> Result<JobView> {
        self.switch(context, id, true).await
    }

    /// Lets it rest.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound), and those of the store.
    pub async fn disable(self, context: &Context, id: &str) -> Result<JobView> {
        self.switch(context, id, false).await
    }

    async fn switch(self, context: &Context, id: &str, enabled: bool) -> Result<JobView> {
        let now = context.clock().now();
        let change = |roster: &mut Roster| {
            let job = roster.job_mut(id)?;
            (job.enabled, job.changed_at) = (enabled, now);
            Ok(())
        };
        self.0.change(context, change).await?;
        self.get(context, id).await
    }

    /// Removes it, and all that is known of how far it has come. One that was made from a template does not come again.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound), [`Conflict`](ErrorKind::Conflict) if a chain or another job needs it, and those of the store.
    pub async fn delete(self, context: &Context, id: &str) -> Result<()> {
        // Another one's, and one that was removed, are not there.
        self.0.roster(context).await?.job(id)?;
        let now = context.clock().now();
        let change = |roster: &mut Roster| {
            // What was done by a try whose answer was lost is done.
            if roster.gone_jobs.iter().any(|job| job.id == id) {
                return Ok(());
            }
            let job = roster.job(id)?.clone();
            chains::free(roster, &[Member::job(id)])?;
            free(roster, &[id])?;
            if let (Some(connection), Some(template)) = (&job.connection, job.template) {
                roster.connection_mut(connection)?.declined.push(template);
            }
            roster.remove_job(id, now);
            Ok(())
        };
        self.0.change(context, change).await?;
        self.clear(context, id).await
    }
}

/// A job as the roster has it, with its saved spec.
fn view(roster: &Roster, entry: &JobEntry, mut spec: JobSpec) -> Result<JobView> {
    spec.id = Some(entry.id.clone());
    spec.template.clone_from(&entry.template);
    spec.name.clone_from(&entry.name);
    spec.first = match &entry.first {
        None => None,
        Some(id) => Some(roster.job(id)?.name.clone()),
    };
    spec.dataset.connection = match &entry.connection {
        None => None,
        Some(id) => Some(roster.connection(id)?.spec.name.clone()),
    };
    Ok(JobView {
        id: entry.id.clone(),
        spec,
        connection: entry.connection.clone(),
        edition: entry.edition.clone(),
        enabled: entry.enabled,
        retired: entry.retired,
        created_at: entry.created_at,
        changed_at: entry.changed_at,
    })
}

/// A job that may run.
pub(in crate::workspace) fn entry(
    id: String,
    name: String,
    edition: String,
    now: DateTime<Utc>,
) -> JobEntry {
    JobEntry {
        id,
        name,
        connection: None,
        template: None,
        first: None,
        edition,
        enabled: true,
        retired: false,
        created_at: now,
        changed_at: now,
    }
}

/// Has the roster name a new edition in place of the expected one.
fn swap<'a>(
    roster: &'a mut Roster,
    id: &str,
    expected: &str,
    new: &str,
    spec: &JobSpec,
) -> Result<&'a mut JobEntry> {
    // What was done by a try whose answer was lost is done, whatever has changed since.
    if roster.job(id)?.edition == new {
        return roster.job_mut(id);
    }
    roster.job_name_is_free(&spec.name, Some(id))?;
    let connection = connection_of(roster, spec)?;
    let first = first::of_spec(roster, spec)?;
    let job = roster.job_mut(id)?;
    if job.edition != expected {
        let message =
            "somebody else changed the job meanwhile; look at it again, and then change it";
        return Err(Error::new(ErrorKind::Conflict, message).with("job", &job.name));
    }
    job.name.clone_from(&spec.name);
    job.first = first;
    new.clone_into(&mut job.edition);
    if job.connection != connection {
        // The template is its old connection's.
        job.template = None;
    }
    (job.connection, job.retired) = (connection, false);
    check(roster).map_err(|problem| unfit(spec, problem))?;
    roster.job_mut(id)
}

/// The id of the connection that a spec names.
fn connection_of(roster: &Roster, spec: &JobSpec) -> Result<Option<String>> {
    let Some(name) = &spec.dataset.connection else {
        return Ok(None);
    };
    let found = roster.connection_named(name).map(|found| found.id.clone());
    found.map(Some).ok_or_else(|| {
        let message = format!("the workspace has no connection `{name}`");
        unfit(spec, Problem::new("dataset.connection", message))
    })
}
