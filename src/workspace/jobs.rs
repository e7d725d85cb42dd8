//! What a tenant syncs.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::activity::{Came, Recorder, RunRecord};
use super::notices::RunEnded;
use super::roster::{JobEntry, Roster, check_name, not_found};
use super::{Workspace, chains, first, specs};
use crate::connection::Catalog;
use crate::dataset::Dataset;
use crate::error::Problem;
use crate::file::DelimitedDataset;
use crate::host::{Context, StateKey, StateKind, unique};
use crate::job::{
    Deed, Job as _, JobPlan, Outcome, Redrive, RedriveReport, RunLease, RunReport, RunRequest,
    RunState, SyncJob, Trigger,
};
use crate::schedule::Holidays;
use crate::spec::{JobSpec, Member, RunCondition, SourceSpec};
use crate::{Error, ErrorKind, Result};

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
            let checked = first::check(roster);
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
            first::free(roster, &[id])?;
            if let (Some(connection), Some(template)) = (&job.connection, job.template) {
                roster.connection_mut(connection)?.declined.push(template);
            }
            roster.remove_job(id, now);
            Ok(())
        };
        self.0.change(context, change).await?;
        self.clear(context, id).await
    }

    /// Plans a job that need not be one of the workspace: all that is wrong with it shows.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) with every mistake and its path; those of its connection.
    pub async fn validate(self, context: &Context, spec: &JobSpec) -> Result<JobPlan> {
        self.valid(context, spec).await?;
        let roster = self.0.roster(context).await?;
        let connection = connection_of(&roster, spec)?;
        let job = self.made(context, spec, connection.as_deref()).await?;
        job.plan(context).await
    }

    /// Opens a job: to preview or plan it, to redrive its rejects, to run it in ways of one's own.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) if it is disabled or its source is gone, and those of its connection.
    pub async fn open(self, context: &Context, id: &str) -> Result<SyncJob> {
        let view = self.get(context, id).await?;
        self.opened(context, &view).await
    }

    async fn opened(self, context: &Context, view: &JobView) -> Result<SyncJob> {
        let rests = match (view.enabled, view.retired) {
            (true, false) => None,
            (false, _) => Some("the job is disabled; enable it first"),
            (true, true) => {
                Some("the source of the job is gone; refresh the connection when it is there again")
            }
        };
        if let Some(message) = rests {
            return Err(Error::new(ErrorKind::Invalid, message).with("job", &view.spec.name));
        }
        self.made(context, &view.spec, view.connection.as_deref())
            .await
    }

    /// Runs it now. Unless the request says otherwise, its state is in the workspace's store, and the run takes the job's lease.
    ///
    /// A job that cannot be opened, since it is disabled or its connection was revoked, has a report too: it failed, and says why.
    ///
    /// People are [told](super::Notices) how it ended, by the job's lists, unless it was a dry run.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) for the job, and those of [`SyncJob`].
    pub async fn run(self, context: &Context, id: &str, request: RunRequest) -> Result<RunReport> {
        let view = self.get(context, id).await?;
        let (run, dry_run) = (request.run.clone(), request.dry_run);
        let (record, ran) = self.run_untold(context, &view, request).await;
        if !dry_run {
            let mut ended = job_end(ran.as_ref(), &view);
            (ended.run, ended.record) = (run.as_deref(), Some(record.as_str()));
            self.0.notices().job_ended(context, &view, &ended).await;
        }
        ran
    }

    /// Runs it, for those who tell people of it themselves; answers the id of its record too.
    pub(super) async fn run_untold(
        self,
        context: &Context,
        view: &JobView,
        request: RunRequest,
    ) -> (String, Result<RunReport>) {
        let recorder = self.recorder(context, view, &request).await;
        let gate = request.gate.clone();
        let run = self.ran(recorder.context(), view, request);
        let ran = recorder.during(run).await;
        match gate.is_some_and(|gate| gate.is_given_up()) {
            // It read ahead in vain, and did nothing.
            true => recorder.forget().await,
            false => recorder.end(&Came::of(&ran)).await,
        }
        (recorder.id().to_owned(), ran)
    }

    async fn ran(
        self,
        context: &Context,
        view: &JobView,
        request: RunRequest,
    ) -> Result<RunReport> {
        let started_at = context.clock().now();
        let job = match self.opened(context, view).await {
            Ok(job) => job,
            Err(error) => {
                let now = context.clock().now();
                let report = RunReport::new(&view.spec.name, started_at, now);
                return Ok(report.not_begun(context, error, request.dry_run));
            }
        };
        job.run(context, self.complete(request)).await
    }

    /// Sends the refused records of the request's ledger through it again, under the job's lease, as a run of its history.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) for the job, those of [`open`](Self::open), and those of [`SyncJob::redrive`].
    pub async fn redrive(
        self,
        context: &Context,
        id: &str,
        request: RunRequest,
        by: &Redrive,
    ) -> Result<RedriveReport> {
        let view = self.get(context, id).await?;
        let request = request.with_trigger(Trigger::Redrive);
        let recorder = self.recorder(context, &view, &request).await;
        let redrive = async {
            let job = self.opened(recorder.context(), &view).await?;
            let request = self.complete(request);
            job.redrive(recorder.context(), request, by).await
        };
        let redrove = recorder.during(redrive).await;
        recorder.end(&Came::of_redrive(&redrove)).await;
        redrove
    }

    /// The request with what the workspace knows: its store for the job's state, and the job's lease. [`run`](Self::run) completes its own; who runs or
    /// redrives a job that was [opened](Self::open) asks here first, so that nobody else runs it meanwhile.
    #[must_use]
    pub fn complete(self, mut request: RunRequest) -> RunRequest {
        if request.state.is_none() {
            request.state = Some(RunState {
                tenant: self.0.tenant().clone(),
                store: Arc::clone(&self.0.0.config.state),
            });
            request.lease = (request.lease).or_else(|| Some(RunLease::new("workspace")));
        }
        request
    }

    async fn made(
        self,
        context: &Context,
        spec: &JobSpec,
        connection: Option<&str>,
    ) -> Result<SyncJob> {
        let dataset = self.dataset(context, spec, connection).await?;
        Ok(specs::sync_job(spec, &dataset, Arc::clone(self.0.home())))
    }

    async fn dataset(
        self,
        context: &Context,
        spec: &JobSpec,
        connection: Option<&str>,
    ) -> Result<Arc<dyn Dataset>> {
        let source = match connection {
            Some(id) => Some(self.0.connections().open(context, id).await?),
            None => None,
        };
        match (&spec.dataset.source, &source) {
            (SourceSpec::Object(object), Some(source)) => source.dataset(context, object).await,
            (SourceSpec::Object(object), None) => self.0.home().dataset(context, object).await,
            (SourceSpec::File(file), source) => {
                let files = match source {
                    Some(source) => source.info().files.clone(),
                    None => self.0.0.config.files.clone(),
                };
                let files = files.ok_or_else(|| {
                    let message = "there are no files here; name a connection that has files";
                    let problem = Problem::new("dataset.connection", message);
                    Error::invalid("the job cannot run as it is", vec![problem])
                })?;
                let opened = DelimitedDataset::open(context, files, file).await;
                let opened = opened.map_err(|error| error.with("path", "dataset.source.file"));
                Ok(Arc::new(opened?))
            }
        }
    }

    async fn valid(self, context: &Context, spec: &JobSpec) -> Result<()> {
        let home = self.0.home().discover(context).await?;
        fits(spec, &home, self.0.0.config.holidays.as_ref())
    }

    pub(super) async fn keeps_what_is_fixed(
        self,
        context: &Context,
        before: &JobView,
        spec: &JobSpec,
    ) -> Result<()> {
        let (Some(connection), Some(template)) = (&before.connection, &before.spec.template) else {
            return Ok(());
        };
        let kind = self
            .0
            .roster(context)
            .await?
            .connection(connection)?
            .spec
            .kind
            .clone();
        let info = self.0.registry().connector(&kind)?.info();
        let Some(template) = info.templates.iter().find(|known| known.name == *template) else {
            return Ok(());
        };
        let mut problems = Vec::new();
        let (then, now) = (&before.spec.dataset, &spec.dataset);
        if template.fixed_source
            && (&then.source, &then.connection) != (&now.source, &now.connection)
        {
            let message = "the source of this job is given by its connector; make a job of your own for another one";
            problems.push(Problem::new("dataset.source", message));
        }
        let objects = |spec: &JobSpec| -> Vec<String> {
            let destinations = spec.destinations.iter();
            destinations
                .map(|destination| destination.object.clone())
                .collect()
        };
        if template.fixed_target && objects(&before.spec) != objects(spec) {
            let message = "what this job writes is given by its connector; make a job of your own for another object";
            problems.push(Problem::new("destinations", message));
        }
        match problems.is_empty() {
            true => Ok(()),
            false => {
                Err(Error::invalid("this cannot be edited", problems)
                    .with("job", &before.spec.name))
            }
        }
    }

    /// Jobs as they are at one moment.
    pub(super) async fn views(
        self,
        context: &Context,
        wanted: impl Fn(&JobEntry) -> bool,
    ) -> Result<Vec<JobView>> {
        Ok(self.snapshot(context, wanted).await?.1)
    }

    /// Jobs as they are at one moment, and the roster of that moment.
    pub(super) async fn snapshot(
        self,
        context: &Context,
        wanted: impl Fn(&JobEntry) -> bool,
    ) -> Result<(Roster, Vec<JobView>)> {
        let documents = self.0.documents(context);
        'anew: loop {
            let roster = self.0.roster(context).await?;
            let mut views = Vec::new();
            for entry in roster.jobs.iter().filter(|entry| wanted(entry)) {
                let key = self.edition_key(&entry.id, &entry.edition)?;
                let saved: Option<JobSpec> = documents.load(&key).await?;
                match saved {
                    Some(spec) => views.push(view(&roster, entry, spec)?),
                    // It was changed or deleted meanwhile.
                    None if self.is_newer(context, entry).await? => continue 'anew,
                    None => {
                        let message = "the spec of a job is gone; put back a copy of the state store, or delete the job";
                        return Err(Error::new(ErrorKind::CorruptState, message)
                            .with("job", &entry.name)
                            .with("id", &entry.id));
                    }
                }
            }
            return Ok((roster, views));
        }
    }

    /// Whether the roster no longer names this edition.
    async fn is_newer(self, context: &Context, entry: &JobEntry) -> Result<bool> {
        let roster = self.0.roster(context).await?;
        let now = roster.jobs.iter().find(|job| job.id == entry.id);
        Ok(now.is_none_or(|now| now.edition != entry.edition))
    }

    /// Saves one edition of a job's spec. It counts when the roster names it.
    pub(super) async fn save_edition(
        self,
        context: &Context,
        id: &str,
        spec: &JobSpec,
    ) -> Result<String> {
        let edition = unique(context.entropy());
        let mut saved = spec.clone();
        // What the roster knows better.
        (saved.id, saved.template, saved.first) = (None, None, None);
        saved.dataset.connection = None;
        let key = self.edition_key(id, &edition)?;
        self.0.documents(context).create(&key, &saved).await?;
        Ok(edition)
    }

    /// Deletes an edition, unless the roster names it: a change that seemed to be refused may have been done by a try whose answer was lost.
    pub(super) async fn forget_edition(
        self,
        context: &Context,
        id: &str,
        edition: &str,
    ) -> Result<()> {
        let roster = self.0.roster(context).await?;
        if roster.job(id).is_ok_and(|job| job.edition == edition) {
            return Ok(());
        }
        let key = self.edition_key(id, edition)?;
        self.0.documents(context).remove(&key).await
    }

    pub(super) fn edition_key(self, id: &str, edition: &str) -> Result<StateKey> {
        self.0.key(StateKind::Job, [id, edition])
    }

    /// Deletes all that is kept of a job, unless the roster names it.
    pub(super) async fn clear(self, context: &Context, id: &str) -> Result<()> {
        if self.0.roster(context).await?.job(id).is_ok() {
            return Ok(());
        }
        let documents = self.0.documents(context);
        documents.remove(&self.first_key(id)?).await?;
        for kind in [StateKind::Checkpoint, StateKind::Job] {
            let first = self.0.key(kind, [id])?;
            let mut last: Option<StateKey> = Some(first.clone());
            loop {
                let page = documents
                    .store()
                    .list(self.0.tenant(), kind, last.as_ref(), 100);
                let page = page.await?;
                let Some(end) = page.last() else { break };
                let past = !end.path().starts_with(first.path());
                for key in &page {
                    if key.parts().first().is_some_and(|part| part == id) {
                        documents.remove(key).await?;
                    }
                }
                if past {
                    break;
                }
                last = page.into_iter().next_back();
            }
        }
        Ok(())
    }
}

