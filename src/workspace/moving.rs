//! Moving connections and jobs between orgs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::jobs::{JobView, entry};
use super::roster::{ConnectionEntry, JobEntry, Roster, not_found};
use super::{Workspace, chains, connections, first, jobs};
use crate::error::Problem;
use crate::host::{Context, unique};
use crate::schedule::Holidays;
use crate::spec::{ConnectionSpec, ExportSpec, JobSpec, Member};
use crate::{Error, Result};

/// How often an import is planned anew when the workspace changed meanwhile.
const TRIES: usize = 20;

/// How a document is brought into a workspace.
///
/// ```
/// use syncline::workspace::ImportRequest;
///
/// // From the sandbox into production, and at first only to see what would change.
/// let request = ImportRequest::new().with_connection("crm sandbox", "crm").with_dry_run();
/// assert!(request.dry_run);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportRequest {
    /// Which connection that the document has, or that its jobs name, is which of the workspace, each by name or id. Others are found by id, then
    /// by name.
    pub connections: BTreeMap<String, String>,
    /// Tell what would change, and change nothing.
    pub dry_run: bool,
}

impl ImportRequest {
    /// Finds all by id, then by name.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, where this connection of the document is that one of the workspace.
    #[must_use]
    pub fn with_connection(
        mut self,
        of_document: impl Into<String>,
        here: impl Into<String>,
    ) -> Self {
        self.connections.insert(of_document.into(), here.into());
        self
    }

    /// The same, only told.
    #[must_use]
    pub fn with_dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }
}

/// What an import did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ImportReport {
    /// Connections, in the order of the document.
    pub connections: Vec<ImportStep>,
    /// Jobs, in the order of the document.
    pub jobs: Vec<ImportStep>,
    /// Chains, in the order of the document.
    pub chains: Vec<ImportStep>,
    /// Whether nothing was changed.
    pub dry_run: bool,
}

/// What becomes of one part of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ImportStep {
    /// Its name in the document.
    pub name: String,
    /// Its id in the workspace.
    pub id: String,
    /// What is done.
    pub action: ImportAction,
}

/// What is done with one part of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ImportAction {
    /// It is new here. A connection has to be authorized.
    Create,
    /// One that is here becomes like it.
    Update,
    /// One that is here stays as it is: each connection, since it belongs to its own organisation, and a job that is the same.
    Keep,
}

/// What an import comes to.
struct Plan {
    /// The roster that it was made for.
    base: Roster,
    roster: Roster,
    report: ImportReport,
    /// Specs to save: id and spec of the jobs that change.
    specs: Vec<(String, JobSpec)>,
    /// Editions that no longer count.
    replaced: Vec<(String, String)>,
}

/// A job that comes in.
struct Incoming<'a> {
    /// As the document has it.
    job: &'a JobSpec,
    /// As it is here.
    spec: JobSpec,
    /// The connection that it reads here, by id.
    connection: Option<String>,
    /// The job here that it is.
    found: Option<&'a JobView>,
    /// Its place in the document.
    path: &'a str,
}

