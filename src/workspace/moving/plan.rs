//! What an import comes to, before anything is changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::super::jobs::{self, JobView, entry};
use super::super::roster::{JobEntry, Roster};
use super::super::{Workspace, chains};
use super::{ImportAction, ImportReport, ImportRequest, ImportStep};
use crate::error::Problem;
use crate::host::{Context, unique};
use crate::schedule::Holidays;
use crate::spec::{ExportSpec, JobSpec, Member};
use crate::{Error, Result};

/// What an import comes to.
pub(super) struct Plan {
    /// The roster that it was made for.
    pub(super) base: Roster,
    pub(super) roster: Roster,
    pub(super) report: ImportReport,
    /// Specs to save: id and spec of the jobs that change.
    pub(super) specs: Vec<(String, JobSpec)>,
    /// Editions that no longer count.
    pub(super) replaced: Vec<(String, String)>,
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
    pub(super) async fn plan(
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
        let checked = jobs::check(&self.roster);
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

/// The document's id, if it can be one here: so the next import finds it again.
pub(super) fn own_id(context: &Context, id: Option<&str>, taken: impl Fn(&str) -> bool) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let usable = |id: &str| (16..=64).contains(&id.len()) && id.chars().all(plain) && !taken(id);
    match id {
        Some(id) if usable(id) => id.to_owned(),
        _ => unique(context.entropy()),
    }
}

/// An error's findings, placed under a path.
pub(super) fn placed(path: &str, error: &Error) -> Vec<Problem> {
    match error.problems() {
        [] => vec![Problem::new(path, error.to_string())],
        found => (found.iter())
            .map(|problem| Problem::new(format!("{path}.{}", problem.path), &problem.message))
            .collect(),
    }
}
