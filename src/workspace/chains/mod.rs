//! Jobs in order.

mod progress;
mod report;
mod request;
mod resolve;
mod run;

use chrono::{DateTime, Utc};

use self::progress::{Progress, Running};
use super::Workspace;
use super::roster::{ChainEntry, Roster};
use crate::host::{Context, StateKey, StateKind, unique};
use crate::spec::{ChainSpec, Member};
use crate::{Error, Result};

pub use report::{ChainReport, LinkFate, LinkReport};
pub use request::ChainRequest;
pub(super) use request::is_try_of;
pub(super) use resolve::{DEEPEST, check_nesting, entry, free, id_here, shown};
pub(super) use run::{Course, Level};

/// The chains of a [`Workspace`].
///
/// ```
/// # futures::executor::block_on(async {
/// # use std::sync::Arc;
/// # use syncline::Tenant;
/// # use syncline::connector::{ConnectorCategory, ConnectorInfo, Registry};
/// # use syncline::host::{Context, HttpResponse};
/// # use syncline::memory::{MemoryCipher, MemoryConnection, MemoryConnector, MemoryRejects, MemoryState, MemoryTransport};
/// # use syncline::record::{Field, FieldType};
/// # use syncline::spec::{Identity, ObjectSpec};
/// # use syncline::workspace::{Workspace, WorkspaceConfig};
/// # let email = || vec![Field::new("email", FieldType::Email)];
/// # let user = ObjectSpec::new("user", Identity::Generated, email());
/// # let desk = MemoryConnection::new("desk").with_object(&user)?;
/// # let info = ConnectorInfo::new("desk", "Acme Desk", ConnectorCategory::Support);
/// # let registry = Registry::new().with(Arc::new(MemoryConnector::new(info, desk)))?;
/// # let home = MemoryConnection::new("home").with_object(&ObjectSpec::new("person", Identity::Generated, email()))?;
/// # let transport = MemoryTransport::new(|request| Ok(HttpResponse::of(request, 404, "")));
/// # let (state, cipher) = (Arc::new(MemoryState::new()), Arc::new(MemoryCipher::new()));
/// # let config = WorkspaceConfig::new(Tenant::new("acme")?, state, cipher, Arc::new(transport), Arc::new(home));
/// # let workspace = Workspace::new(config.with_registry(Arc::new(registry)));
/// # let context = Context::new();
/// use syncline::job::{Outcome, RunRequest};
/// use syncline::spec::{ChainSpec, ConnectionSpec, DatasetSpec, DestinationSpec, FieldMapping, JobSpec, LinkSpec, MappingSpec, SourceSpec, WriteMode};
/// use syncline::workspace::ChainRequest;
///
/// workspace.connections().create(&context, ConnectionSpec::new("our desk", "desk")).await?;
/// for name in ["users", "users again"] {
///     let mapping = MappingSpec::new(vec![FieldMapping::direct("email", "email")]);
///     let person = DestinationSpec::new("person", WriteMode::upsert(["email"]), mapping);
///     let dataset = DatasetSpec::new(SourceSpec::Object("user".into())).of_connection("our desk");
///     workspace.jobs().create(&context, JobSpec::new(name, dataset, vec![], vec![person])).await?;
/// }
/// let links = vec![LinkSpec::new("users"), LinkSpec::new("users again")];
/// let chain = workspace.chains().create(&context, ChainSpec::new("nightly", links)).await?;
/// let request = ChainRequest::new(|_| RunRequest::new(Arc::new(MemoryRejects::new())));
/// let report = workspace.chains().run(&context, &chain.id, request).await?;
/// assert_eq!((report.outcome, report.links.len()), (Outcome::Success, 2));
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Chains<'a>(pub(super) &'a Workspace);

/// A chain, for people.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ChainView {
    /// What calls name it by. How far it has come is kept under it, so a chain may be renamed.
    pub id: String,
    /// What it does, with the present names of its members.
    pub spec: ChainSpec,
    /// Whether it may run.
    pub enabled: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub changed_at: DateTime<Utc>,
}