impl Workspace {
    /// All connections, without their secrets, all jobs and all chains, as one document. It does not depend on the order in which they were made.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn export(&self, context: &Context) -> Result<ExportSpec> {
        let (roster, jobs) = self.jobs().snapshot(context, |_| true).await?;
        let connections = roster.present().map(|entry| ConnectionSpec {
            id: Some(entry.id.clone()),
            ..entry.spec.clone()
        });
        let jobs = jobs.into_iter().map(|view| view.spec).collect();
        let chains = roster
            .chains
            .iter()
            .map(|chain| chains::shown(&roster, chain));
        let document = ExportSpec::new(jobs).with_connections(connections.collect());
        Ok(document.with_chains(chains.collect()))
    }

    /// Brings a document's connections, jobs and chains into the workspace, whole or not at all. A job is the one of the same id, or else the one that
    /// the same template gave the same connection, or else the one of the same name; what is not here yet is made. Nothing that only the workspace has is removed. Doing so again changes nothing.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) with all that does not fit here, each with its path in the document;
    /// [`NotFound`](crate::ErrorKind::NotFound) if the request names a connection that is not here. Then nothing was changed.
    pub async fn import(
        &self,
        context: &Context,
        document: &ExportSpec,
        request: &ImportRequest,
    ) -> Result<ImportReport> {
        let imported = self.imported(context, document, request).await;
        imported.map_err(|error| error.during("import"))
    }

    async fn imported(
        &self,
        context: &Context,
        document: &ExportSpec,
        request: &ImportRequest,
    ) -> Result<ImportReport> {
        for _ in 0..TRIES {
            let plan = self.plan(context, document, request).await?;
            if request.dry_run {
                return Ok(plan.report);
            }
            if self.carry_out(context, &plan).await? {
                for (id, edition) in &plan.replaced {
                    self.jobs().forget_edition(context, id, edition).await?;
                }
                return Ok(plan.report);
            }
        }
        let message = "the workspace changes all the time; import when others are done";
        Err(Error::new(crate::ErrorKind::Conflict, message))
    }

    /// Saves what is planned; `false` says that the workspace is no longer the one that it was planned for.
    async fn carry_out(&self, context: &Context, plan: &Plan) -> Result<bool> {
        let jobs = self.jobs();
        let mut editions = BTreeMap::new();
        for (id, spec) in &plan.specs {
            editions.insert(id.as_str(), jobs.save_edition(context, id, spec).await?);
        }
        let mut roster = plan.roster.clone();
        for job in &mut roster.jobs {
            if let Some(edition) = editions.get(job.id.as_str()) {
                job.edition.clone_from(edition);
            }
        }
        let done = self.change(context, |now| {
            // What was done by a try whose answer was lost is done.
            if *now == roster {
                return Ok(true);
            }
            let same = *now == plan.base;
            if same {
                now.clone_from(&roster);
            }
            Ok(same)
        });
        let done = done.await?;
        if !done {
            for (id, edition) in &editions {
                jobs.forget_edition(context, id, edition).await?;
            }
        }
        Ok(done)
    }

    async fn plan(
        &self,
        context: &Context,
        document: &ExportSpec,
        request: &ImportRequest,
    ) -> Result<Plan> {
        let (base, here) = self.jobs().snapshot(context, |_| true).await?;
        let now = context.clock().now();
        let mut plan = Plan {
            roster: base.clone(),
            base,
            report: ImportReport {
                dry_run: request.dry_run,
                ..ImportReport::default()
            },
            specs: Vec::new(),
            replaced: Vec::new(),
        };
        let mut problems = Vec::new();
        let home = self.home().discover(context).await?;
        let holidays = self.0.config.holidays.as_ref();
        let targets = self.place(context, document, request, &mut plan, &mut problems)?;
        for (at, job) in document.jobs.iter().enumerate() {
            let path = format!("jobs[{at}]");
            let mut spec = job.clone();
            // When all jobs have a place.
            spec.first = None;
            let mut connection = None;
            if let Some(name) = &spec.dataset.connection {
                let Some(target) = targets.get(name) else {
                    let message =
                        format!("neither the document nor the workspace has a connection `{name}`");
                    let path = format!("{path}.dataset.connection");
                    problems.push(Problem::new(path, message));
                    continue;
                };
                let here = plan.roster.connection(target)?.spec.name.clone();
                spec.dataset.connection = Some(here);
                connection = Some(target.clone());
            }
            let found = find_job(&here, &spec, connection.as_deref());
            if let Some(found) = found {
                found.keep_own(&mut spec);
            }
            let fits = match found {
                Some(found) => self.jobs().keeps_what_is_fixed(context, found, &spec).await,
                None => Ok(()),
            };
            match fits.and_then(|()| jobs::fits(&spec, &home, holidays)) {
                Ok(()) => {
                    let incoming = Incoming {
                        job,
                        spec,
                        connection,
                        found,
                        path: &path,
                    };
                    plan.bring(context, incoming, now, &mut problems)?;
                }
                Err(error) if error.problems().is_empty() => return Err(error),
                Err(error) => problems.extend(placed(&path, &error)),
            }
        }
        plan.check_names(document, &mut problems);
        if problems.is_empty() {
            plan.put_first(document, now, &mut problems);
        }
        if problems.is_empty() {
            plan.link(context, document, now, holidays, &mut problems);
        }
        match problems.is_empty() {
            true => Ok(plan),
            false => Err(Error::invalid("the document does not fit here", problems)),
        }
    }

    /// Finds or makes a place for each connection that the document has or names: the id here by the name there.
    fn place(
        &self,
        context: &Context,
        document: &ExportSpec,
        request: &ImportRequest,
        plan: &mut Plan,
        problems: &mut Vec<Problem>,
    ) -> Result<BTreeMap<String, String>> {
        let now = context.clock().now();
        let mut targets: BTreeMap<String, String> = BTreeMap::new();
        let named = document
            .jobs
            .iter()
            .filter_map(|job| job.dataset.connection.as_ref());
        let mut meant: BTreeSet<&String> = named.collect();
        for connection in &document.connections {
            meant.extend(
                [Some(&connection.name), connection.id.as_ref()]
                    .into_iter()
                    .flatten(),
            );
        }
        for (of_document, here) in &request.connections {
            if !meant.contains(of_document) {
                let message = "the document has no such connection, and none of its jobs names one";
                problems.push(Problem::new(format!("connections.{of_document}"), message));
            }
            if find(&plan.roster, here).is_none() {
                return Err(not_found("connection", here));
            }
        }
        // All by the map and by id, before any is found by its name.
        let mapped = |connection: &ConnectionSpec| {
            let keys = [Some(&connection.name), connection.id.as_ref()];
            let mut keys = keys.into_iter().flatten();
            keys.find_map(|key| request.connections.get(key))
        };
        let mut places: Vec<Option<String>> = Vec::new();
        for connection in &document.connections {
            let known = (connection.id.as_ref()).and_then(|id| plan.roster.connection(id).ok());
            let place = match mapped(connection) {
                Some(here) => find(&plan.roster, here),
                None => known,
            };
            places.push(place.map(|place| place.id.clone()));
        }
        for (at, connection) in document.connections.iter().enumerate() {
            let path = format!("connections[{at}]");
            let by_name = plan.roster.connection_named(&connection.name);
            let by_name = by_name.filter(|found| !places.contains(&Some(found.id.clone())));
            let place = places.get(at).cloned().flatten();
            let found = match place {
                Some(id) => Some(plan.roster.connection(&id)?),
                None => by_name,
            };
            let (id, action) = match found {
                Some(found) if found.spec.kind != connection.kind => {
                    let message = format!(
                        "`{}` is of the kind `{}` here, and of `{}` there",
                        found.spec.name, found.spec.kind, connection.kind
                    );
                    problems.push(Problem::new(format!("{path}.kind"), message));
                    continue;
                }
                Some(found) => (found.id.clone(), ImportAction::Keep),
                None => match self.admitted(&plan.roster, connection) {
                    Ok(spec) => {
                        // One that is being removed still has its id.
                        let taken = |id: &str| plan.roster.connections.iter().any(|c| c.id == id);
                        let id = own_id(context, connection.id.as_deref(), taken);
                        let made = connections::entry(id.clone(), spec, now);
                        plan.roster.connections.push(made);
                        (id, ImportAction::Create)
                    }
                    Err(error) => {
                        problems.extend(placed(&path, &error));
                        continue;
                    }
                },
            };
            if mapped(connection).is_none() && targets.values().any(|taken| *taken == id) {
                let message =
                    "it is the same here as one in front of it; say which is which in the map";
                problems.push(Problem::new(path, message));
                continue;
            }
            targets.insert(connection.name.clone(), id.clone());
            plan.report.connections.push(ImportStep {
                name: connection.name.clone(),
                id,
                action,
            });
        }
        // Those that the document names and does not have may be here.
        for name in document
            .jobs
            .iter()
            .filter_map(|job| job.dataset.connection.as_ref())
        {
            let here = match request.connections.get(name) {
                Some(here) => find(&plan.roster, here),
                None => plan.roster.connection_named(name),
            };
            if let (false, Some(here)) = (targets.contains_key(name), here) {
                targets.insert(name.clone(), here.id.clone());
            }
        }
        Ok(targets)
    }

    /// The spec of a connection that is made.
    fn admitted(&self, roster: &Roster, spec: &ConnectionSpec) -> Result<ConnectionSpec> {
        let info = self.registry().connector(&spec.kind)?.info();
        connections::valid(info, spec)?;
        connections::admit(roster, info, spec, None)?;
        let mut spec = spec.clone();
        (spec.id, spec.method) = (None, Some(info.method(&spec)?.name.clone()));
        Ok(spec)
    }
}

