//! Which address does what.

mod connections;
mod jobs;

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use syncline::{Error, ErrorKind};

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
        .route("/jobs/{id}/runs/{number}", get(jobs::one_run))
        .route("/jobs/{id}/runs/{number}/events", get(jobs::events))
        .route("/jobs/{id}/runs/{number}/rejects.csv", get(jobs::rejects))
        .route("/style.css", get(pages::style))
        .route("/live.js", get(pages::live))
        // Browsers ask for one, whatever the pages say.
        .route("/favicon.ico", get(StatusCode::NO_CONTENT))
        .fallback(nowhere)
        .layer(from_fn_with_state(Arc::clone(&host), with_session))
        .with_state(host)
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
