//! Chains: made, shown, asked to run, changed.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse as _;
use syncline::spec::{ChainSpec, Ended, LinkSpec, OnFailure, RunCondition};
use syncline::workspace::RunQuery;
use syncline::{Error, ErrorKind, Result};

use super::jobs::{FEW, read};
use super::{Answer, status, to};
use crate::host::Host;
use crate::overview::{link_rows, next_runs, timetable, timetables};
use crate::pages::{self, ChainPage, Typed, TypedChain};
use crate::session::{Posted, Session, Visitor};

type Shared = State<Arc<Host>>;
type Parameters = Query<HashMap<String, String>>;

pub(super) async fn all(State(host): Shared) -> Answer {
    let timetables = timetables(&host).await?;
    let chains = host.workspace.chains().list(&host.context).await?;
    let of = |id: &str| {
        timetables
            .iter()
            .find(|timetable| timetable.job == id)
            .cloned()
    };
    let chains: Vec<_> = (chains.into_iter())
        .map(|view| {
            let timetable = of(&view.id);
            (view, timetable)
        })
        .collect();
    Ok(pages::chains(&chains).into_response())
}

pub(super) async fn form(State(host): Shared, Extension(session): Visitor) -> Answer {
    let (jobs, chains) = names(&host).await?;
    // All jobs, to strike out or to move.
    let typed = TypedChain {
        links: jobs.join("\n"),
        ..TypedChain::default()
    };
    let page = pages::chain_form(&session, &[jobs, chains].concat(), &typed, None);
    Ok(page.into_response())
}

pub(super) async fn create(State(host): Shared, posted: Posted) -> Answer {
    let typed = TypedChain {
        name: posted.field("name").to_owned(),
        links: posted.field("links").to_owned(),
        needs: posted.field("needs").to_owned(),
        on_failure: posted.field("on_failure").to_owned(),
    };
    let (jobs, chains) = names(&host).await?;
    // Of a job and a chain of the same name it is the job.
    let is_chain = |name: &str| {
        let is_it = |known: &String| known == name;
        chains.iter().any(is_it) && !jobs.iter().any(is_it)
    };
    let spec = spec(&typed, is_chain);
    match host.workspace.chains().create(&host.context, spec).await {
        Ok(view) => Ok(to(format!("/chains/{}?done=made", view.id))),
        Err(error) => {
            let known = [jobs, chains].concat();
            let page = pages::chain_form(&posted.session, &known, &typed, Some(&error));
            Ok((status(&error), page).into_response())
        }
    }
}

/// What all jobs and all chains are called.
async fn names(host: &Host) -> Result<(Vec<String>, Vec<String>)> {
    let jobs = host.workspace.jobs().list(&host.context).await?;
    let chains = host.workspace.chains().list(&host.context).await?;
    let jobs = jobs.into_iter().map(|job| job.spec.name).collect();
    let chains = chains.into_iter().map(|chain| chain.spec.name).collect();
    Ok((jobs, chains))
}