impl Plan {
    /// Brings one job in.
    fn bring(
        &mut self,
        context: &Context,
        incoming: Incoming,
        now: DateTime<Utc>,
        problems: &mut Vec<Problem>,
    ) -> Result<()> {
        let Incoming {
            job,
            mut spec,
            connection,
            found,
            path,
        } = incoming;
        let id = match found {
            Some(view) => view.id.clone(),
            None => {
                let taken = |id: &str| self.roster.job_id_is_taken(id);
                own_id(context, job.id.as_deref(), taken)
            }
        };
        if self.report.jobs.iter().any(|step| step.id == id) {
            let message = "it is the same job here as one in front of it";
            problems.push(Problem::new(path, message));
            return Ok(());
        }
        spec.id = Some(id.clone());
        let is_alike = |view: &JobView| {
            let mut own = view.spec.clone();
            own.first = None;
            own == spec
        };
        let action = match found {
            Some(view) if is_alike(view) => ImportAction::Keep,
            Some(_) => ImportAction::Update,
            None => ImportAction::Create,
        };
        if let (Some(view), ImportAction::Update) = (found, action) {
            let entry = self.roster.job_mut(&id)?;
            entry.name.clone_from(&spec.name);
            (entry.connection, entry.retired) = (connection, false);
            entry.changed_at = now;
            self.replaced.push((id.clone(), view.edition.clone()));
        } else if found.is_none() {
            // The edition is drawn when it is saved.
            let mut made = entry(id.clone(), spec.name.clone(), String::new(), now);
            made.template.clone_from(&spec.template);
            made.connection = connection;
            self.roster.jobs.push(made);
        }
        if action != ImportAction::Keep {
            self.specs.push((id.clone(), spec));
        }
        let name = job.name.clone();
        self.report.jobs.push(ImportStep { name, id, action });
        Ok(())
    }

