//! Connections: made, authorized, looked after, removed.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, RawQuery, State};
use axum::response::IntoResponse as _;
use serde_json::Value;
use syncline::authorization::{BeginRequest, Callback, RevokeMode};
use syncline::connector::{ConfigField, ConfigType};
use syncline::spec::{ConnectionSpec, Domain, Org};
use syncline::workspace::{JobQuery, JobsOnDelete};
use syncline::{Error, Problem, Result};

use super::{Answer, Failure, status, to};
use crate::complain;
use crate::host::Host;
use crate::pages::{self, Answers};
use crate::session::{Posted, Session, Visitor};

type Shared = State<Arc<Host>>;
type Parameters = Query<HashMap<String, String>>;

pub(super) async fn all(State(host): Shared, Query(query): Parameters) -> Answer {
    let views = host.workspace.connections().list(&host.context).await?;
    let done = query.get("done").and_then(|word| said(word));
    Ok(pages::connections(&host, &views, done).into_response())
}

pub(super) async fn connectors(State(host): Shared) -> Answer {
    Ok(pages::connectors(&host).into_response())
}

pub(super) async fn form(
    State(host): Shared,
    Path(kind): Path<String>,
    Extension(session): Visitor,
) -> Answer {
    let connector = host.workspace.registry().connector(&kind)?;
    let page = pages::connect_form(&session, &**connector, &Answers::new(), None);
    Ok(page.into_response())
}

/// Makes a connection and sends the person to consent.
pub(super) async fn create(
    State(host): Shared,
    Path(kind): Path<String>,
    posted: Posted,
) -> Answer {
    let connector = host.workspace.registry().connector(&kind)?;
    let created = match spec(&kind, &connector.info().config, &posted) {
        Ok(spec) => {
            host.workspace
                .connections()
                .create(&host.context, spec)
                .await
        }
        Err(error) => Err(error),
    };
    match created {
        Ok(view) => begin(&host, &posted.session, &view.id).await,
        Err(error) => {
            let page =
                pages::connect_form(&posted.session, &**connector, &posted.fields, Some(&error));
            Ok((status(&error), page).into_response())
        }
    }
}

/// What a person typed, as a spec. Whether it can be so, the connector says.
fn spec(kind: &str, config: &[ConfigField], posted: &Posted) -> Result<ConnectionSpec> {
    let org = match posted.field("org") {
        "sandbox" => Org::Sandbox,
        "custom" => Org::CustomDomain(Domain::parse(posted.field("domain")).map_err(|error| {
            let problem = Problem::new("org", error.message().to_owned());
            Error::invalid("the connection cannot be so", vec![problem])
        })?),
        _ => Org::Production,
    };
    let mut spec = ConnectionSpec::new(posted.field("name"), kind).with_org(org);
    for field in config {
        let text = posted.field(&field.name);
        let value = match field.config_type {
            ConfigType::Boolean => Value::Bool(text == "true"),
            _ if text.is_empty() => continue,
            // What is no number stays a text, and is refused with a word about it.
            ConfigType::Integer(..) => text.parse::<i64>().map_or(text.into(), Value::from),
            _ => text.into(),
        };
        spec = spec.with_config(&field.name, value);
    }
    Ok(spec)
}

/// Sends a person to the outside system to consent, for the first time or again.
async fn begin(host: &Host, session: &Session, id: &str) -> Answer {
    let request = BeginRequest::new(session.id(), host.redirect.clone());
    let connections = host.workspace.connections();
    let consent = connections.begin(&host.context, id, request).await;
    let consent = consent.map_err(|error| back_to(error, id))?;
    session.begin(id);
    Ok(to(consent.url))
}

pub(super) async fn authorize(
    State(host): Shared,
    Path(id): Path<String>,
    posted: Posted,
) -> Answer {
    begin(&host, &posted.session, &id).await
}

/// The person comes back. The session is the cookie's, never the query's.
pub(super) async fn callback(
    State(host): Shared,
    Extension(session): Visitor,
    RawQuery(query): RawQuery,
) -> Answer {
    let complete = async {
        let callback = Callback::from_query(session.id(), &query.unwrap_or_default())?;
        let connections = host.workspace.connections();
        connections.complete(&host.context, callback).await
    };
    match complete.await {
        Ok(connected) => {
            let word = match connected.refreshed {
                Ok(_) => "connected",
                Err(_) => "connected_only",
            };
            Ok(to(format!("/connections/{}?done={word}", connected.id)))
        }
        Err(error) => {
            // Why a callback fits nothing is for us alone.
            complain(&error);
            Err(match session.begun() {
                Some(id) => back_to(error, &id),
                None => error.into(),
            })
        }
    }
}

pub(super) async fn one(
    State(host): Shared,
    Path(id): Path<String>,
    Query(query): Parameters,
    Extension(session): Visitor,
) -> Answer {
    let done = query.get("done").and_then(|word| said(word));
    page(&host, &session, &id, Ok(done)).await
}

