//! One tenant: its connections, their jobs, and the host's own objects that these write.
//!
//! | type | is |
//! |---|---|
//! | [`Workspace`] | what a tenant has, in the host's state store: [`Connections`], [`Jobs`] and [`Chains`] |
//! | [`Activity`] | what happened in it: runs, their logs, changes |
//! | [`Notices`] | what people are told of that |
//! | [`ConnectionState`], [`ConnectionAction`] | the life of a connection, as a table |
//! | [`Workspaces`] | the jobs and chains of all tenants, for a scheduler |
//! | [`ImportRequest`], [`ImportReport`] | moving connections and jobs between orgs |
//! | [`LocalWorkspace`], [`Home`] | jobs over files and tables of one process, without a tenant |

mod activity;
mod authorize;
mod catalog;
mod chains;
mod connections;
mod documents;
mod home;
mod jobs;
mod key;
mod leaving;
mod life;
mod local;
mod moving;
mod notices;
mod open;
mod preload;
mod provider;
mod provision;
mod roster;
mod specs;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::documents::Documents;
use self::roster::Roster;
use crate::authorization::CredentialStore;
use crate::connection::Connection;
use crate::connector::Registry;
use crate::host::{
    Cipher, Context, FileStore, Notifications, StateKey, StateKind, StateStore, Transport,
};
use crate::policy::Account;
use crate::schedule::Holidays;
use crate::{Result, Tenant};

pub use activity::{
    Activity, Anomaly, AnomalyKind, AnomalyPolicy, AuditAction, AuditEntry, AuditPage, AuditQuery,
    AuditStanding, AuditSubject, DayStatistics, JobStatistics, LogEntry, RejectsAs, RejectsFile,
    RetentionPolicy, RunCounts, RunLog, RunPage, RunProgress, RunQuery, RunRecord, RunStatistics,
    RunStatus, RunStep, RunSubject, RunWindow, Swept,
};
pub use authorize::{Connected, Polled};
pub use catalog::{CatalogChange, ObjectChange, Refreshed, TouchedJob};
pub use chains::{ChainReport, ChainRequest, ChainView, Chains, LinkFate, LinkReport};
pub use connections::{ConnectionView, Connections};
pub use home::Home;
pub use jobs::{JobQuery, JobRow, JobView, Jobs};
pub use leaving::{Deleted, JobsOnDelete};
pub use life::{ConnectionAction, ConnectionState};
pub use local::LocalWorkspace;
pub use moving::{ImportAction, ImportReport, ImportRequest, ImportStep};
pub use notices::{Delivered, MailboxView, NoticePolicy, Notices};
pub use open::Checked;
pub use provider::Workspaces;
pub use provision::{JobRef, NotMade, Provisioned};

/// What a [`Workspace`] is made of.
#[derive(Clone)]
#[non_exhaustive]
pub struct WorkspaceConfig {
    /// Whose it is.
    pub tenant: Tenant,
    /// Keeps all that it knows. All processes share one.
    pub state: Arc<dyn StateStore>,
    /// Encrypts secrets.
    pub cipher: Arc<dyn Cipher>,
    /// Sends requests.
    pub transport: Arc<dyn Transport>,
    /// The host's objects, which jobs write.
    pub home: Arc<dyn Connection>,
    /// The connectors that the host offers.
    pub registry: Arc<Registry>,
    /// The host's own files, for jobs that read none of a connection.
    pub files: Option<Arc<dyn FileStore>>,
    /// The host's calendar, for schedules that mind it. The [timetables](crate::scheduler::Timetables) need the same.
    pub holidays: Option<Arc<dyn Holidays>>,
    /// Delivers notices to people; without it nobody is told anything.
    pub notifications: Option<Arc<dyn Notifications>>,
    /// How often people are told.
    pub notice_policy: NoticePolicy,
}