    /// Whether all names are there once when all is done; jobs may swap theirs.
    fn check_names(&self, document: &ExportSpec, problems: &mut Vec<Problem>) {
        for (at, job) in document.jobs.iter().enumerate() {
            let step = self.report.jobs.iter().find(|step| step.name == job.name);
            let entry = step.and_then(|step| self.roster.job(&step.id).ok());
            let others = |entry: &JobEntry| {
                let alike = self
                    .roster
                    .jobs
                    .iter()
                    .filter(|other| other.name == entry.name);
                alike.count() > 1
            };
            if entry.is_some_and(others) {
                let message = "another job is called so here; rename one of them";
                problems.push(Problem::new(format!("jobs[{at}].name"), message));
            }
        }
    }

    /// The job here that the document calls so: one of its own, or else one that is here.
    fn job_here(&self, document: &ExportSpec, name: &str) -> Option<String> {
        // It may have another name here.
        let of_document = document.jobs.iter().any(|job| job.name == name);
        let mut steps = self.report.jobs.iter();
        let step = steps.find(|step| of_document && step.name == name);
        let known = step.map(|step| step.id.clone());
        known.or_else(|| self.roster.job_named(name).map(|job| job.id.clone()))
    }

    /// Says which job runs first, for all of them.
    fn put_first(
        &mut self,
        document: &ExportSpec,
        now: DateTime<Utc>,
        problems: &mut Vec<Problem>,
    ) {
        for (at, job) in document.jobs.iter().enumerate() {
            let first = job.first.as_ref().map(|name| self.job_here(document, name));
            if first == Some(None) {
                let message = "neither the document nor the workspace has this job";
                problems.push(Problem::new(format!("jobs[{at}].first"), message));
            }
            let mut steps = self.report.jobs.iter_mut();
            let Some(step) = steps.find(|step| step.name == job.name) else {
                continue;
            };
            let Ok(entry) = self.roster.job_mut(&step.id) else {
                continue;
            };
            let first = first.flatten();
            if entry.first != first {
                (entry.first, entry.changed_at) = (first, now);
                if step.action == ImportAction::Keep {
                    step.action = ImportAction::Update;
                }
            }
        }
        let checked = first::check(&self.roster);
        problems.extend(
            checked
                .map_err(|problem| Problem::new("jobs", problem.message))
                .err(),
        );
    }

