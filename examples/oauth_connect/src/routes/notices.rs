//! What people were told.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{Html, IntoResponse as _};

use super::Answer;
use crate::host::Host;
use crate::pages;

type Shared = State<Arc<Host>>;

/// A notice is shown as a mail program would: nothing in it runs, nothing is fetched, and it is no page of ours.
const APART: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

pub(super) async fn all(State(host): Shared) -> Answer {
    let mailboxes = host.workspace.notices().mailboxes(&host.context).await?;
    Ok(pages::notices(&host.letters.all(), &mailboxes).into_response())
}

/// The HTML of a notice.
pub(super) async fn one(State(host): Shared, Path(id): Path<String>) -> Answer {
    let notice = host.letters.one(&id)?;
    let policy = [(header::CONTENT_SECURITY_POLICY, APART)];
    Ok((policy, Html(notice.html)).into_response())
}
