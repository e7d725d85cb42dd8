//! What the host has: one tenant's workspace, its own objects, a scheduler, the sessions.

use std::sync::Arc;
use std::time::Duration;

use syncline::adapter::ReqwestTransport;
use syncline::connector::{Connector, OAuthClient, Registry};
use syncline::file::LocalState;
use syncline::host::{CancelToken, Cipher, Context, StateStore, ThreadPool};
use syncline::job::{CommitPolicy, RunRequest, Trigger};
use syncline::memory::{MemoryConnection, MemoryState};
use syncline::record::{Field, FieldType};
use syncline::scheduler::{Scheduler, SchedulerConfig, Timetables};
use syncline::spec::{Identity, ObjectSpec};
use syncline::workspace::{RunQuery, RunRecord, Workspace, WorkspaceConfig, Workspaces};
use syncline::{Result, Tenant};
use url::Url;

use crate::cipher::XChaCha;
use crate::complain;
use crate::live::{Live, WatchedJobs};
use crate::notices::Letterbox;
use crate::rejects::Rejects;
use crate::session::Sessions;
use crate::settings::Settings;

/// The objects that jobs write.
pub(crate) const OBJECTS: [&str; 2] = ["company", "person"];

/// Records in a commit group: few, so that the progress moves. In earnest the default is right.
const GROUP: u64 = 100;
/// How often the scheduler looks what is due, and whether a run is to stop. A host of many tenants does with the defaults.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often people are told what waited for its time.
const TELL_EVERY: Duration = Duration::from_secs(30);
/// How long somebody who asks for a run waits to see it begin.
const PATIENCE: Duration = Duration::from_secs(3);

/// The host.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) workspace: Workspace,
    pub(crate) sessions: Sessions,
    /// The jobs and chains of the workspace, for the scheduler.
    jobs: Workspaces,
    /// When they run.
    pub(crate) timetables: Timetables,
    pub(crate) live: Live,
    pub(crate) rejects: Arc<Rejects>,
    /// What people were told.
    pub(crate) letters: Letterbox,
    /// Where the outside system sends browsers back to.
    pub(crate) redirect: Url,
    pub(crate) context: Context,
    home: MemoryConnection,
}

impl Host {
    pub(crate) fn new(
        settings: &Settings,
        redirect: Url,
        connector: Arc<dyn Connector>,
        client: OAuthClient,
    ) -> Result<Self> {
        let kind = connector.info().kind.clone();
        let registry = Registry::new()
            .with(connector)?
            .with_client(&kind, client)?;
        let (state, cipher): (Arc<dyn StateStore>, Arc<dyn Cipher>) = match &settings.kept {
            Some((folder, key)) => {
                let state = LocalState::new(folder.join("state"));
                (Arc::new(state), Arc::new(XChaCha::new(key)))
            }
            None => {
                let state = Arc::new(MemoryState::new());
                (state, Arc::new(XChaCha::of_this_process()))
            }
        };
        // The host's own objects. They are in memory; a real host has a database behind this.
        let home = MemoryConnection::new("home")
            .with_object(&company())?
            .with_object(&person())?;
        let config = WorkspaceConfig::new(
            Tenant::new("demo")?,
            state.clone(),
            cipher,
            Arc::new(ReqwestTransport::new()?),
            Arc::new(home.clone()),
        );
        let context = Context::new()
            .with_clock(Arc::clone(&settings.clock))
            .with_executor(Arc::new(ThreadPool::new(2)?))
            .with_cancel(CancelToken::new())
            .with_actor("somebody at a page");
        let letters = Letterbox::default();
        let workspace = Workspace::new(
            config
                .with_registry(Arc::new(registry))
                .with_notifications(Arc::new(letters.clone())),
        );
        let (opened, rejects) = (workspace.clone(), Arc::new(Rejects::new(settings)));
        let refused = Arc::clone(&rejects);
        let jobs = Workspaces::new(
            move |_| Ok(opened.clone()),
            move |_, job| request(&refused, &job.id),
        );
        Ok(Host {
            workspace,
            sessions: Sessions::default(),
            jobs,
            timetables: Timetables::new(Tenant::new("the host")?, state),
            live: Live::default(),
            rejects,
            letters,
            redirect,
            context,
            home,
        })
    }