/// What a person typed, as a spec. Whether it can be so, the workspace says.
fn spec(typed: &TypedChain, is_chain: impl Fn(&str) -> bool) -> ChainSpec {
    let needs = RunCondition::new(match typed.needs.as_str() {
        "whole" => Ended::Whole,
        "anyhow" => Ended::Anyhow,
        _ => Ended::Written,
    });
    let names = typed.links.lines().map(str::trim);
    let links = names.filter(|name| !name.is_empty());
    let link = |name| match is_chain(name) {
        true => LinkSpec::chain(name),
        false => LinkSpec::new(name),
    };
    let links = links.map(|name| link(name).when(needs)).collect();
    ChainSpec::new(&typed.name, links).on_failure(match typed.on_failure.as_str() {
        "skip_dependents" => OnFailure::SkipDependents,
        "continue" => OnFailure::Continue,
        _ => OnFailure::Stop,
    })
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

/// The page of a chain, with what was typed, done, or went wrong.
async fn page(
    host: &Host,
    session: &Session,
    id: &str,
    typed: Option<&Typed>,
    done: Option<&'static str>,
    error: Option<&Error>,
) -> Answer {
    let view = host.workspace.chains().get(&host.context, id).await?;
    let links = link_rows(host, &view).await?;
    let query = RunQuery::new().of_chain(id).with_limit(FEW);
    let activity = host.workspace.activity();
    let runs = activity.runs(&host.context, &query).await?.runs;
    let timetable = timetable(host, id).await?;
    let next = match &timetable {
        Some(timetable) => next_runs(host, timetable, FEW)?,
        None => Vec::new(),
    };
    let wrong = typed.and_then(|typed| typed.came.as_ref().err()).or(error);
    let status = wrong.map(status).unwrap_or_default();
    let page = pages::chain(
        session,
        &ChainPage {
            view: &view,
            links: &links,
            runs: &runs,
            timetable: timetable.as_ref(),
            next: &next,
            typed,
            done,
            error,
        },
    );
    Ok((status, page).into_response())
}

async fn done<T>(host: &Host, posted: &Posted, id: &str, did: Result<T>, word: &str) -> Answer {
    match did {
        Ok(_) => Ok(to(format!("/chains/{id}?done={word}"))),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(error.into()),
        Err(error) => page(host, &posted.session, id, None, None, Some(&error)).await,
    }
}

pub(super) async fn run(State(host): Shared, Path(id): Path<String>, posted: Posted) -> Answer {
    let did = host.ask(&id).await;
    done(&host, &posted, &id, did, "asked").await
}

pub(super) async fn cancel(State(host): Shared, Path(id): Path<String>, posted: Posted) -> Answer {
    let tenant = host.workspace.tenant();
    let did = host.timetables.cancel(&host.context, tenant, &id).await;
    done(&host, &posted, &id, did, "cancelled").await
}

pub(super) async fn enable(State(host): Shared, Path(id): Path<String>, posted: Posted) -> Answer {
    let did = host.workspace.chains().enable(&host.context, &id).await;
    done(&host, &posted, &id, did, "enabled").await
}

pub(super) async fn disable(State(host): Shared, Path(id): Path<String>, posted: Posted) -> Answer {
    let did = host.workspace.chains().disable(&host.context, &id).await;
    done(&host, &posted, &id, did, "disabled").await
}

pub(super) async fn delete(State(host): Shared, Path(id): Path<String>, posted: Posted) -> Answer {
    match host.workspace.chains().delete(&host.context, &id).await {
        Ok(()) => Ok(to("/chains")),
        did => done(&host, &posted, &id, did, "").await,
    }
}

/// Shows when a chain would run, or has it run so.
pub(super) async fn schedule(
    State(host): Shared,
    Path(id): Path<String>,
    posted: Posted,
) -> Answer {
    let view = host.workspace.chains().get(&host.context, &id).await?;
    let (schedule, typed) = read(&host, &posted, &id);
    match schedule.filter(|_| posted.field("do") == "save") {
        None => page(&host, &posted.session, &id, Some(&typed), None, None).await,
        // A chain has no editions: what somebody else changed since the page was shown stays.
        Some(_) if view.changed_at.to_rfc3339() != posted.field("edition") => {
            let message = "somebody else changed the chain meanwhile; look at it and try again";
            let error = Error::new(ErrorKind::Conflict, message);
            page(&host, &posted.session, &id, None, None, Some(&error)).await
        }
        Some(schedule) => {
            let mut spec = view.spec;
            spec.settings.schedule = schedule;
            let did = host.workspace.chains().edit(&host.context, &id, spec).await;
            done(&host, &posted, &id, did, "scheduled").await
        }
    }
}

/// What a word in the address says. Only these: an address may come from anywhere.
fn said(word: &str) -> Option<&'static str> {
    Some(match word {
        "made" => "It is made. It runs when somebody says so, until it has a schedule.",
        "asked" => "It runs as soon as there is a place for it.",
        "cancelled" => "Its run ends behind the job that runs; those that waited are gone.",
        "enabled" => "It may run again.",
        "disabled" => "It rests until it is enabled; its jobs run by their own schedules.",
        "scheduled" => "It runs by its new schedule.",
        _ => return None,
    })
}
