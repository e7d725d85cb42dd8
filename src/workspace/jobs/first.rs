//! The job that runs first: at most one for each job, which may need one itself.

use super::super::activity::Came;
use super::super::chains::{ChainRequest, Course, DEEPEST, Level, LinkFate, LinkReport};
use super::super::roster::{JobEntry, Roster, not_found};
use super::{JobView, Jobs, job_end, unfit};
use crate::error::Problem;
use crate::host::{Context, StateKey, StateKind};
use crate::job::{Deed, Outcome, RunReport, RunRequest};
use crate::spec::{ChainSpec, JobSpec, LinkSpec};
use crate::{Error, ErrorKind, Result};

/// The id of the job that a spec needs first.
pub(in crate::workspace) fn of_spec(roster: &Roster, spec: &JobSpec) -> Result<Option<String>> {
    let Some(name) = &spec.first else {
        return Ok(None);
    };
    let message = match roster.job_named(name) {
        _ if *name == spec.name => format!("a job cannot run in front of itself: {name} -> {name}"),
        Some(job) => return Ok(Some(job.id.clone())),
        None => format!("the workspace has no job `{name}`"),
    };
    Err(unfit(spec, Problem::new("first", message)))
}

/// Fails if jobs need each other first, or too many stand in a line.
pub(in crate::workspace) fn check(roster: &Roster) -> Result<(), Problem> {
    let needing = roster.jobs.iter().filter(|job| job.first.is_some());
    for job in needing {
        line(roster, job)?;
    }
    Ok(())
}

/// A job behind those that run first, in the order in which they run.
fn line<'a>(roster: &'a Roster, job: &'a JobEntry) -> Result<Vec<&'a JobEntry>, Problem> {
    let mut line = vec![job];
    let mut last = job;
    while let Some(next) = last.first.as_ref().and_then(|id| roster.job(id).ok()) {
        let is_known = line.iter().any(|other| other.id == next.id);
        line.push(next);
        let path = || {
            let names: Vec<&str> = line.iter().map(|job| job.name.as_str()).collect();
            names.join(" -> ")
        };
        if is_known {
            let message = format!("jobs need each other first, in a circle: {}", path());
            return Err(Problem::new("first", message));
        }
        if line.len() > DEEPEST {
            let message = format!(
                "{DEEPEST} jobs may stand in a line, each behind the one that it needs first; make a chain of them: {}",
                path()
            );
            return Err(Problem::new("first", message));
        }
        last = next;
    }
    line.reverse();
    Ok(line)
}

/// The connections of the jobs that run when this one does.
pub(in crate::workspace) fn connections(roster: &Roster, id: &str) -> Vec<String> {
    let line = roster.job(id).ok().and_then(|job| line(roster, job).ok());
    let mut connections = Vec::new();
    for connection in line
        .iter()
        .flatten()
        .filter_map(|job| job.connection.clone())
    {
        if !connections.contains(&connection) {
            connections.push(connection);
        }
    }
    connections
}

/// Fails if a job that is none of these needs one of them first.
pub(in crate::workspace) fn free(roster: &Roster, jobs: &[&str]) -> Result<()> {
    let is_one = |id: &str| jobs.contains(&id);
    let needs = |job: &&JobEntry| !is_one(&job.id) && job.first.as_deref().is_some_and(is_one);
    match roster.jobs.iter().find(needs) {
        None => Ok(()),
        Some(job) => {
            let message = "another job needs this first; take it off that one first";
            Err(Error::new(ErrorKind::Conflict, message).with("job", &job.name))
        }
    }
}

