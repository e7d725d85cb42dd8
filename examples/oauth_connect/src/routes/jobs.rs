//! Jobs: shown, asked to run, changed.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse as _;
use syncline::job::Redrive;
use syncline::schedule::CompiledSchedule;
use syncline::spec::{JobSpec, Member, NotifySpec, Rule, ScheduleSpec};
use syncline::workspace::{JobQuery, JobView, RunQuery};
use syncline::{Error, ErrorKind, Result};

use super::{Answer, status, to};
use crate::host::Host;
use crate::overview::{next_runs, timetable};
use crate::pages::{self, JobFilter, JobPage, Told, Typed};
use crate::session::{Posted, Session, Visitor};

type Shared = State<Arc<Host>>;
type Parameters = Query<HashMap<String, String>>;

/// How many runs a page shows that shows other things too.
pub(super) const FEW: usize = 5;

pub(super) async fn all(State(host): Shared, Query(query): Parameters) -> Answer {
    let text = |name: &str| {
        let text = query.get(name).map(|text| text.trim());
        text.unwrap_or_default().to_owned()
    };
    let filter = JobFilter {
        name: text("name"),
        connection: text("connection"),
        status: text("status"),
        scheduled: text("scheduled"),
    };
    let mut jobs = JobQuery::new()
        .with_name(&filter.name)
        .with_statuses(pages::statuses(&filter.status))
        .with_timetables(host.timetables.clone());
    if !filter.connection.is_empty() {
        jobs = jobs.of_connection(&filter.connection);
    }
    jobs.scheduled = match filter.scheduled.as_str() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    };
    let rows = host.workspace.jobs().rows(&host.context, &jobs).await?;
    let connections = host.workspace.connections().list(&host.context).await?;
    Ok(pages::jobs(&filter, &connections, &rows).into_response())
}

pub(super) async fn one(
    State(host): Shared,
    Path(id): Path<String>,
    Query(query): Parameters,
    Extension(session): Visitor,
) -> Answer {
    let told = Told {
        done: query.get("done").and_then(|word| said(word)),
        ..Told::default()
    };
    page(&host, &session, &id, told).await
}

/// The page of a job, with what is told of something that was done with it.
async fn page(host: &Host, session: &Session, id: &str, told: Told<'_>) -> Answer {
    let jobs = host.workspace.jobs().list(&host.context).await?;
    // That there is none is said as always.
    let view = host.workspace.jobs().get(&host.context, id).await?;
    let query = RunQuery::new().of_job(id).with_limit(FEW);
    let activity = host.workspace.activity();
    let runs = activity.runs(&host.context, &query).await?.runs;
    let timetable = timetable(host, id).await?;
    let next = match &timetable {
        Some(timetable) => next_runs(host, timetable, FEW)?,
        None => Vec::new(),
    };
    let member = Member::job(&view.spec.name);
    let mut chains = host.workspace.chains().list(&host.context).await?;
    chains.retain(|chain| {
        let mut links = chain.spec.links.iter();
        chain.enabled && links.any(|link| link.member == member)
    });
    let wrong = told.schedule.and_then(|typed| typed.came.as_ref().err());
    let status = wrong.or(told.error).map(status).unwrap_or_default();
    let page = pages::job(
        session,
        &JobPage {
            view: &view,
            timetable: timetable.as_ref(),
            runs: &runs,
            next: &next,
            chains: &chains,
            jobs: &jobs,
            told,
        },
    );
    Ok((status, page).into_response())
}

/// Asks for a run, and shows it, or the one that goes on.
pub(super) async fn run(State(host): Shared, Path(id): Path<String>, posted: Posted) -> Answer {
    host.workspace.jobs().get(&host.context, &id).await?;
    let begun = async {
        let name = host.ask(&id).await?;
        host.begun(&id, &name).await
    };
    match begun.await {
        Ok(Some(record)) => Ok(to(format!("/runs/{}", record.id))),
        Ok(None) => Ok(to(format!("/jobs/{id}?done=asked"))),
        Err(error) => failed(&host, &posted, &id, error, Told::default()).await,
    }
}

/// Shows what came of something that was done with a job.
async fn done<T>(host: &Host, posted: &Posted, id: &str, did: Result<T>, word: &str) -> Answer {
    changed(host, posted, id, did, word, Told::default()).await
}

/// The same; if it went wrong, with what was typed.
async fn changed<T>(
    host: &Host,
    posted: &Posted,
    id: &str,
    did: Result<T>,
    word: &str,
    typed: Told<'_>,
) -> Answer {
    match did {
        Ok(_) => Ok(to(format!("/jobs/{id}?done={word}"))),
        Err(error) => failed(host, posted, id, error, typed).await,
    }
}

/// The page of a job with what went wrong. What is not there has none.
async fn failed(host: &Host, posted: &Posted, id: &str, error: Error, typed: Told<'_>) -> Answer {
    if error.kind() == ErrorKind::NotFound {
        return Err(error.into());
    }
    let told = Told {
        error: Some(&error),
        ..typed
    };
    page(host, &posted.session, id, told).await
}

pub(super) async fn cancel(State(host): Shared, Path(id): Path<String>, posted: Posted) -> Answer {
    let tenant = host.workspace.tenant();
    let did = host.timetables.cancel(&host.context, tenant, &id).await;
    done(&host, &posted, &id, did, "cancelled").await
}

pub(super) async fn enable(State(host): Shared, Path(id): Path<String>, posted: Posted) -> Answer {
    let did = host.workspace.jobs().enable(&host.context, &id).await;
    done(&host, &posted, &id, did, "enabled").await
}