impl WorkspaceConfig {
    /// Without connectors and files, and telling nobody anything.
    pub fn new(
        tenant: Tenant,
        state: Arc<dyn StateStore>,
        cipher: Arc<dyn Cipher>,
        transport: Arc<dyn Transport>,
        home: Arc<dyn Connection>,
    ) -> Self {
        WorkspaceConfig {
            tenant,
            state,
            cipher,
            transport,
            home,
            registry: Arc::default(),
            files: None,
            holidays: None,
            notifications: None,
            notice_policy: NoticePolicy::default(),
        }
    }

    /// The same, with these connectors.
    #[must_use]
    pub fn with_registry(mut self, registry: Arc<Registry>) -> Self {
        self.registry = registry;
        self
    }

    /// The same, with the host's own files.
    #[must_use]
    pub fn with_files(mut self, files: Arc<dyn FileStore>) -> Self {
        self.files = Some(files);
        self
    }

    /// The same, with the host's calendar.
    #[must_use]
    pub fn with_holidays(mut self, holidays: Arc<dyn Holidays>) -> Self {
        self.holidays = Some(holidays);
        self
    }

    /// The same, telling people by these: who hears of what, the [lists](crate::spec::NotifySpec) of each job and chain say. All processes that share the
    /// workspace have them.
    #[must_use]
    pub fn with_notifications(mut self, notifications: Arc<dyn Notifications>) -> Self {
        self.notifications = Some(notifications);
        self
    }

    /// The same, telling people so often.
    #[must_use]
    pub fn with_notice_policy(mut self, policy: NoticePolicy) -> Self {
        self.notice_policy = policy;
        self
    }
}

impl fmt::Debug for WorkspaceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkspaceConfig")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

/// One tenant: what it has, in the host's state store. Cheap to clone and to make anew; any number of processes may have it at the
/// same time.
///
/// Ids mean something within a workspace only: another tenant's are [`NotFound`](crate::ErrorKind::NotFound).
///
/// ```
/// # futures::executor::block_on(async {
/// use std::collections::BTreeMap;
/// use std::sync::Arc;
/// use syncline::connector::{AuthMethod, ConnectorCategory, ConnectorInfo, JobTemplate, KeyForm, Registry};
/// use syncline::host::{Context, HttpResponse};
/// use syncline::job::{Outcome, RunRequest};
/// use syncline::memory::{MemoryCipher, MemoryConnection, MemoryConnector, MemoryRejects, MemoryState, MemoryTransport};
/// use syncline::record::{Field, FieldType};
/// use syncline::spec::{
///     ConnectionSpec, DatasetSpec, DestinationSpec, Domain, FieldMapping, Identity, JobSpec, MappingSpec, ObjectSpec, OrgHosts,
///     SourceSpec, WriteMode,
/// };
/// use syncline::workspace::{Workspace, WorkspaceConfig};
/// use syncline::{Secret, Tenant};
///
/// // A connector declares how it is authorized and which jobs a connection gets.
/// let email = || vec![Field::new("email", FieldType::Email)];
/// let desk = MemoryConnection::new("desk").with_object(&ObjectSpec::new("user", Identity::Generated, email()))?;
/// let mapping = MappingSpec::new(vec![FieldMapping::direct("email", "email")]);
/// let person = DestinationSpec::new("person", WriteMode::upsert(["email"]), mapping);
/// let users = JobSpec::new("", DatasetSpec::new(SourceSpec::Object("user".into())), vec![], vec![person]);
/// let hosts = OrgHosts::new(Domain::parse("api.desk.example.com")?);
/// let info = ConnectorInfo::new("desk", "Acme Desk", ConnectorCategory::Support)
///     .with_methods(vec![AuthMethod::key("key", "API key", KeyForm::Bearer, hosts)])
///     .with_templates(vec![JobTemplate::new("users", "User", users)]);
/// let registry = Registry::new().with(Arc::new(MemoryConnector::new(info, desk)))?;
///
/// // The host has a workspace for each tenant.
/// let home = MemoryConnection::new("home").with_object(&ObjectSpec::new("person", Identity::Generated, email()))?;
/// let transport = MemoryTransport::new(|request| Ok(HttpResponse::of(request, 404, "")));
/// let (state, cipher) = (Arc::new(MemoryState::new()), Arc::new(MemoryCipher::new()));
/// let config = WorkspaceConfig::new(Tenant::new("acme")?, state, cipher, Arc::new(transport), Arc::new(home));
/// let workspace = Workspace::new(config.with_registry(Arc::new(registry)));
///
/// // A customer connects a system, authorizes it, and has a job.
/// let context = Context::new();
/// let connection = workspace.connections().create(&context, ConnectionSpec::new("our desk", "desk")).await?;
/// let key = BTreeMap::from([("token".to_owned(), Secret::new("hunter2"))]);
/// workspace.connections().give_key(&context, &connection.id, key).await?;
/// let jobs = workspace.jobs().list(&context).await?;
/// assert_eq!(jobs[0].spec.name, "User Sync_our desk");
/// let report = workspace.jobs().run(&context, &jobs[0].id, RunRequest::new(Arc::new(MemoryRejects::new()))).await?;
/// assert_eq!(report.outcome, Outcome::Success);
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Workspace(Arc<Inner>);

