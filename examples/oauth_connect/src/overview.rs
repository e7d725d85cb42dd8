//! What pages show of jobs and chains beside their specs: how their runs ended, and when the next ones come.

use chrono::TimeDelta;
use syncline::job::Trigger;
use syncline::schedule::{CompiledSchedule, PreviewRun, ScheduleRequest};
use syncline::scheduler::TimetableView;
use syncline::spec::{LinkSpec, Member};
use syncline::workspace::{ChainView, RunQuery, RunRecord};
use syncline::{ErrorKind, Result};

use crate::host::Host;

/// When each job and chain runs.
pub(crate) async fn timetables(host: &Host) -> Result<Vec<TimetableView>> {
    let tenant = host.workspace.tenant();
    host.timetables.list(&host.context, tenant).await
}

/// When this job or chain runs; `None` if that was not said yet.
pub(crate) async fn timetable(host: &Host, id: &str) -> Result<Option<TimetableView>> {
    let tenant = host.workspace.tenant();
    match host.timetables.get(&host.context, tenant, id).await {
        Ok(timetable) => Ok(Some(timetable)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A link of a chain, with the last run that it had as one.
pub(crate) struct LinkRow {
    pub(crate) link: LinkSpec,
    /// The page of what it runs.
    pub(crate) place: Option<String>,
    pub(crate) last: Option<RunRecord>,
}

/// How many runs are looked at for the last one in a chain.
const LOOKED: usize = 50;

pub(crate) async fn link_rows(host: &Host, chain: &ChainView) -> Result<Vec<LinkRow>> {
    let jobs = host.workspace.jobs().list(&host.context).await?;
    let chains = host.workspace.chains().list(&host.context).await?;
    let mut rows = Vec::new();
    for link in &chain.spec.links {
        let (place, query) = match &link.member {
            Member::Job(name) => {
                let job = jobs.iter().find(|job| job.spec.name == *name);
                let id = job.map(|job| &job.id);
                let place = id.map(|id| format!("/jobs/{id}"));
                (place, id.map(|id| RunQuery::new().of_job(id)))
            }
            Member::Chain(name) => {
                let chain = chains.iter().find(|chain| chain.spec.name == *name);
                let id = chain.map(|chain| &chain.id);
                let place = id.map(|id| format!("/chains/{id}"));
                (place, id.map(|id| RunQuery::new().of_chain(id)))
            }
            _ => (None, None),
        };
        let last = match query {
            Some(query) => {
                let (activity, query) = (host.workspace.activity(), query.with_limit(LOOKED));
                let page = activity.runs(&host.context, &query).await?;
                let is_link = |run: &RunRecord| matches!(run.trigger, Trigger::Chain { .. });
                page.runs.into_iter().find(is_link)
            }
            None => None,
        };
        rows.push(LinkRow {
            link: link.clone(),
            place,
            last,
        });
    }
    Ok(rows)
}

/// The runs of the links of a run of a chain, in the order in which they began.
pub(crate) async fn runs_of_links(host: &Host, chain: &RunRecord) -> Result<Vec<RunRecord>> {
    let Some(run) = &chain.run else {
        return Ok(Vec::new());
    };
    let mut query = RunQuery::new()
        .of_chain_run(&chain.job, run)
        .with_from(chain.started_at);
    // A link may begin in the moment in which the chain ends.
    query.to = chain.finished_at.map(|end| end + TimeDelta::seconds(1));
    let mut runs = Vec::new();
    loop {
        let page = host
            .workspace
            .activity()
            .runs(&host.context, &query)
            .await?;
        runs.extend(page.runs);
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    runs.reverse();
    Ok(runs)
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
