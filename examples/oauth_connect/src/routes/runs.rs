//! Runs: one of them, all of them, those that come; and who changed what.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::IntoResponse as _;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::stream::{self, StreamExt as _};
use syncline::workspace::{AuditQuery, RunQuery, RunSubject};
use syncline::{Error, ErrorKind};
use tokio::sync::watch;

use super::{Answer, Failure};
use crate::host::Host;
use crate::live::Progress;
use crate::overview;
use crate::pages::{self, RunFilter, ShownRun};

type Shared = State<Arc<Host>>;
type Parameters = Query<HashMap<String, String>>;

/// How many runs or changes a page has.
const PAGE: usize = 20;

/// A run, with its progress or its report.
pub(super) async fn one(State(host): Shared, Path(id): Path<String>) -> Answer {
    let activity = host.workspace.activity();
    let record = activity.run(&host.context, &id).await?;
    let log = activity.log(&host.context, &id).await?;
    let (jobs, chains) = (host.workspace.jobs(), host.workspace.chains());
    let found = match record.subject {
        RunSubject::Chain => chains.get(&host.context, &record.job).await.map(drop),
        _ => jobs.get(&host.context, &record.job).await.map(drop),
    };
    let is_there = match found {
        Ok(()) => true,
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Err(error) => return Err(error.into()),
    };
    let links = match record.subject {
        RunSubject::Chain => overview::runs_of_links(&host, &record).await?,
        _ => Vec::new(),
    };
    let live = host.live.of(&record);
    let progress = live.map_or_else(|| Progress::of(&record), |live| live.borrow().clone());
    let page = pages::run(&ShownRun {
        record: &record,
        is_there,
        log: &log,
        progress,
        links: &links,
    });
    Ok(page.into_response())
}

/// How far a run has come, each time that it has come further. The last event says that it has ended.
pub(super) async fn events(State(host): Shared, Path(id): Path<String>) -> Answer {
    let record = host.workspace.activity().run(&host.context, &id).await?;
    let events = match host.live.of(&record) {
        Some(progress) => watched(progress).boxed(),
        // It goes on elsewhere, or with others, or not at all.
        None => looked_at(host, id).boxed(),
    };
    let events =
        events.map(|now| Ok::<_, Infallible>(Event::default().data(now.json().to_string())));
    let events = Sse::new(events).keep_alive(KeepAlive::default());
    Ok(events.into_response())
}

fn watched(mut progress: watch::Receiver<Progress>) -> impl stream::Stream<Item = Progress> {
    progress.mark_changed();
    stream::unfold(Some(progress), |progress| async move {
        let mut progress = progress?;
        progress.changed().await.ok()?;
        let now = progress.borrow_and_update().clone();
        let more = (!now.ended).then_some(progress);
        Some((now, more))
    })
}

/// As the history tells it, until the run has ended or the host stops.
fn looked_at(host: Arc<Host>, id: String) -> impl stream::Stream<Item = Progress> {
    stream::unfold(Some((host, id)), |looks| async move {
        let (host, id) = looks?;
        let record = host
            .workspace
            .activity()
            .run(&host.context, &id)
            .await
            .ok()?;
        let now = Progress::of(&record);
        let is_over = now.ended || host.context.cancel().is_cancelled();
        if !is_over {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Some((now, (!is_over).then_some((host, id))))
    })
}

/// What a run refused, as CSV.
pub(super) async fn rejects(State(host): Shared, Path(id): Path<String>) -> Answer {
    let record = host.workspace.activity().run(&host.context, &id).await?;
    // Only the id of a job that is there may become the name of a folder.
    let job = host
        .workspace
        .jobs()
        .get(&host.context, &record.job)
        .await?;
    let csv = host.rejects.csv(&job.id, record.epoch).await?;
    if csv.is_empty() {
        let error = Error::new(
            ErrorKind::NotFound,
            "nothing is kept of what the run refused",
        );
        let place = format!("/runs/{}", record.id);
        return Err(Failure::from(error).going_to(place, "Back to the run"));
    }
    let name = r#"attachment; filename="rejects.csv""#.to_owned();
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, csv).into_response())
}

/// The history, page by page.
pub(super) async fn activity(State(host): Shared, Query(query): Parameters) -> Answer {
    let text = |name: &str| query.get(name).cloned().unwrap_or_default();
    let filter = RunFilter {
        of: text("of"),
        status: text("status"),
    };
    let mut runs = RunQuery::new().with_limit(PAGE);
    let jobs = host.workspace.jobs().list(&host.context).await?;
    let chains = host.workspace.chains().list(&host.context).await?;
    if chains.iter().any(|chain| chain.id == filter.of) {
        runs = runs.of_chain(&filter.of);
    } else if !filter.of.is_empty() {
        runs = runs.of_job(&filter.of);
    }
    runs = runs.with_statuses(pages::statuses(&filter.status));
    runs.after = query.get("after").cloned();
    let page = host.workspace.activity().runs(&host.context, &runs).await?;
    Ok(pages::activity(&filter, &jobs, &chains, &page).into_response())
}

/// Who changed what.
pub(super) async fn changes(State(host): Shared, Query(query): Parameters) -> Answer {
    let mut entries = AuditQuery::new().with_limit(PAGE);
    entries.after = query.get("after").cloned();
    let page = host
        .workspace
        .activity()
        .audit(&host.context, &entries)
        .await?;
    Ok(pages::changes(&page).into_response())
}

/// The runs that come.
pub(super) async fn coming(State(host): Shared) -> Answer {
    let coming = overview::coming(&host, PAGE).await?;
    Ok(pages::coming(&coming).into_response())
}