struct Inner {
    config: WorkspaceConfig,
    credentials: CredentialStore,
    /// One for each connection whose calls are limited: it remembers calls that nobody waits for any more.
    accounts: Mutex<HashMap<String, Account>>,
}

impl Workspace {
    /// The workspace of a tenant.
    pub fn new(config: WorkspaceConfig) -> Self {
        let state = Arc::clone(&config.state);
        let cipher = Arc::clone(&config.cipher);
        Workspace(Arc::new(Inner {
            credentials: CredentialStore::new(config.tenant.clone(), state, cipher),
            config,
            accounts: Mutex::default(),
        }))
    }

    /// Whose it is.
    pub fn tenant(&self) -> &Tenant {
        &self.0.config.tenant
    }

    /// The host's objects.
    pub fn home(&self) -> &Arc<dyn Connection> {
        &self.0.config.home
    }

    /// The connectors that it may connect to.
    pub fn registry(&self) -> &Registry {
        &self.0.config.registry
    }

    /// Its connections.
    pub fn connections(&self) -> Connections<'_> {
        Connections(self)
    }

    /// Its jobs.
    pub fn jobs(&self) -> Jobs<'_> {
        Jobs(self)
    }

    /// Its credentials, for what is no refresh: with patience, which a claim must not have.
    fn credentials(&self, context: &Context) -> CredentialStore {
        let state = Arc::clone(self.documents(context).store());
        CredentialStore::new(
            self.tenant().clone(),
            state,
            Arc::clone(&self.0.config.cipher),
        )
    }

    /// What happened in it.
    pub fn activity(&self) -> Activity<'_> {
        Activity(self)
    }

    /// What people are told of it.
    pub fn notices(&self) -> Notices<'_> {
        Notices(self)
    }

    /// Its chains.
    pub fn chains(&self) -> Chains<'_> {
        Chains(self)
    }

    fn documents<'a>(&self, context: &'a Context) -> Documents<'a> {
        Documents::new(context, &self.0.config.state)
    }

    fn key<P: Into<String>>(
        &self,
        kind: StateKind,
        parts: impl IntoIterator<Item = P>,
    ) -> Result<StateKey> {
        StateKey::new(self.tenant(), kind, parts)
    }

    async fn roster(&self, context: &Context) -> Result<Roster> {
        let key = self.roster_key()?;
        let roster = self.documents(context).load(&key).await?;
        let mut roster: Roster = roster.unwrap_or_default();
        // Only who swaps it minds these.
        roster.untold.clear();
        Ok(roster)
    }

    fn roster_key(&self) -> Result<StateKey> {
        self.key(StateKind::Roster, ["all"])
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<String, Account>> {
        self.0
            .accounts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Workspace").field(self.tenant()).finish()
    }
}