    /// How many records the host has of an object.
    pub(crate) fn records(&self, object: &str) -> usize {
        self.home.object(object).map_or(0, |object| object.len())
    }

    /// How a job is run.
    pub(crate) fn request(&self, job: &str) -> RunRequest {
        request(&self.rejects, job)
    }

    /// Says when each job and chain runs: behind each change, and once at the beginning.
    pub(crate) async fn put_timetables(&self) -> Result<()> {
        let tenant = self.workspace.tenant();
        self.jobs
            .put_all(&self.context, &self.timetables, tenant)
            .await
    }

    /// Starts what is due until the host stops. Runs end then behind the batch that they are at, and are gone on with when there is a scheduler again.
    pub(crate) async fn run_what_is_due(&self) -> Result<()> {
        let jobs = WatchedJobs {
            jobs: self.jobs.clone(),
            workspace: self.workspace.clone(),
            live: self.live.clone(),
        };
        let config = SchedulerConfig::new("oauth_connect", self.timetables.clone(), Arc::new(jobs))
            .with_look_every(LOOK_EVERY)
            .with_heed_every(LOOK_EVERY)
            .with_drain(Duration::ZERO);
        let context = self.context.clone().with_actor("the scheduler");
        Scheduler::new(config).run(&context).await
    }

    /// Tells people what could not be told at once, for ever. News are told as they happen; what waits has been too much for an hour, or failed before.
    pub(crate) async fn tell_what_waits(&self) {
        loop {
            if let Err(error) = self.workspace.notices().deliver(&self.context).await {
                complain(&error);
            }
            tokio::time::sleep(TELL_EVERY).await;
        }
    }

    /// Asks for a run of a job or chain, unless one goes on or was asked for; the name of that one.
    pub(crate) async fn ask(&self, id: &str) -> Result<String> {
        let tenant = self.workspace.tenant();
        let view = self.timetables.get(&self.context, tenant, id).await?;
        let is_asked = |trigger: &Trigger| *trigger == Trigger::Manual;
        let asked = view.waiting.into_iter().find(|run| is_asked(&run.trigger));
        match view.running.or(asked) {
            Some(run) => Ok(run.run),
            None => self.timetables.run_now(&self.context, tenant, id).await,
        }
    }

    /// The run of a job that has this name, once it has begun; `None` if it still waits after a while.
    pub(crate) async fn begun(&self, job: &str, run: &str) -> Result<Option<RunRecord>> {
        let latest = RunQuery::new().of_job(job).with_limit(10);
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let page = self.workspace.activity().runs(&self.context, &latest);
            let mut runs = page.await?.runs.into_iter();
            let found = runs.find(|record| record.run.as_deref() == Some(run));
            if found.is_some() || tokio::time::Instant::now() > until {
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// Has the scheduler end.
    pub(crate) fn stop(&self) {
        self.context.cancel().cancel();
    }
}

fn request(rejects: &Rejects, job: &str) -> RunRequest {
    let mut request = RunRequest::new(rejects.ledger(job));
    request.commit = CommitPolicy::default().with_records(GROUP);
    request
}

fn company() -> ObjectSpec {
    let fields = vec![
        Field::new("crm_id", FieldType::Text).required(),
        Field::new("name", FieldType::Text).required(),
        Field::new("industry", FieldType::Text),
        Field::new("employees", FieldType::Integer),
        Field::new("parent", FieldType::Lookup("company".into())),
    ];
    ObjectSpec::new("company", Identity::Generated, fields)
}

fn person() -> ObjectSpec {
    let fields = vec![
        Field::new("crm_id", FieldType::Text).required(),
        Field::new("email", FieldType::Email).required(),
        Field::new("first_name", FieldType::Text),
        Field::new("last_name", FieldType::Text),
        Field::new("birthday", FieldType::Date),
        Field::new("company", FieldType::Lookup("company".into())),
    ];
    ObjectSpec::new("person", Identity::Generated, fields)
}
