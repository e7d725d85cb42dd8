//! Jobs: shown, asked to run, changed.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse as _;
use syncline::job::Redrive;
use syncline::schedule::CompiledSchedule;
use syncline::spec::{JobSpec, Member, Rule, ScheduleSpec};
use syncline::workspace::RunQuery;
use syncline::{Error, ErrorKind, Result};

use super::{Answer, status, to};
use crate::host::Host;
use crate::overview::{job_rows, next_runs};
use crate::pages::{self, JobPage, Typed};
use crate::session::{Posted, Session, Visitor};

type Shared = State<Arc<Host>>;
type Parameters = Query<HashMap<String, String>>;

/// How many runs a page shows that shows other things too.
const FEW: usize = 5;

pub(super) async fn all(State(host): Shared) -> Answer {
    let rows = job_rows(&host, |_| true).await?;
    Ok(pages::jobs(&rows).into_response())
}

pub(super) async fn one(
    State(host): Shared,
    Path(id): Path<String>,
    Query(query): Parameters,
    Extension(session): Visitor,
) -> Answer {
    let done = query.get("done").and_then(|word| said(word));
    page(&host, &session, &id, None, done, None).await
}

/// The page of a job, with what was typed, done, or went wrong.
async fn page(
    host: &Host,
    session: &Session,
    id: &str,
    typed: Option<&Typed>,
    done: Option<&'static str>,
    error: Option<&Error>,
) -> Answer {
    // That there is none is said as always.
    let view = host.workspace.jobs().get(&host.context, id).await?;
    let rows = job_rows(host, |job| job.id == view.id).await?;
    let Some(row) = rows.first() else {
        return Err(Error::new(ErrorKind::NotFound, "there is no such job").into());
    };
    let query = RunQuery::new().of_job(id).with_limit(FEW);
    let runs = host
        .workspace
        .activity()
        .runs(&host.context, &query)
        .await?;
    let next = match &row.timetable {
        Some(timetable) => next_runs(host, timetable, FEW)?,
        None => Vec::new(),
    };
    let chains = host.workspace.chains().list(&host.context).await?;
    let member = Member::job(&view.spec.name);
    let mut chains = chains.iter().filter(|chain| chain.enabled);
    let chain = chains.find(|chain| chain.spec.links.iter().any(|link| link.member == member));
    let wrong = typed.and_then(|typed| typed.came.as_ref().err()).or(error);
    let status = wrong.map(status).unwrap_or_default();
    let page = pages::job(
        session,
        &JobPage {
            row,
            runs: &runs.runs,
            next: &next,
            chain: chain.map(|chain| &*chain.spec.name),
            typed,
            done,
            error,
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
        Err(error) => page(&host, &posted.session, &id, None, None, Some(&error)).await,
    }
}

/// Shows what came of something that was done with a job.
async fn done<T>(host: &Host, posted: &Posted, id: &str, did: Result<T>, word: &str) -> Answer {
    match did {
        Ok(_) => Ok(to(format!("/jobs/{id}?done={word}"))),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(error.into()),
        Err(error) => page(host, &posted.session, id, None, None, Some(&error)).await,
    }
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
        None => page(&host, &posted.session, &id, Some(&typed), None, None).await,
        Some(schedule) => {
            let mut spec = view.spec;
            spec.settings.schedule = schedule;
            let jobs = host.workspace.jobs();
            let edition = posted.field("edition");
            let did = jobs.edit(&host.context, &id, edition, spec).await;
            done(&host, &posted, &id, did, "scheduled").await
        }
    }
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
        "redriven" => "What was refused was sent again; its latest run says what became of it.",
        _ => return None,
    })
}
