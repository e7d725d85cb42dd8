//! Jobs in order.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::roster::{ChainEntry, Roster, not_found};
use super::{JobRef, JobView, Workspace};
use crate::error::Problem;
use crate::host::{Context, StateKey, StateKind, unique};
use crate::job::{Lease, LeaseRequest, Outcome, RunReport, RunRequest, Trigger};
use crate::spec::{ChainSpec, Ended, OnFailure, RunCondition};
use crate::{Error, ErrorKind, Result};

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
/// let request = |_: &_| RunRequest::new(Arc::new(MemoryRejects::new()));
/// let report = workspace.chains().run(&context, &chain.id.unwrap(), request).await?;
/// assert_eq!((report.outcome, report.links.len()), (Outcome::Success, 2));
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Chains<'a>(pub(super) &'a Workspace);

/// What a run of a chain came to.
#[derive(Debug)]
#[non_exhaustive]
pub struct ChainReport {
    /// The chain.
    pub chain: String,
    /// The run's name; one that goes on where another broke off has the same.
    pub run: String,
    /// How it ended: `Success` if every link did what is needed and all records were written, `PartialSuccess` if some were not, `Failed` if a
    /// link did not do what is needed.
    pub outcome: Outcome,
    /// Its links, in the order in which they were to start.
    pub links: Vec<LinkReport>,
}

/// What became of a link.
#[derive(Debug)]
#[non_exhaustive]
pub struct LinkReport {
    /// The job.
    pub job: JobRef,
    /// What became of it.
    pub fate: LinkFate,
}

/// What became of a link.
#[derive(Debug)]
#[non_exhaustive]
pub enum LinkFate {
    /// It ran.
    Ran(Box<RunReport>),
    /// It had run before this run of the chain broke off.
    Done,
    /// It did not start: one that it waits for did not do what is needed. This is what, or whom it lacked.
    Skipped(String),
    /// The chain stopped in front of it.
    NotStarted,
}

/// How far a run of a chain has come.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    /// `None` when the last run has come to its end.
    run: Option<String>,
    /// What the links have done so far that ran to their end, by the ids of their jobs.
    done: BTreeMap<String, Done>,
}

/// What a link did when it ran last, and how often it has run to its end in this run of the chain.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Done {
    deed: Deed,
    times: u32,
}

/// What a run did, as far as a condition asks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Deed {
    outcome: Way,
    records: u64,
    rejected: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Way {
    Whole,
    Partly,
    Not,
}

