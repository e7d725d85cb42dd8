//! Moving connections and jobs between orgs.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::jobs::{JobView, entry};
use super::roster::{ConnectionEntry, Roster, not_found};
use super::{Workspace, connections};
use crate::error::Problem;
use crate::host::{Context, unique};
use crate::spec::{ConnectionSpec, ExportSpec, JobSpec};
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
    /// Which connection of the document is which of the workspace, each by name or id. Others are found by id, then by name.
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

impl Workspace {
    /// All connections, without their secrets, and all jobs, as one document. It does not depend on the order in which they were made.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn export(&self, context: &Context) -> Result<ExportSpec> {
        let roster = self.roster(context).await?;
        let connections = roster.present().map(|entry| ConnectionSpec {
            id: Some(entry.id.clone()),
            ..entry.spec.clone()
        });
        let jobs = self.jobs().list(context).await?;
        let jobs = jobs.into_iter().map(|view| view.spec).collect();
        Ok(ExportSpec::new(jobs).with_connections(connections.collect()))
    }

    /// Brings a document's connections and jobs into the workspace, whole or not at all. A job is the one of the same id, or else of
    /// the same name; what is not here yet is made. Nothing that only the workspace has is removed. Doing so again changes nothing.
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
        let base = self.roster(context).await?;
        let here = self.jobs().views(context, |_| true).await?;
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
        let targets = self.place(context, document, request, &mut plan, &mut problems)?;
        for (at, job) in document.jobs.iter().enumerate() {
            let path = format!("jobs[{at}]");
            let mut spec = job.clone();
            if let Some(name) = &spec.dataset.connection {
                // One that the document does not have may be here already.
                let target = targets.get(name).cloned();
                let target = target.or_else(|| find(&plan.roster, name).map(|c| c.id.clone()));
                let Some(target) = target else {
                    let message =
                        format!("neither the document nor the workspace has a connection `{name}`");
                    problems.push(Problem::new(format!("{path}.dataset.connection"), message));
                    continue;
                };
                spec.dataset.connection = Some(plan.roster.connection(&target)?.spec.name.clone());
            }
            match self.jobs().valid(context, &spec).await {
                Ok(()) => {}
                Err(error) if error.problems().is_empty() => return Err(error),
                Err(error) => {
                    problems.extend(placed(&path, &error));
                    continue;
                }
            }
            plan.bring(context, &here, spec, &path, now, &mut problems)?;
        }
        match problems.is_empty() {
            true => Ok(plan),
            false => Err(Error::invalid("the document does not fit here", problems)),
        }
    }

    /// Finds or makes a place for each connection of the document: the id here by the name there.
    fn place(
        &self,
        context: &Context,
        document: &ExportSpec,
        request: &ImportRequest,
        plan: &mut Plan,
        problems: &mut Vec<Problem>,
    ) -> Result<BTreeMap<String, String>> {
        let mut targets = BTreeMap::new();
        let now = context.clock().now();
        for (at, connection) in document.connections.iter().enumerate() {
            let path = format!("connections[{at}]");
            let mapped = [Some(&connection.name), connection.id.as_ref()];
            let mapped = mapped.into_iter().flatten();
            let mapped = mapped.filter_map(|key| request.connections.get(key)).next();
            let found = match mapped {
                Some(name) => {
                    Some(find(&plan.roster, name).ok_or_else(|| not_found("connection", name))?)
                }
                None => (connection.id.as_ref())
                    .and_then(|id| plan.roster.connection(id).ok())
                    .or_else(|| plan.roster.connection_named(&connection.name)),
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
                None => {
                    let made = self.admitted(&plan.roster, connection);
                    if let Err(error) = made {
                        problems.extend(placed(&path, &error));
                        continue;
                    }
                    // One that is being removed still has its id.
                    let taken = |id: &str| plan.roster.connections.iter().any(|c| c.id == id);
                    let id = own_id(context, connection.id.as_deref(), taken);
                    let mut spec = connection.clone();
                    spec.id = None;
                    let made = connections::entry(id.clone(), spec, now);
                    plan.roster.connections.push(made);
                    (id, ImportAction::Create)
                }
            };
            targets.insert(connection.name.clone(), id.clone());
            plan.report.connections.push(ImportStep {
                name: connection.name.clone(),
                id,
                action,
            });
        }
        Ok(targets)
    }

    fn admitted(&self, roster: &Roster, spec: &ConnectionSpec) -> Result<()> {
        let info = self.registry().connector(&spec.kind)?.info();
        connections::valid(info, spec)?;
        connections::admit(roster, info, spec, None)
    }
}

impl Plan {
    /// Brings one job in.
    fn bring(
        &mut self,
        context: &Context,
        here: &[JobView],
        mut spec: JobSpec,
        path: &str,
        now: DateTime<Utc>,
        problems: &mut Vec<Problem>,
    ) -> Result<()> {
        let by_id = (spec.id.as_ref()).and_then(|id| here.iter().find(|view| view.id == *id));
        let found = by_id.or_else(|| here.iter().find(|view| view.spec.name == spec.name));
        let connection = (spec.dataset.connection.as_ref())
            .and_then(|name| find(&self.roster, name))
            .map(|connection| connection.id.clone());
        let id = match found {
            Some(view) => view.id.clone(),
            None => {
                let taken = |id: &str| self.roster.jobs.iter().any(|job| job.id == id);
                own_id(context, spec.id.as_deref(), taken)
            }
        };
        if self.report.jobs.iter().any(|step| step.id == id) {
            let message = format!("`{}` is the same job here as one in front of it", spec.name);
            problems.push(Problem::new(path, message));
            return Ok(());
        }
        if self.roster.job_name_is_free(&spec.name, Some(&id)).is_err() {
            let message = format!(
                "another job is called `{}` here; rename one of them",
                spec.name
            );
            problems.push(Problem::new(format!("{path}.name"), message));
            return Ok(());
        }
        let name = spec.name.clone();
        spec.id = Some(id.clone());
        let action = match found {
            Some(view) if view.spec == spec => ImportAction::Keep,
            Some(_) => ImportAction::Update,
            None => ImportAction::Create,
        };
        match found {
            Some(_) if action == ImportAction::Keep => {}
            Some(view) => {
                let job = self.roster.job_mut(&id)?;
                job.name.clone_from(&spec.name);
                job.template.clone_from(&spec.template);
                (job.connection, job.changed_at) = (connection, now);
                self.replaced.push((id.clone(), view.edition.clone()));
                self.specs.push((id.clone(), spec));
            }
            None => {
                // The edition is drawn when it is saved.
                let mut job = entry(id.clone(), spec.name.clone(), String::new(), now);
                job.template.clone_from(&spec.template);
                job.connection = connection;
                self.roster.jobs.push(job);
                self.specs.push((id.clone(), spec));
            }
        }
        self.report.jobs.push(ImportStep { name, id, action });
        Ok(())
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
