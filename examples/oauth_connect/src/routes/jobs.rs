//! Jobs and their runs.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse as _;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::stream;
use syncline::{Error, ErrorKind};

use super::{Answer, Failure, to};
use crate::host::Host;
use crate::pages;
use crate::runs::Run;
use crate::session::{Posted, Visitor};

type Shared = State<Arc<Host>>;

pub(super) async fn all(State(host): Shared) -> Answer {
    let jobs = host.workspace.jobs().list(&host.context).await?;
    Ok(pages::jobs(&host, &jobs).into_response())
}

pub(super) async fn one(
    State(host): Shared,
    Path(id): Path<String>,
    Extension(session): Visitor,
) -> Answer {
    let view = host.workspace.jobs().get(&host.context, &id).await?;
    Ok(pages::job(&host, &session, &view).into_response())
}

/// Begins a run, or shows the one that goes on.
pub(super) async fn run(State(host): Shared, Path(id): Path<String>, _posted: Posted) -> Answer {
    let view = host.workspace.jobs().get(&host.context, &id).await?;
    let run = host.run(&view.id);
    Ok(to(format!("/jobs/{}/runs/{}", view.id, run.number)))
}

pub(super) async fn one_run(
    State(host): Shared,
    Path((id, number)): Path<(String, u64)>,
) -> Answer {
    let view = host.workspace.jobs().get(&host.context, &id).await?;
    let run = find(&host, &id, number)?;
    Ok(pages::run(&view, &run).into_response())
}

/// How far a run has come, each time that it has come further. The last event says that it has ended.
pub(super) async fn events(State(host): Shared, Path((id, number)): Path<(String, u64)>) -> Answer {
    let mut progress = find(&host, &id, number)?.progress();
    progress.mark_changed();
    let events = stream::unfold(Some(progress), |progress| async move {
        let mut progress = progress?;
        progress.changed().await.ok()?;
        let now = progress.borrow_and_update().clone();
        let event = Event::default().data(now.json().to_string());
        let more = (!now.ended).then_some(progress);
        Some((Ok::<_, Infallible>(event), more))
    });
    let events = Sse::new(events).keep_alive(KeepAlive::default());
    Ok(events.into_response())
}

/// What a run refused, as CSV.
pub(super) async fn rejects(
    State(host): Shared,
    Path((id, number)): Path<(String, u64)>,
) -> Answer {
    let run = find(&host, &id, number)?;
    let epoch = run.progress().borrow().epoch;
    let csv = host.rejects.csv(&id, epoch).await?;
    if csv.is_empty() {
        let error = Error::new(ErrorKind::NotFound, "the run has refused nothing so far");
        let place = format!("/jobs/{id}/runs/{number}");
        return Err(Failure::from(error).going_to(place, "Back to the run"));
    }
    let name = format!(r#"attachment; filename="rejects-run-{number}.csv""#);
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, csv).into_response())
}

fn find(host: &Host, job: &str, number: u64) -> Result<Arc<Run>, Failure> {
    let run = host.runs.find(job, number);
    run.ok_or_else(|| {
        let error = Error::new(ErrorKind::NotFound, "there is no such run");
        Failure::from(error).going_to(format!("/jobs/{job}"), "Back to the job")
    })
}
