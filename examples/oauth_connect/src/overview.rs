//! What pages show of jobs and chains beside their specs: how their runs ended, and when the next ones come.

use syncline::Result;
use syncline::job::Trigger;
use syncline::schedule::{CompiledSchedule, PreviewRun, ScheduleRequest};
use syncline::scheduler::TimetableView;
use syncline::spec::{LinkSpec, Member};
use syncline::workspace::{ChainView, JobView, RunQuery, RunRecord};

use crate::host::Host;

/// A job, with its last run and its timetable.
pub(crate) struct JobRow {
    pub(crate) view: JobView,
    pub(crate) last: Option<RunRecord>,
    pub(crate) timetable: Option<TimetableView>,
}

/// The jobs that are kept by this, by name.
pub(crate) async fn job_rows(host: &Host, keep: impl Fn(&JobView) -> bool) -> Result<Vec<JobRow>> {
    let timetables = timetables(host).await?;
    let mut rows = Vec::new();
    for view in host.workspace.jobs().list(&host.context).await? {
        if keep(&view) {
            let query = RunQuery::new().of_job(&view.id).with_limit(1);
            let page = host.workspace.activity().runs(&host.context, &query);
            let of_it = timetables.iter().find(|timetable| timetable.job == view.id);
            rows.push(JobRow {
                last: page.await?.runs.pop(),
                timetable: of_it.cloned(),
                view,
            });
        }
    }
    Ok(rows)
}

/// When each job and chain runs.
pub(crate) async fn timetables(host: &Host) -> Result<Vec<TimetableView>> {
    let tenant = host.workspace.tenant();
    host.timetables.list(&host.context, tenant).await
}

/// A link of a chain, with the last run that it had as one.
pub(crate) struct LinkRow {
    pub(crate) link: LinkSpec,
    /// The page of what it runs.
    pub(crate) place: Option<String>,
    pub(crate) last: Option<RunRecord>,
}

/// How many runs of a job are looked at for its last one in a chain.
const LOOKED: usize = 50;

pub(crate) async fn link_rows(host: &Host, chain: &ChainView) -> Result<Vec<LinkRow>> {
    let jobs = host.workspace.jobs().list(&host.context).await?;
    let chains = host.workspace.chains().list(&host.context).await?;
    let mut rows = Vec::new();
    for link in &chain.spec.links {
        let (mut place, mut last) = (None, None);
        match &link.member {
            Member::Job(name) => {
                if let Some(job) = jobs.iter().find(|job| job.spec.name == *name) {
                    place = Some(format!("/jobs/{}", job.id));
                    let query = RunQuery::new().of_job(&job.id).with_limit(LOOKED);
                    let page = host.workspace.activity().runs(&host.context, &query);
                    let mut runs = page.await?.runs.into_iter();
                    last = runs.find(|run| matches!(run.trigger, Trigger::Chain(_)));
                }
            }
            Member::Chain(name) => {
                let found = chains.iter().find(|chain| chain.spec.name == *name);
                place = found.map(|chain| format!("/chains/{}", chain.id));
            }
            _ => {}
        }
        rows.push(LinkRow {
            link: link.clone(),
            place,
            last,
        });
    }
    Ok(rows)
}

/// A run that is to come.
pub(crate) struct Coming {
    pub(crate) run: PreviewRun,
    pub(crate) name: String,
    pub(crate) place: String,
}

/// The next runs of all jobs and chains.
pub(crate) async fn coming(host: &Host, most: usize) -> Result<Vec<Coming>> {
    let chains = host.workspace.chains().list(&host.context).await?;
    let mut coming = Vec::new();
    for timetable in timetables(host).await? {
        let is_chain = chains.iter().any(|chain| chain.id == timetable.job);
        let kind = if is_chain { "chains" } else { "jobs" };
        for run in next_runs(host, &timetable, most)? {
            coming.push(Coming {
                run,
                name: timetable.provided.name.clone(),
                place: format!("/{kind}/{}", timetable.job),
            });
        }
    }
    coming.sort_by(|a, b| (a.run.at, &a.name).cmp(&(b.run.at, &b.name)));
    coming.truncate(most);
    Ok(coming)
}

/// The next runs of one of them, by its schedule.
pub(crate) fn next_runs(
    host: &Host,
    timetable: &TimetableView,
    most: usize,
) -> Result<Vec<PreviewRun>> {
    if !timetable.provided.enabled {
        return Ok(Vec::new());
    }
    let schedule = CompiledSchedule::new(&timetable.provided.settings.schedule)?;
    let now = host.context.clock().now();
    let mut request = ScheduleRequest::new(now).with_job(&timetable.job);
    (request.last_start, request.last_end) = (timetable.last_start, timetable.last_end);
    Ok(schedule.preview_for(request, most))
}