impl Jobs<'_> {
    /// Runs the job that [must run first](JobSpec::first), if there is one, and then this one; that one may need another one itself. When the first has
    /// read its source, this one begins to read, as in a [chain](crate::workspace::Chains::run).
    ///
    /// If the first did not do what its [settings](crate::spec::RunSettings::success) ask, this one does not begin: its report has failed and says why,
    /// and so does its history. A run of the same name goes on at the job that failed; one of another name, or of none, runs all of them.
    ///
    /// # Errors
    /// Those of [`run`](Self::run) and of the store; [`Conflict`](ErrorKind::Conflict) while another process does the same.
    pub async fn run_with_first(
        self,
        context: &Context,
        id: &str,
        request: ChainRequest<'_>,
    ) -> Result<RunReport> {
        let view = self.get(context, id).await?;
        let ran = self.run_with_first_untold(context, id, &request).await;
        let (record, ran) = ran.unwrap_or_else(|error| (None, Err(error)));
        if !ran.as_ref().is_ok_and(|report| report.dry_run) {
            let (run, mut ended) = (
                request.own_run(),
                job_end(ran.as_ref(), &view, context.clock().now()),
            );
            (ended.run, ended.record) = (run.as_deref(), record.as_deref());
            self.0.notices().job_ended(context, &view, &ended).await;
        }
        ran
    }

    /// The same, for those who tell people of it themselves; answers the id of its record too, if it ran alone.
    pub(in crate::workspace) async fn run_with_first_untold(
        self,
        context: &Context,
        id: &str,
        request: &ChainRequest<'_>,
    ) -> Result<(Option<String>, Result<RunReport>)> {
        let roster = self.0.roster(context).await?;
        let line = line(&roster, roster.job(id)?)
            .map_err(|problem| Error::invalid("the job cannot run", vec![problem]))?;
        let ids: Vec<String> = line.iter().map(|job| job.id.clone()).collect();
        let mut views = Vec::new();
        let found = self.views(context, |entry| ids.contains(&entry.id)).await?;
        for id in &ids {
            let view = found.iter().find(|view| view.id == *id);
            views.push(view.ok_or_else(|| not_found("job", id))?);
        }
        let Some((job, in_front)) = views.split_last() else {
            return Err(not_found("job", id));
        };
        // Whoever does not run needs nobody.
        if in_front.is_empty() || !job.enabled || job.retired {
            let (record, ran) = self.run_untold(context, job, request.of_own(job)).await;
            return Ok((Some(record), ran));
        }
        let links = |name: fn(&JobView) -> &str| {
            let links = views.iter().enumerate().map(|(at, view)| {
                let before = at.checked_sub(1).and_then(|at| views.get(at));
                let when = before.map(|before| before.spec.settings.success);
                LinkSpec::new(name(view)).when(when.unwrap_or_default())
            });
            ChainSpec::new(&job.spec.name, links.collect())
        };
        let course = Course {
            id,
            key: self.first_key(id)?,
            lease: format!("first {id}"),
            spec: &links(|view| &view.id),
            shown: &links(|view| &view.spec.name),
            of_job: Some(id),
        };
        let level = Level {
            workspace: self.0,
            context,
            depth: 1,
        };
        let request = &request.clone().with_start_over();
        let mut report = level.run_course(course, request).await?;
        match report.links.pop().map(|link| link.fate) {
            Some(LinkFate::Ran(report)) => Ok((None, Ok(*report))),
            // It came to its end before, and tells so again.
            Some(LinkFate::Done(_)) => {
                let (record, ran) = self.run_untold(context, job, request.of_own(job)).await;
                Ok((Some(record), ran))
            }
            _ => {
                let error = lacking(report.outcome, report.links, in_front);
                let own = request.of_own(job);
                Ok((None, Ok(self.not_begun(context, job, &own, error).await)))
            }
        }
    }

    /// Writes down a run that did not begin.
    async fn not_begun(
        self,
        context: &Context,
        view: &JobView,
        request: &RunRequest,
        error: Error,
    ) -> RunReport {
        let recorder = self.recorder(context, view, request).await;
        let now = context.clock().now();
        let report = RunReport::new(&view.spec.name, now, now);
        let report = report.not_begun(recorder.context(), error, request.dry_run);
        recorder.end(&Came::Ran(&report)).await;
        report
    }

    pub(in crate::workspace) fn first_key(self, id: &str) -> Result<StateKey> {
        self.0.key(StateKind::Chain, ["first", id])
    }
}

/// Why a job does not begin: what the last one in front of it that ran did not do.
fn lacking(outcome: Outcome, links: Vec<LinkReport>, in_front: &[&JobView]) -> Error {
    let ran = |link: LinkReport| match link.fate {
        LinkFate::Ran(report) => Some((link.id, report)),
        _ => None,
    };
    let last = links.into_iter().rev().find_map(ran);
    let Some((id, mut report)) = last.filter(|_| outcome != Outcome::Cancelled) else {
        return Error::new(ErrorKind::Cancelled, "the run was cancelled");
    };
    let why = report.failure.take().or(report.paused_by.take());
    let error = why.unwrap_or_else(|| {
        let settings = in_front.iter().find(|view| view.id == id);
        let success = settings.map(|view| view.spec.settings.success);
        let lacking = Deed::of(&report).lacks(&success.unwrap_or_default());
        let lacking = lacking.unwrap_or_else(|| "did not come to its end".into());
        let message = format!(
            "the job that runs first {lacking}; look at its run, and mend what it tells of"
        );
        Error::new(ErrorKind::Invalid, message)
    });
    error.with("first", report.job)
}