pub(super) async fn disable(State(host): Shared, Path(id): Path<String>, posted: Posted) -> Answer {
    let did = host.workspace.jobs().disable(&host.context, &id).await;
    done(&host, &posted, &id, did, "disabled").await
}

/// Shows when a job would run, or has it run so.
pub(super) async fn schedule(
    State(host): Shared,
    Path(id): Path<String>,
    posted: Posted,
) -> Answer {
    let view = host.workspace.jobs().get(&host.context, &id).await?;
    let (schedule, typed) = read(&host, &posted, &id);
    match schedule.filter(|_| posted.field("do") == "save") {
        None => {
            let told = Told {
                schedule: Some(&typed),
                ..Told::default()
            };
            page(&host, &posted.session, &id, told).await
        }
        Some(schedule) => {
            let mut spec = view.spec;
            spec.settings.schedule = schedule;
            let did = edit(&host, &posted, &id, spec).await;
            done(&host, &posted, &id, did, "scheduled").await
        }
    }
}

/// Saves a job as it is now, if it is still as the page showed it.
async fn edit(host: &Host, posted: &Posted, id: &str, spec: JobSpec) -> Result<JobView> {
    let jobs = host.workspace.jobs();
    let edition = posted.field("edition");
    jobs.edit(&host.context, id, edition, spec).await
}

/// Says who is to hear of a job.
pub(super) async fn notify(State(host): Shared, Path(id): Path<String>, posted: Posted) -> Answer {
    let mut spec = host.workspace.jobs().get(&host.context, &id).await?.spec;
    let addresses = |list: &str| {
        let addresses = posted.field(list).split(',').map(str::trim);
        let addresses = addresses.filter(|address| !address.is_empty());
        addresses.map(str::to_owned).collect::<Vec<_>>()
    };
    let notify = NotifySpec::default()
        .on_success(addresses("success"))
        .on_partial_success(addresses("partial_success"))
        .on_failure(addresses("failure"))
        .on_changes(addresses("changes"));
    spec.settings.notify.clone_from(&notify);
    let did = edit(&host, &posted, &id, spec).await;
    let typed = Told {
        notify: Some(&notify),
        ..Told::default()
    };
    changed(&host, &posted, &id, did, "notify", typed).await
}

/// Says which job runs first.
pub(super) async fn first(State(host): Shared, Path(id): Path<String>, posted: Posted) -> Answer {
    let mut spec = host.workspace.jobs().get(&host.context, &id).await?.spec;
    let first = posted.field("first");
    spec.first = Some(first.to_owned()).filter(|name| !name.is_empty());
    let did = edit(&host, &posted, &id, spec).await;
    let typed = Told {
        first: Some(first),
        ..Told::default()
    };
    changed(&host, &posted, &id, did, "first", typed).await
}

/// A schedule that somebody typed, and its next runs.
pub(super) fn read(host: &Host, posted: &Posted, id: &str) -> (Option<ScheduleSpec>, Typed) {
    let text = posted.field("schedule").to_owned();
    let read = || {
        let spec: ScheduleSpec = text.parse()?;
        let schedule = CompiledSchedule::new(&spec)?;
        let now = host.context.clock().now();
        let request = syncline::schedule::ScheduleRequest::new(now).with_job(id);
        Ok((spec, schedule.preview_for(request, FEW)))
    };
    match read() {
        Ok((spec, runs)) => (
            Some(spec),
            Typed {
                text,
                came: Ok(runs),
            },
        ),
        Err(error) => (
            None,
            Typed {
                text,
                came: Err(error),
            },
        ),
    }
}

/// Sends refused records again: their source is read again, and what has the key of one that was refused is written as it is now.
pub(super) async fn redrive(State(host): Shared, Path(id): Path<String>, posted: Posted) -> Answer {
    let view = host.workspace.jobs().get(&host.context, &id).await?;
    let by = Redrive::ReadAgain {
        key: key(&view.spec),
    };
    // It goes on if the person does not wait for it.
    let (at_work, job) = (Arc::clone(&host), id.clone());
    let work = tokio::spawn(async move {
        let (jobs, request) = (at_work.workspace.jobs(), at_work.request(&job));
        let redriven = jobs.redrive(&at_work.context, &job, request, &by).await;
        redriven.map(drop)
    });
    let broken = |_| Err(Error::contract("the run broke down; see the host's logs"));
    let did = work.await.unwrap_or_else(broken);
    done(&host, &posted, &id, did, "redriven").await
}

/// The fields of the source that a job knows records again by.
fn key(spec: &JobSpec) -> Vec<String> {
    let Some(destination) = spec.destinations.first() else {
        return Vec::new();
    };
    let identifiers = destination.mode.identifiers().first();
    let source = |name: &String| {
        let mut fields = destination.mapping.fields.iter();
        match &fields.find(|field| field.field == *name)?.rule {
            Rule::From(source) => Some(source.clone()),
            _ => None,
        }
    };
    identifiers
        .into_iter()
        .flatten()
        .filter_map(source)
        .collect()
}

/// What a word in the address says. Only these: an address may come from anywhere.
fn said(word: &str) -> Option<&'static str> {
    Some(match word {
        "asked" => "It runs as soon as there is a place for it.",
        "cancelled" => "Its run ends behind the batch that it is at; those that waited are gone.",
        "enabled" => "It may run again.",
        "disabled" => "It rests until it is enabled.",
        "scheduled" => "It runs by its new schedule.",
        "notify" => "Who hears of it is changed.",
        "first" => "What runs first is changed.",
        "redriven" => "What was refused was sent again; its latest run says what became of it.",
        _ => return None,
    })
}
