//! Which address does what.

mod chains;
mod connections;
mod jobs;
mod notices;
mod runs;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use syncline::{Error, ErrorKind};

use crate::complain;
use crate::host::Host;
use crate::pages;
use crate::session::with_session;

pub(crate) fn routes(host: Arc<Host>) -> Router {
    Router::new()
        .route("/", get(connections::all))
        .route("/connectors", get(connections::connectors))
        .route(
            "/connectors/{kind}",
            get(connections::form).post(connections::create),
        )
        .route("/callback", get(connections::callback))
        .route("/connections/{id}", get(connections::one))
        .route("/connections/{id}/authorize", post(connections::authorize))
        .route("/connections/{id}/check", post(connections::check))
        .route("/connections/{id}/refresh", post(connections::refresh))
        .route("/connections/{id}/revoke", post(connections::revoke))
        .route("/connections/{id}/enable", post(connections::enable))
        .route("/connections/{id}/disable", post(connections::disable))
        .route("/connections/{id}/rename", post(connections::rename))
        .route("/connections/{id}/delete", post(connections::delete))
        .route("/jobs", get(jobs::all))
        .route("/jobs/{id}", get(jobs::one))
        .route("/jobs/{id}/run", post(jobs::run))
        .route("/jobs/{id}/cancel", post(jobs::cancel))
        .route("/jobs/{id}/enable", post(jobs::enable))
        .route("/jobs/{id}/disable", post(jobs::disable))
        .route("/jobs/{id}/schedule", post(jobs::schedule))
        .route("/jobs/{id}/notify", post(jobs::notify))
        .route("/jobs/{id}/first", post(jobs::first))
        .route("/jobs/{id}/redrive", post(jobs::redrive))
        .route("/chains", get(chains::all))
        .route("/chains/new", get(chains::form).post(chains::create))
        .route("/chains/{id}", get(chains::one))
        .route("/chains/{id}/run", post(chains::run))
        .route("/chains/{id}/cancel", post(chains::cancel))
        .route("/chains/{id}/enable", post(chains::enable))
        .route("/chains/{id}/disable", post(chains::disable))
        .route("/chains/{id}/schedule", post(chains::schedule))
        .route("/chains/{id}/delete", post(chains::delete))
        .route("/runs/{id}", get(runs::one))
        .route("/runs/{id}/events", get(runs::events))
        .route("/runs/{id}/rejects.csv", get(runs::rejects))
        .route("/activity", get(runs::activity))
        .route("/changes", get(runs::changes))
        .route("/coming", get(runs::coming))
        .route("/notices", get(notices::all))
        .route("/notices/{id}", get(notices::one))
        .route("/style.css", get(pages::style))
        .route("/live.js", get(pages::live))
        // Browsers ask for one, whatever the pages say.
        .route("/favicon.ico", get(StatusCode::NO_CONTENT))
        .fallback(nowhere)
        .layer(from_fn_with_state(Arc::clone(&host), with_timetables))
        .layer(from_fn_with_state(Arc::clone(&host), with_session))
        .with_state(host)
}

/// Behind whatever may have changed jobs or chains, says when they run. A consent is one: it brings jobs.
async fn with_timetables(State(host): State<Arc<Host>>, request: Request, next: Next) -> Response {
    let changes = request.method() == Method::POST || request.uri().path() == "/callback";
    let response = next.run(request).await;
    if changes {
        if let Err(error) = host.put_timetables().await {
            complain(&error);
        }
    }
    response
}

async fn nowhere() -> Failure {
    Failure::from(Error::new(ErrorKind::NotFound, "there is no such page"))
}

/// An answer, or an error with a way on.
type Answer = Result<Response, Failure>;

/// An error, as a page.
#[derive(Debug)]
pub(crate) struct Failure {
    error: Error,
    way_on: String,
    label: &'static str,
}

impl Failure {
    /// The same, with another way on than to the beginning.
    fn going_to(mut self, way_on: String, label: &'static str) -> Self {
        (self.way_on, self.label) = (way_on, label);
        self
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure {
            error,
            way_on: "/".into(),
            label: "Go on from the beginning",
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let page = pages::failed(&self.error, &self.way_on, self.label);
        (status(&self.error), page).into_response()
    }
}

/// The status of a page that shows an error.
fn status(error: &Error) -> StatusCode {
    match error.kind() {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Invalid | ErrorKind::Unsupported | ErrorKind::HostNotAllowed => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        ErrorKind::StateMismatch
        | ErrorKind::ReauthorizationRequired
        | ErrorKind::InsufficientScope
        | ErrorKind::OtherOrganization => StatusCode::FORBIDDEN,
        ErrorKind::Io | ErrorKind::Timeout | ErrorKind::Malformed | ErrorKind::BadTokenAnswer => {
            StatusCode::BAD_GATEWAY
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Sends the browser to a page, so that loading it again does nothing twice.
fn to(place: impl AsRef<str>) -> Response {
    Redirect::to(place.as_ref()).into_response()
}