impl<'a> Jobs<'a> {
    /// Writes down that a run begins.
    pub(super) async fn recorder(
        self,
        context: &Context,
        view: &JobView,
        request: &RunRequest,
    ) -> Recorder<'a> {
        let record = RunRecord::of_job(context, view, request);
        Recorder::begin(self.0, context, record, view.spec.settings.success).await
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
pub(super) fn entry(id: String, name: String, edition: String, now: DateTime<Utc>) -> JobEntry {
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

/// Whether a job can be, as far as that shows without its source, where the host has these objects and this calendar.
pub(super) fn fits(
    spec: &JobSpec,
    home: &Catalog,
    holidays: Option<&Arc<dyn Holidays>>,
) -> Result<()> {
    let mut problems = specs::own_problems(spec);
    if let (false, Err(error)) = (spec.name.is_empty(), check_name(&spec.name)) {
        problems.extend(error.problems().iter().cloned());
    }
    if let SourceSpec::File(source) = &spec.dataset.source {
        problems.extend(source.problems("dataset.source.file"));
    }
    problems.extend(spec.settings.problems("settings"));
    problems.extend(specs::schedule_problems(&spec.settings, holidays));
    if spec.destinations.is_empty() {
        problems.push(Problem::new(
            "destinations",
            "a job writes to one object at least",
        ));
    }
    for (at, destination) in spec.destinations.iter().enumerate() {
        if home.object(&destination.object).is_none() {
            let message = format!("the host has no object `{}`", destination.object);
            problems.push(Problem::new(format!("destinations[{at}].object"), message));
        }
    }
    // A job may say what it knows of the host's objects. It makes none.
    for (at, object) in spec.objects.iter().enumerate() {
        let path = format!("objects[{at}]");
        let Some(known) = home.object(&object.name) else {
            let message = format!("the host has no object `{}`", object.name);
            problems.push(Problem::new(format!("{path}.name"), message));
            continue;
        };
        for (at, field) in object.fields.iter().enumerate() {
            let found = known.schema.field(&field.name);
            if found.is_none_or(|found| found.field_type != field.field_type) {
                let message = "the host's object has another field of this name, or none";
                problems.push(Problem::new(format!("{path}.fields[{at}]"), message));
            }
        }
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Error::invalid("the job cannot be so", problems).with("job", &spec.name)),
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
    first::check(roster).map_err(|problem| unfit(spec, problem))?;
    roster.job_mut(id)
}

/// The error for a spec of which this is wrong.
pub(super) fn unfit(spec: &JobSpec, problem: Problem) -> Error {
    Error::invalid("the job cannot be so", vec![problem]).with("job", &spec.name)
}

/// How a run of a job ended, as it counts.
pub(super) fn job_end<'a>(
    ran: std::result::Result<&'a RunReport, &'a Error>,
    view: &JobView,
) -> RunEnded<'a> {
    match ran {
        Ok(report) => {
            let success = &view.spec.settings.success;
            RunEnded {
                failure: report.failure.as_ref(),
                ..RunEnded::new(judged(report.outcome, Deed::of(report), success))
            }
        }
        Err(error) => RunEnded {
            failure: Some(error),
            ..RunEnded::new(Outcome::Failed)
        },
    }
}

/// How a run counts that must have done this.
pub(super) fn judged(outcome: Outcome, deed: Deed, success: &RunCondition) -> Outcome {
    match outcome {
        Outcome::Cancelled | Outcome::Paused { .. } => outcome,
        // Whatever it did is enough.
        Outcome::Failed if deed.lacks(success).is_none() => Outcome::PartialSuccess,
        _ if deed.lacks(success).is_some() => Outcome::Failed,
        _ => outcome,
    }
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
