//! The jobs and chains of workspaces, for schedulers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::jobs::judged;
use super::roster::{ChainEntry, Roster};
use super::{ChainRequest, JobView, Workspace, chains, jobs};
use crate::host::Context;
use crate::job::{Deed, Outcome, RunRequest, Trigger};
use crate::scheduler::{JobProvider, JobRun, ProvidedJob, RunEnd, Timetables};
use crate::spec::{Member, RunSettings};
use crate::{Error, ErrorKind, Result, Tenant};

/// How often all timetables are put anew when the workspace changed meanwhile.
const TRIES: usize = 10;

type Open = dyn Fn(&Tenant) -> Result<Workspace> + Send + Sync;
type Request = dyn Fn(&Tenant, &JobView) -> RunRequest + Send + Sync;

/// The jobs and chains of all workspaces of a host, for its [schedulers](crate::scheduler::Scheduler). A job or chain is called by its id.
///
/// A job that is in a chain that is enabled runs with that chain only: its own schedule is not looked at. It still runs when somebody says so.
///
/// ```
/// # futures::executor::block_on(async {
/// # use std::sync::Arc;
/// # use syncline::Tenant;
/// # use syncline::host::{Context, HttpResponse};
/// # use syncline::memory::{MemoryCipher, MemoryConnection, MemoryRejects, MemoryState, MemoryTransport};
/// # use syncline::record::{Field, FieldType};
/// # use syncline::spec::{Identity, ObjectSpec};
/// # use syncline::workspace::{Workspace, WorkspaceConfig};
/// # let email = || vec![Field::new("email", FieldType::Email)];
/// # let object = |name| ObjectSpec::new(name, Identity::Generated, email());
/// # let home = MemoryConnection::new("home").with_object(&object("lead"))?.with_object(&object("person"))?;
/// # let transport = MemoryTransport::new(|request| Ok(HttpResponse::of(request, 404, "")));
/// # let (state, cipher) = (Arc::new(MemoryState::new()), Arc::new(MemoryCipher::new()));
/// # let acme = Tenant::new("acme")?;
/// # let config = WorkspaceConfig::new(acme.clone(), state.clone(), cipher, Arc::new(transport), Arc::new(home));
/// # let workspace = Workspace::new(config);
/// # let context = Context::new();
/// use syncline::job::RunRequest;
/// use syncline::scheduler::{SchedulerConfig, Scheduler, Timetables};
/// use syncline::spec::{DatasetSpec, DestinationSpec, FieldMapping, JobSpec, MappingSpec, RunSettings, SourceSpec, WriteMode};
/// use syncline::workspace::Workspaces;
///
/// let mapping = MappingSpec::new(vec![FieldMapping::direct("email", "email")]);
/// let person = DestinationSpec::new("person", WriteMode::upsert(["email"]), mapping);
/// let dataset = DatasetSpec::new(SourceSpec::Object("lead".into()));
/// let hourly = RunSettings::new("every hour".parse()?);
/// let spec = JobSpec::new("people", dataset, vec![], vec![person]).with_settings(hourly);
/// let job = workspace.jobs().create(&context, spec).await?;
///
/// let timetables = Timetables::new(Tenant::new("the host")?, state);
/// let workspaces = Workspaces::new(
///     move |_| Ok(workspace.clone()),
///     |_, _| RunRequest::new(Arc::new(MemoryRejects::new())),
/// );
/// // Behind each change of a job or a chain, and once when the host starts.
/// workspaces.put_all(&context, &timetables, &acme).await?;
/// assert!(timetables.get(&context, &acme, &job.id).await?.next.is_some());
/// let scheduler = Scheduler::new(SchedulerConfig::new("machine 7", timetables, Arc::new(workspaces)));
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Workspaces {
    open: Arc<Open>,
    request: Arc<Request>,
}

impl Workspaces {
    /// The workspace of each tenant, and how each job of it is run.
    pub fn new(
        open: impl Fn(&Tenant) -> Result<Workspace> + Send + Sync + 'static,
        request: impl Fn(&Tenant, &JobView) -> RunRequest + Send + Sync + 'static,
    ) -> Self {
        Workspaces {
            open: Arc::new(open),
            request: Arc::new(request),
        }
    }

    /// Puts a timetable for each job and chain of a tenant, and takes away those of what is gone. A scheduler learns of changed settings when a job is due, too, but
    /// not that one is due sooner than it was.
    ///
    /// # Errors
    /// Those of the stores, the first of them: one job that cannot be put keeps no other from it. Doing it again does the rest.
    /// [`Conflict`](ErrorKind::Conflict) if the workspace changes all the time.
    pub async fn put_all(
        &self,
        context: &Context,
        timetables: &Timetables,
        tenant: &Tenant,
    ) -> Result<()> {
        let workspace = (self.open)(tenant)?;
        for _ in 0..TRIES {
            // Known first: what is made behind this is not taken for gone.
            let known = timetables.jobs(context, tenant).await?;
            let (roster, jobs) = workspace.jobs().snapshot(context, |_| true).await?;
            let jobs = jobs.iter().map(|job| (&*job.id, of_job(&roster, job)));
            let chains = roster.chains.iter();
            let chains = chains.map(|chain| (&*chain.id, of_chain(&roster, chain)));
            let provided: BTreeMap<&str, ProvidedJob> = jobs.chain(chains).collect();
            let mut failed = Ok(());
            for gone in known
                .iter()
                .filter(|id| !provided.contains_key(id.as_str()))
            {
                failed = failed.and(timetables.remove(context, tenant, gone).await);
            }
            for (id, provided) in provided {
                failed = failed.and(timetables.put(context, tenant, id, provided).await);
            }
            failed?;
            // Of two who put at the same time the one that saw the older workspace may have come last.
            if workspace.roster(context).await? == roster {
                return Ok(());
            }
        }
        Err(busy())
    }

