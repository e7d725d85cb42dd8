//! What a spec comes to, wherever its parts come from.

use std::sync::Arc;

use crate::connection::Connection;
use crate::dataset::Dataset;
use crate::error::Problem;
use crate::job::SyncJob;
use crate::schedule::{CompiledSchedule, Holidays};
use crate::spec::{JobSpec, RunSettings, unknown_version};

/// The job of a spec, which reads this dataset and writes objects of this connection.
pub(super) fn sync_job(
    spec: &JobSpec,
    dataset: &Arc<dyn Dataset>,
    home: Arc<dyn Connection>,
) -> SyncJob {
    let mut job = SyncJob::new(&spec.name, Arc::clone(dataset));
    if let Some(id) = &spec.id {
        job = job.with_id(id);
    }
    if let Some(filter) = &spec.dataset.filter {
        job = job.filtered(filter.clone());
    }
    job = job
        .reading(spec.dataset.sync.clone())
        .rejecting_at_most(spec.reject_limit);
    if let Some(built_on) = &spec.dataset.built_on {
        job = job.built_on(built_on.clone());
    }
    for formula in &spec.dataset.formulas {
        job = job.with_formula(formula.clone());
    }
    for destination in &spec.destinations {
        job = job.to(Arc::clone(&home), destination.clone());
    }
    job
}

/// What is wrong with a job before its parts are looked at.
pub(super) fn own_problems(spec: &JobSpec) -> Vec<Problem> {
    let mut problems = Vec::new();
    if spec.name.is_empty() {
        problems.push(Problem::new("name", "a job has a name"));
    }
    for (path, version) in [
        ("version", spec.version),
        ("dataset.version", spec.dataset.version),
    ] {
        if version != 1 {
            problems.push(Problem::new(path, unknown_version(version)));
        }
    }
    problems
}

/// The schedule of settings, by the host's calendar.
pub(super) fn schedule(
    settings: &RunSettings,
    holidays: Option<&Arc<dyn Holidays>>,
) -> crate::Result<CompiledSchedule> {
    match holidays {
        None => CompiledSchedule::new(&settings.schedule),
        Some(holidays) => CompiledSchedule::with_holidays(&settings.schedule, Arc::clone(holidays)),
    }
}

/// What is wrong with the schedule of something, where its settings stand at `settings`.
pub(super) fn schedule_problems(
    settings: &RunSettings,
    holidays: Option<&Arc<dyn Holidays>>,
) -> Vec<Problem> {
    let Err(error) = schedule(settings, holidays) else {
        return Vec::new();
    };
    let below = |problem: &Problem| {
        let path = format!("settings.schedule.{}", problem.path);
        Problem::new(path.trim_end_matches('.'), problem.message.clone())
    };
    error.problems().iter().map(below).collect()
}