impl ChainView {
    fn of(roster: &Roster, entry: &ChainEntry) -> Self {
        ChainView {
            id: entry.id.clone(),
            spec: shown(roster, entry),
            enabled: entry.enabled,
            created_at: entry.created_at,
            changed_at: entry.changed_at,
        }
    }
}

impl Chains<'_> {
    /// Makes a chain of jobs and chains that there are.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) with all that is wrong, such as links that wait for each other in a circle, or chains that run each
    /// other, with the path of it; [`Conflict`](crate::ErrorKind::Conflict) if the name is taken.
    pub async fn create(self, context: &Context, spec: ChainSpec) -> Result<ChainView> {
        let id = unique(context.entropy());
        let now = context.clock().now();
        let change = |roster: &mut Roster| {
            // What was done by a try whose answer was lost is done.
            if roster.chain(&id).is_err() {
                let entry = self.made(roster, &id, &spec, now)?;
                roster.chain_name_is_free(&spec.name, None)?;
                roster.chains.push(entry);
                nests(roster, &spec)?;
            }
            Ok(())
        };
        let created = self.0.change(context, change).await;
        created.map_err(|error| error.during("create chain"))?;
        self.get(context, &id).await
    }

    /// All of them, by name.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list(self, context: &Context) -> Result<Vec<ChainView>> {
        let roster = self.0.roster(context).await?;
        let chains = roster.chains.iter();
        let mut views: Vec<ChainView> = chains.map(|c| ChainView::of(&roster, c)).collect();
        views.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
        Ok(views)
    }

    /// The chain of this id.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound), and those of the store.
    pub async fn get(self, context: &Context, id: &str) -> Result<ChainView> {
        let roster = self.0.roster(context).await?;
        Ok(ChainView::of(&roster, roster.chain(id)?))
    }

    /// Puts another spec in its place. A run that broke off goes on with the links that it has then.
    ///
    /// # Errors
    /// Those of [`create`](Self::create) and [`get`](Self::get).
    pub async fn edit(self, context: &Context, id: &str, spec: ChainSpec) -> Result<ChainView> {
        let now = context.clock().now();
        let change = |roster: &mut Roster| {
            let mut new = self.made(roster, id, &spec, now)?;
            roster.chain_name_is_free(&spec.name, Some(id))?;
            let chain = roster.chain_mut(id)?;
            (new.created_at, new.enabled) = (chain.created_at, chain.enabled);
            *chain = new;
            nests(roster, &spec)
        };
        let edited = self.0.change(context, change).await;
        edited.map_err(|error| error.during("edit chain"))?;
        self.get(context, id).await
    }

    /// Lets it run again.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound), and those of the store.
    pub async fn enable(self, context: &Context, id: &str) -> Result<ChainView> {
        self.switch(context, id, true).await
    }

    /// Lets it rest. Its jobs can be run by themselves.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound), and those of the store.
    pub async fn disable(self, context: &Context, id: &str) -> Result<ChainView> {
        self.switch(context, id, false).await
    }

    async fn switch(self, context: &Context, id: &str, enabled: bool) -> Result<ChainView> {
        let now = context.clock().now();
        let change = |roster: &mut Roster| {
            let chain = roster.chain_mut(id)?;
            (chain.enabled, chain.changed_at) = (enabled, now);
            Ok(())
        };
        self.0.change(context, change).await?;
        self.get(context, id).await
    }

    /// Removes it. Its jobs stay.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound), [`Conflict`](crate::ErrorKind::Conflict) if another chain needs it, and those of the store.
    pub async fn delete(self, context: &Context, id: &str) -> Result<()> {
        let needed = [Member::chain(id)];
        let roster = self.0.roster(context).await?;
        roster.chain(id)?;
        free(&roster, &needed)?;
        let (key, documents) = (self.progress_key(id)?, self.0.documents(context));
        // If the process dies behind this, the chain begins anew.
        documents.remove(&key).await?;
        let change = |roster: &mut Roster| {
            free(roster, &needed)?;
            roster.chains.retain(|chain| chain.id != id);
            Ok(())
        };
        self.0.change(context, change).await?;
        documents.remove(&key).await
    }

    /// Runs its links, one after the other, each when those that it waits for have done what it needs. If an earlier run broke off, it goes on
    /// there: at the link that failed, or was under way.
    ///
    /// The chain has a lease of its own, so one process runs it at a time. A link that is a chain is run as a whole, under its own lease, and what
    /// is kept of its run is its own: one that broke off by itself is gone on with.
    ///
    /// When a job has read its source to the end, the next one in order, if it is a job that reads a connection, begins to read: it has a
    /// [gate](crate::job::RunRequest::with_gate), which is opened when its turn comes. It uses memory of its own, as its request says. Whether that
    /// is done the spec [says](ChainSpec::read_ahead).
    ///
    /// People are [told](super::Notices) how it ended, by the chain's lists, and how each of its links ended, by the lists of that.
    ///
    /// A set cancel token ends it behind the job that runs; so does a job that pauses. A chain that is disabled has a report: it failed, and says
    /// why.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound); [`Conflict`](crate::ErrorKind::Conflict) while another process runs it, or if a run that broke off
    /// reads another range than the one that is asked for; and those of the store. That a job fails is no error but stands in the report.
    pub async fn run(
        self,
        context: &Context,
        id: &str,
        request: ChainRequest<'_>,
    ) -> Result<ChainReport> {
        let ran = self.run_untold(context, id, &request).await;
        let run = ran.as_ref().map_or("", |report| &report.run);
        let notices = self.0.notices();
        notices.chain_ended(context, id, run, ran.as_ref()).await;
        ran
    }

    /// Runs it, for those who tell people of it themselves. How its links ended is told all the same.
    pub(super) async fn run_untold(
        self,
        context: &Context,
        id: &str,
        request: &ChainRequest<'_>,
    ) -> Result<ChainReport> {
        let level = Level {
            workspace: self.0,
            context,
            depth: 1,
        };
        level.run(id, request).await
    }

    /// What a run has come to by now, as far as it is kept; `None` if it is not the last one.
    pub(super) async fn came_to(
        self,
        context: &Context,
        id: &str,
        run: &str,
    ) -> Result<Option<ChainReport>> {
        let roster = self.0.roster(context).await?;
        let (entry, key) = (roster.chain(id)?, self.progress_key(id)?);
        let progress: Option<Progress> = self.0.documents(context).load(&key).await?;
        let progress = progress.filter(|progress| progress.run.as_deref() == Some(run));
        Ok(progress.map(|progress| {
            let shown = shown(&roster, entry);
            let order = entry.spec.order().unwrap_or_default();
            let running = Running::new(&entry.spec, &shown, progress);
            running.told_again(&order)
        }))
    }

    /// A spec as the roster is to have it.
    fn made(
        self,
        roster: &Roster,
        id: &str,
        spec: &ChainSpec,
        now: DateTime<Utc>,
    ) -> Result<ChainEntry> {
        let holidays = self.0.0.config.holidays.as_ref();
        entry(id.to_owned(), spec, now, holidays, |member| match member {
            // By its new name, so that a chain that would run itself is told so.
            Member::Chain(name) if *name == spec.name => Some(id.to_owned()),
            _ => id_here(roster, member),
        })
    }

    fn progress_key(self, id: &str) -> Result<StateKey> {
        self.0.key(StateKind::Chain, [id])
    }
}

/// Fails if chains would be nested as they cannot be, now that this one is so.
fn nests(roster: &Roster, spec: &ChainSpec) -> Result<()> {
    check_nesting(roster).map_err(|problem| {
        let error = Error::invalid("the chain cannot be so", vec![problem]);
        error.with("chain", &spec.name)
    })
}