    /// Puts the timetable of one job or chain, by id, or takes it away if that is gone: less work than [all](Self::put_all) where
    /// nothing else has changed. What a chain that is enabled runs, or no longer runs, has another timetable too.
    ///
    /// # Errors
    /// Those of the stores.
    pub async fn put(
        &self,
        context: &Context,
        timetables: &Timetables,
        tenant: &Tenant,
        id: &str,
    ) -> Result<()> {
        let mut provided = self.job(context, tenant, id).await?;
        for _ in 0..TRIES {
            match &provided {
                Some(provided) => {
                    let provided = provided.clone();
                    timetables.put(context, tenant, id, provided).await?;
                }
                None => timetables.remove(context, tenant, id).await?,
            }
            // Of two who put at the same time the one that saw the older job may have come last.
            let now = self.job(context, tenant, id).await?;
            if now == provided {
                return Ok(());
            }
            provided = now;
        }
        Err(busy())
    }
}

#[async_trait]
impl JobProvider for Workspaces {
    async fn job(
        &self,
        context: &Context,
        tenant: &Tenant,
        job: &str,
    ) -> Result<Option<ProvidedJob>> {
        let workspace = (self.open)(tenant)?;
        let jobs = workspace.jobs();
        let (roster, views) = jobs.snapshot(context, |entry| entry.id == job).await?;
        if let Some(view) = views.first() {
            return Ok(Some(of_job(&roster, view)));
        }
        let chain = roster.chains.iter().find(|chain| chain.id == job);
        Ok(chain.map(|chain| of_chain(&roster, chain)))
    }

    async fn run(&self, context: &Context, run: &JobRun) -> Result<Outcome> {
        let workspace = (self.open)(&run.tenant)?;
        let (tenant, id) = (&run.tenant, &*run.job);
        let view = match workspace.jobs().get(context, id).await {
            Ok(view) => view,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let request = ChainRequest::new(|view| (self.request)(tenant, view));
                let chains = workspace.chains();
                let settings = chains.get(context, id).await?.spec.settings;
                let request = request.with_trigger(run.trigger.clone());
                let mut request = request.with_run(&run.run).with_again(run.failed);
                // What is due by its schedule shall be new, all of it. Somebody who asks for it goes on where it failed.
                request.start_over = run.trigger == Trigger::Schedule;
                let report = chains.run_untold(context, id, &request).await?;
                if let Some(failure) = report.failure {
                    return Err(failure);
                }
                return Ok(judged(report.outcome, report.deed, &settings.success));
            }
            Err(error) => return Err(error),
        };
        let request = ChainRequest::new(|view| {
            let request = (self.request)(tenant, view);
            match view.id == run.job {
                true => request.with_trigger(run.trigger.clone()),
                false => request,
            }
        });
        let request = request.with_run(&run.run).with_again(run.failed);
        let (_, ran) = workspace
            .jobs()
            .run_with_first_untold(context, id, &request)
            .await?;
        let report = ran?;
        Ok(judged(
            report.outcome,
            Deed::of(&report),
            &view.spec.settings.success,
        ))
    }

    async fn ended(&self, context: &Context, run: &JobRun, end: &RunEnd) -> Result<()> {
        let workspace = (self.open)(&run.tenant)?;
        let notices = workspace.notices();
        notices.scheduled_ended(context, run, end).await
    }
}

fn busy() -> Error {
    let message = "the workspace changes all the time; put its timetables when others are done";
    Error::new(ErrorKind::Conflict, message)
}

fn of_job(roster: &Roster, view: &JobView) -> ProvidedJob {
    let mut settings = view.spec.settings.clone();
    let member = Member::job(&view.id);
    if roster.chains_with(&member).next().is_some() {
        settings.schedule = RunSettings::default().schedule;
    }
    ProvidedJob::new(&view.spec.name, settings)
        .with_enabled(view.enabled && !view.retired)
        .with_edition(&view.edition)
        .with_connections(jobs::connections(roster, &view.id))
}

fn of_chain(roster: &Roster, chain: &ChainEntry) -> ProvidedJob {
    let mut settings = chain.spec.settings.clone();
    let member = Member::chain(&chain.id);
    if roster.chains_with(&member).next().is_some() {
        settings.schedule = RunSettings::default().schedule;
    }
    let mut connections = Vec::new();
    used(roster, chain, &mut connections, 0);
    ProvidedJob::new(&chain.spec.name, settings)
        .with_enabled(chain.enabled)
        .with_connections(connections)
}

/// The connections of all jobs of a chain.
fn used(roster: &Roster, chain: &ChainEntry, connections: &mut Vec<String>, depth: usize) {
    for link in &chain.spec.links {
        match &link.member {
            Member::Job(id) => {
                let connection = roster.job(id).ok().and_then(|job| job.connection.clone());
                connections.extend(connection.filter(|id| !connections.contains(id)));
            }
            // No deeper than chains can be saved.
            Member::Chain(id) => match roster.chain(id) {
                Ok(inner) if depth < chains::DEEPEST => {
                    used(roster, inner, connections, depth + 1);
                }
                _ => {}
            },
        }
    }
}

impl fmt::Debug for Workspaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Workspaces")
    }
}