    /// Brings the chains in, whose jobs are here by now.
    fn link(
        &mut self,
        context: &Context,
        document: &ExportSpec,
        now: DateTime<Utc>,
        holidays: Option<&Arc<dyn Holidays>>,
        problems: &mut Vec<Problem>,
    ) {
        // All have an id before any is made: they may be links of each other.
        let mut ids: BTreeMap<&str, String> = BTreeMap::new();
        for (at, spec) in document.chains.iter().enumerate() {
            let by_id = spec.id.as_ref().and_then(|id| self.roster.chain(id).ok());
            let mut named = self.roster.chains.iter();
            let found = by_id.or_else(|| named.find(|chain| chain.spec.name == spec.name));
            let id = match found {
                Some(found) => found.id.clone(),
                None => {
                    let here = |id: &str| self.roster.chains.iter().any(|chain| chain.id == id);
                    let taken = |id: &str| here(id) || ids.values().any(|other| other == id);
                    own_id(context, spec.id.as_deref(), taken)
                }
            };
            if ids.values().any(|other| *other == id) {
                let message = "it is the same chain here as one in front of it";
                problems.push(Problem::new(format!("chains[{at}]"), message));
            }
            ids.insert(&spec.name, id);
        }
        if !problems.is_empty() {
            return;
        }
        for (at, spec) in document.chains.iter().enumerate() {
            let path = format!("chains[{at}]");
            let Some(id) = ids.get(spec.name.as_str()) else {
                continue;
            };
            let id_of = |member: &Member| match member {
                Member::Job(name) => self.job_here(document, name),
                Member::Chain(name) => {
                    let known = ids.get(name.as_str()).cloned();
                    known.or_else(|| chains::id_here(&self.roster, member))
                }
            };
            let made = chains::entry(id.clone(), spec, now, holidays, id_of);
            let free = self.roster.chain_name_is_free(&spec.name, Some(id));
            let mut made = match made.and_then(|made| free.map(|()| made)) {
                Ok(made) => made,
                Err(error) => {
                    problems.extend(placed(&path, &error));
                    continue;
                }
            };
            let mut here = self.roster.chains.iter();
            let action = match here.position(|chain| chain.id == *id) {
                Some(place) => {
                    let found = self.roster.chains.remove(place);
                    if found.spec == made.spec {
                        self.roster.chains.insert(place, found);
                        ImportAction::Keep
                    } else {
                        (made.created_at, made.enabled) = (found.created_at, found.enabled);
                        self.roster.chains.insert(place, made);
                        ImportAction::Update
                    }
                }
                None => {
                    self.roster.chains.push(made);
                    ImportAction::Create
                }
            };
            let (name, id) = (spec.name.clone(), id.clone());
            self.report.chains.push(ImportStep { name, id, action });
        }
        if problems.is_empty() {
            let nested = chains::check_nesting(&self.roster);
            problems.extend(
                nested
                    .map_err(|problem| Problem::new("chains", problem.message))
                    .err(),
            );
        }
    }
}

/// The job here that one of a document is: by id, or as what the same template made of the same connection, or by name.
fn find_job<'a>(
    here: &'a [JobView],
    spec: &JobSpec,
    connection: Option<&str>,
) -> Option<&'a JobView> {
    let by_id = (spec.id.as_ref()).and_then(|id| here.iter().find(|view| view.id == *id));
    let of_template = || {
        let template = spec.template.as_ref()?;
        here.iter().find(|view| {
            view.connection.as_deref() == connection
                && view.spec.template.as_ref() == Some(template)
        })
    };
    let by_name = || here.iter().find(|view| view.spec.name == spec.name);
    by_id.or_else(of_template).or_else(by_name)
}

impl JobView {
    /// What a document does not change: which template a job was made from, and the name that the template gave it.
    fn keep_own(&self, spec: &mut JobSpec) {
        let same_job = spec.id.as_ref() == Some(&self.id);
        if !same_job && spec.template.is_some() && self.spec.template == spec.template {
            spec.name.clone_from(&self.spec.name);
        }
        spec.template.clone_from(&self.spec.template);
    }
}

/// The connection of this id, or else of this name.
fn find<'a>(roster: &'a Roster, key: &str) -> Option<&'a ConnectionEntry> {
    let by_id = roster.connection(key).ok();
    by_id.or_else(|| roster.connection_named(key))
}

/// The document's id, if it can be one here: so the next import finds it again.
fn own_id(context: &Context, id: Option<&str>, taken: impl Fn(&str) -> bool) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let usable = |id: &str| (16..=64).contains(&id.len()) && id.chars().all(plain) && !taken(id);
    match id {
        Some(id) if usable(id) => id.to_owned(),
        _ => unique(context.entropy()),
    }
}

/// An error's findings, placed under a path.
fn placed(path: &str, error: &Error) -> Vec<Problem> {
    match error.problems() {
        [] => vec![Problem::new(path, error.to_string())],
        found => (found.iter())
            .map(|problem| Problem::new(format!("{path}.{}", problem.path), &problem.message))
            .collect(),
    }
}