/// The page of a connection, with what was done or went wrong.
async fn page(
    host: &Host,
    session: &Session,
    id: &str,
    told: Result<Option<&str>, &Error>,
) -> Answer {
    let connections = host.workspace.connections();
    let view = connections.get(&host.context, id).await?;
    let catalog = connections.catalog(&host.context, id).await?;
    let jobs = JobQuery::new()
        .of_connection(id)
        .with_timetables(host.timetables.clone());
    let jobs = host.workspace.jobs().rows(&host.context, &jobs).await?;
    let status = told.err().map(status).unwrap_or_default();
    let page = pages::connection(session, &view, &catalog, &jobs, told);
    Ok((status, page).into_response())
}

/// Shows what came of something that was done with a connection.
async fn done<T>(host: &Host, posted: &Posted, id: &str, did: Result<T>, word: &str) -> Answer {
    match did {
        Ok(_) => Ok(to(format!("/connections/{id}?done={word}"))),
        // What is not there has no page.
        Err(error) if error.kind() == syncline::ErrorKind::NotFound => Err(error.into()),
        Err(error) => page(host, &posted.session, id, Err(&error)).await,
    }
}

pub(super) async fn check(State(host): Shared, Path(id): Path<String>, posted: Posted) -> Answer {
    let did = host.workspace.connections().check(&host.context, &id).await;
    done(&host, &posted, &id, did, "checked").await
}

pub(super) async fn refresh(State(host): Shared, Path(id): Path<String>, posted: Posted) -> Answer {
    let did = host
        .workspace
        .connections()
        .refresh(&host.context, &id)
        .await;
    let word = match &did {
        Ok(refreshed) if !refreshed.change.is_empty() => "changed",
        _ => "refreshed",
    };
    done(&host, &posted, &id, did, word).await
}

pub(super) async fn revoke(State(host): Shared, Path(id): Path<String>, posted: Posted) -> Answer {
    let connections = host.workspace.connections();
    let did = connections
        .revoke(&host.context, &id, RevokeMode::Confirmed)
        .await;
    done(&host, &posted, &id, did, "revoked").await
}

pub(super) async fn enable(State(host): Shared, Path(id): Path<String>, posted: Posted) -> Answer {
    let did = host
        .workspace
        .connections()
        .enable(&host.context, &id)
        .await;
    done(&host, &posted, &id, did, "enabled").await
}

pub(super) async fn disable(State(host): Shared, Path(id): Path<String>, posted: Posted) -> Answer {
    let did = host
        .workspace
        .connections()
        .disable(&host.context, &id)
        .await;
    done(&host, &posted, &id, did, "disabled").await
}

pub(super) async fn rename(State(host): Shared, Path(id): Path<String>, posted: Posted) -> Answer {
    let connections = host.workspace.connections();
    let did = connections
        .rename(&host.context, &id, posted.field("name"))
        .await;
    done(&host, &posted, &id, did, "renamed").await
}

pub(super) async fn delete(State(host): Shared, Path(id): Path<String>, posted: Posted) -> Answer {
    let with_jobs = match posted.field("jobs") {
        "delete" => JobsOnDelete::Delete,
        _ => JobsOnDelete::Refuse,
    };
    let jobs = host.workspace.jobs().list(&host.context).await?;
    let connections = host.workspace.connections();
    match connections.delete(&host.context, &id, with_jobs).await {
        Ok(deleted) => {
            let of_it = |job: &&_| is_of(job, &id);
            for job in jobs.iter().filter(of_it) {
                host.rejects.remove(&job.id).await?;
            }
            let unconfirmed = deleted.revocation.is_some_and(|given| !given.confirmed);
            let word = if unconfirmed {
                "deleted_here"
            } else {
                "deleted"
            };
            Ok(to(format!("/?done={word}")))
        }
        Err(error) => done(&host, &posted, &id, Err::<(), _>(error), "").await,
    }
}

fn is_of(job: &syncline::workspace::JobView, connection: &str) -> bool {
    job.connection.as_deref() == Some(connection)
}

fn back_to(error: Error, connection: &str) -> Failure {
    let place = format!("/connections/{connection}");
    Failure::from(error).going_to(place, "Back to the connection, to begin again")
}

/// What a word in the address says. Only these: an address may come from anywhere.
fn said(word: &str) -> Option<&'static str> {
    Some(match word {
        "connected" => "It is connected, and has its jobs.",
        "connected_only" => "It is connected, but its objects could not be read. Refresh it later.",
        "checked" => "It can be used.",
        "refreshed" => "Its objects are as they were.",
        "changed" => "Its objects have changed, and its jobs with them where they could.",
        "revoked" => "The system has confirmed that its tokens are worth nothing any more.",
        "enabled" => "It may be used again.",
        "disabled" => "Nothing is done with it until it is enabled.",
        "renamed" => "It has its new name.",
        "deleted" => "The connection is gone.",
        "deleted_here" => {
            "The connection is gone here. The system did not confirm it: take the grant back on its own pages too."
        }
        _ => return None,
    })
}