impl Chains<'_> {
    /// Makes a chain of jobs that there are.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) with all that is wrong, such as jobs that wait for each other in a circle, with the path of
    /// it; [`Conflict`](ErrorKind::Conflict) if the name is taken.
    pub async fn create(self, context: &Context, spec: ChainSpec) -> Result<ChainSpec> {
        let id = unique(context.entropy());
        let now = context.clock().now();
        let change = |roster: &mut Roster| {
            // What was done by a try whose answer was lost is done.
            if roster.chain(&id).is_err() {
                let entry = entry(roster, id.clone(), &spec, now)?;
                roster.chain_name_is_free(&spec.name, None)?;
                roster.chains.push(entry);
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
    pub async fn list(self, context: &Context) -> Result<Vec<ChainSpec>> {
        let roster = self.0.roster(context).await?;
        let mut chains: Vec<ChainSpec> = roster.chains.iter().map(|c| shown(&roster, c)).collect();
        chains.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(chains)
    }

    /// The chain of this id, with the present names of its jobs.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound), and those of the store.
    pub async fn get(self, context: &Context, id: &str) -> Result<ChainSpec> {
        let roster = self.0.roster(context).await?;
        Ok(shown(&roster, roster.chain(id)?))
    }

    /// Puts another spec in its place. A run that broke off goes on with the links that it has then.
    ///
    /// # Errors
    /// Those of [`create`](Self::create) and [`get`](Self::get).
    pub async fn edit(self, context: &Context, id: &str, spec: ChainSpec) -> Result<ChainSpec> {
        let now = context.clock().now();
        let change = |roster: &mut Roster| {
            let mut new = entry(roster, id.to_owned(), &spec, now)?;
            roster.chain_name_is_free(&spec.name, Some(id))?;
            let chain = roster.chain_mut(id)?;
            new.created_at = chain.created_at;
            *chain = new;
            Ok(())
        };
        let edited = self.0.change(context, change).await;
        edited.map_err(|error| error.during("edit chain"))?;
        self.get(context, id).await
    }

    /// Removes it. Its jobs stay.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound), and those of the store.
    pub async fn delete(self, context: &Context, id: &str) -> Result<()> {
        self.0.roster(context).await?.chain(id)?;
        let (key, documents) = (self.progress_key(id)?, self.0.documents(context));
        // If the process dies behind this, the chain begins anew.
        documents.remove(&key).await?;
        let change = |roster: &mut Roster| {
            roster.chains.retain(|chain| chain.id != id);
            Ok(())
        };
        self.0.change(context, change).await?;
        documents.remove(&key).await
    }

    /// Runs its jobs, one after the other, each when those that it waits for have done what it needs. If an earlier run broke off, it goes on
    /// there: at the link that failed, or was under way.
    ///
    /// `request` gives the request of each job's run. The chain has a lease of its own, so one process runs it at a time.
    ///
    /// A set cancel token ends it behind the job that runs; so does a job that pauses.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound), [`Conflict`](ErrorKind::Conflict) while another process runs it, and those of the store. That a job
    /// fails is no error but stands in the report.
    pub async fn run(
        self,
        context: &Context,
        id: &str,
        request: impl Fn(&JobView) -> RunRequest + Send + Sync,
    ) -> Result<ChainReport> {
        let spec = self.get(context, id).await?;
        let wanted = LeaseRequest::new(
            self.0.tenant().clone(),
            format!("chain {id}"),
            Arc::clone(&self.0.0.config.state),
        );
        let lease = Lease::acquire(context, wanted.with_runner("workspace")).await?;
        let ran = lease.hold(context, self.ran(context, id, &spec, request));
        let ran = ran.await.and_then(|ran| ran);
        // Whoever comes next waits a while if this fails.
        let _ = lease.release().await;
        ran
    }

    async fn ran(
        self,
        context: &Context,
        id: &str,
        spec: &ChainSpec,
        request: impl Fn(&JobView) -> RunRequest + Send + Sync,
    ) -> Result<ChainReport> {
        let key = self.progress_key(id)?;
        let documents = self.0.documents(context);
        let fresh = unique(context.entropy());
        let begin = |progress: &mut Progress| {
            if progress.run.is_none() {
                *progress = Progress {
                    run: Some(fresh.clone()),
                    done: BTreeMap::new(),
                };
            }
            Ok(progress.clone())
        };
        let progress = documents.change(&key, begin).await?;
        let run = progress.run.clone().unwrap_or_default();
        // The spec was checked when it was saved.
        let order = spec.order().unwrap_or_default();
        let mut chain = Running::new(spec, progress);
        for link in order {
            let view = self.job(context, spec, link).await?;
            let fate = match chain.next(link, &view, context.cancel().is_cancelled()) {
                Step::Leave(fate) => fate,
                Step::Run { times } => {
                    // Under the same name it would not read again what it has read to the end.
                    let name = format!("{run} {} {times}", view.id);
                    let request = request(&view)
                        .with_run(name)
                        .with_trigger(Trigger::Chain(run.clone()));
                    let report = self.0.jobs().run(context, &view.id, request).await?;
                    if let Some(deed) = chain.ran(link, &report) {
                        let note = |progress: &mut Progress| {
                            let times = times + 1;
                            let id = view.id.clone();
                            progress.done.insert(id, Done { deed, times });
                            Ok(())
                        };
                        documents.change(&key, note).await?;
                    }
                    LinkFate::Ran(Box::new(report))
                }
            };
            let job = JobRef::of(&view);
            chain.links.push(LinkReport { job, fate });
        }
        let report = chain.end(run);
        let is_over = |link: &LinkReport| !matches!(link.fate, LinkFate::NotStarted);
        let failed = report.outcome == Outcome::Failed && spec.on_failure == OnFailure::Stop;
        if !failed && report.links.iter().all(is_over) && !report.outcome_is_open() {
            let over = |progress: &mut Progress| {
                *progress = Progress::default();
                Ok(())
            };
            documents.change(&key, over).await?;
        }
        Ok(report)
    }

    async fn job(self, context: &Context, spec: &ChainSpec, link: usize) -> Result<JobView> {
        let name = spec
            .links
            .get(link)
            .map(|link| link.job.as_str())
            .unwrap_or_default();
        let mut views = self
            .0
            .jobs()
            .views(context, |entry| entry.name == name)
            .await?;
        views.pop().ok_or_else(|| not_found("job", name))
    }

    fn progress_key(self, id: &str) -> Result<StateKey> {
        self.0.key(StateKind::Chain, [id])
    }
}

impl ChainReport {
    /// Whether the rest is still to come.
    fn outcome_is_open(&self) -> bool {
        matches!(self.outcome, Outcome::Cancelled | Outcome::Paused { .. })
    }
}

/// What to do with a link.
enum Step {
    /// How often it has run to its end already.
    Run {
        times: u32,
    },
    Leave(LinkFate),
}

/// A run of a chain: what follows from what has happened. No I/O.
struct Running<'a> {
    spec: &'a ChainSpec,
    /// What was done before this run broke off.
    before: Progress,
    /// What each link has done, by its place; `None` if it did not run.
    deeds: BTreeMap<usize, Option<Deed>>,
    links: Vec<LinkReport>,
    /// No further link starts.
    stopped: Option<Outcome>,
    failed: bool,
    partly: bool,
}

impl<'a> Running<'a> {
    fn new(spec: &'a ChainSpec, before: Progress) -> Self {
        Running {
            spec,
            before,
            deeds: BTreeMap::new(),
            links: Vec::new(),
            stopped: None,
            failed: false,
            partly: false,
        }
    }

    fn next(&mut self, link: usize, view: &JobView, cancelled: bool) -> Step {
        let before = self.before.done.get(&view.id).copied();
        let times = before.map_or(0, |done| done.times);
        // One whose deed is not enough runs again.
        if let Some(done) = before.filter(|done| self.is_enough(link, &done.deed)) {
            self.deeds.insert(link, Some(done.deed));
            self.partly |= done.deed.outcome == Way::Partly;
            return Step::Leave(LinkFate::Done);
        }
        if cancelled && self.stopped.is_none() {
            self.stopped = Some(Outcome::Cancelled);
        }
        if self.stopped.is_some() {
            return Step::Leave(LinkFate::NotStarted);
        }
        match self.lacking(link) {
            Some(lacking) if self.spec.on_failure != OnFailure::Continue => {
                self.deeds.insert(link, None);
                Step::Leave(LinkFate::Skipped(lacking))
            }
            _ => Step::Run { times },
        }
    }

    /// Whether a deed is enough for all that wait for this link; where none does, that it wrote is.
    fn is_enough(&self, link: usize, deed: &Deed) -> bool {
        let waiting = self.spec.links.iter().enumerate();
        let mut waiting = waiting
            .filter(|(at, _)| self.spec.waits_for(*at).contains(&link))
            .peekable();
        match waiting.peek() {
            None => deed.outcome != Way::Not,
            Some(_) => waiting.all(|(_, other)| deed.lacks(&other.when).is_none()),
        }
    }

    /// What one that the link waits for did not do.
    fn lacking(&self, link: usize) -> Option<String> {
        let when = self.spec.links.get(link)?.when;
        self.spec.waits_for(link).into_iter().find_map(|other| {
            let job = &self.spec.links.get(other)?.job;
            match self.deeds.get(&other) {
                Some(Some(deed)) => Some(format!("`{job}` {}", deed.lacks(&when)?)),
                _ => Some(format!("`{job}` did not run")),
            }
        })
    }

    /// A link ran. Its deed, if it ran to its end.
    fn ran(&mut self, link: usize, report: &RunReport) -> Option<Deed> {
        let deed = Deed::of(report);
        let shown = deed.unwrap_or(Deed::FAILED);
        self.deeds.insert(link, Some(shown));
        if let Outcome::Paused { .. } | Outcome::Cancelled = report.outcome {
            self.stopped = Some(report.outcome);
        } else if !self.is_enough(link, &shown) {
            self.failed = true;
            if self.spec.on_failure == OnFailure::Stop {
                self.stopped = Some(Outcome::Failed);
            }
        } else {
            self.partly |= shown.outcome != Way::Whole;
        }
        deed
    }

    fn end(self, run: String) -> ChainReport {
        let outcome = match self.stopped {
            Some(outcome) => outcome,
            None if self.failed => Outcome::Failed,
            None if self.partly => Outcome::PartialSuccess,
            None => Outcome::Success,
        };
        ChainReport {
            chain: self.spec.name.clone(),
            run,
            outcome,
            links: self.links,
        }
    }
}

impl Deed {
    const FAILED: Deed = Deed {
        outcome: Way::Not,
        records: 0,
        rejected: 0,
    };

    /// What a run did; `None` if it must run again when the chain goes on.
    fn of(report: &RunReport) -> Option<Self> {
        let outcome = match report.outcome {
            Outcome::Success => Way::Whole,
            Outcome::PartialSuccess => Way::Partly,
            Outcome::Failed | Outcome::Cancelled | Outcome::Paused { .. } => return None,
        };
        let rejected = report.destinations.iter().map(|d| d.rejected).max();
        Some(Deed {
            outcome,
            records: report.records,
            rejected: rejected.unwrap_or_default(),
        })
    }

    /// What it lacks for a condition.
    fn lacks(&self, when: &RunCondition) -> Option<String> {
        let ended = match when.ended {
            Ended::Anyhow => true,
            Ended::Written => self.outcome != Way::Not,
            Ended::Whole => self.outcome == Way::Whole,
        };
        if !ended {
            return Some(match self.outcome {
                Way::Not => "failed".into(),
                _ => "refused records".into(),
            });
        }
        if self.records < when.at_least {
            return Some(format!("read {} records", self.records));
        }
        let most = u64::from(when.rejects_percent.unwrap_or(100));
        let too_many = self.rejected.saturating_mul(100) > self.records.saturating_mul(most);
        too_many.then(|| format!("refused {} of {} records", self.rejected, self.records))
    }
}

/// A spec as the roster keeps it: with the ids of its jobs for their names.
pub(super) fn entry(
    roster: &Roster,
    id: String,
    spec: &ChainSpec,
    now: DateTime<Utc>,
) -> Result<ChainEntry> {
    let mut problems = spec.problems();
    let mut kept = spec.clone();
    kept.id = None;
    let resolved = |name: &mut String| match roster.job_named(name) {
        Some(job) => {
            name.clone_from(&job.id);
            true
        }
        None => false,
    };
    for (at, link) in kept.links.iter_mut().enumerate() {
        if !resolved(&mut link.job) {
            let message = format!("the workspace has no job `{}`", link.job);
            problems.push(Problem::new(format!("links[{at}].job"), message));
        }
        // Those that are in no link were told above.
        for job in link.after.iter_mut().flatten() {
            resolved(job);
        }
    }
    match problems.is_empty() {
        true => Ok(ChainEntry {
            id,
            spec: kept,
            created_at: now,
            changed_at: now,
        }),
        false => Err(Error::invalid("the chain cannot be so", problems).with("chain", &spec.name)),
    }
}

/// A chain with the present names of its jobs.
pub(super) fn shown(roster: &Roster, entry: &ChainEntry) -> ChainSpec {
    let mut spec = entry.spec.clone();
    spec.id = Some(entry.id.clone());
    let name = |id: &mut String| {
        if let Ok(job) = roster.job(id) {
            id.clone_from(&job.name);
        }
    };
    for link in &mut spec.links {
        name(&mut link.job);
        link.after.iter_mut().flatten().for_each(name);
    }
    spec
}

/// Fails if a chain needs one of these jobs.
pub(super) fn free(roster: &Roster, jobs: &[&str]) -> Result<()> {
    let needs = |id: &str| {
        let links = |chain: &&ChainEntry| chain.spec.links.iter().any(|link| link.job == id);
        roster.chains.iter().find(links)
    };
    match jobs.iter().find_map(|id| needs(id)) {
        None => Ok(()),
        Some(chain) => {
            let message = "a chain needs this job; take it out of the chain first";
            Err(Error::new(ErrorKind::Conflict, message).with("chain", &chain.spec.name))
        }
    }
}
