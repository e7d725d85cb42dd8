//! Jobs: what they do, when they run, and how their runs ended.

use syncline::schedule::PreviewRun;
use syncline::spec::{DestinationSpec, Rule, SourceSpec};
use syncline::workspace::{JobView, RunRecord};

use super::runs::{run_list, state};
use super::schedule::{self, Typed, is_busy, standing};
use super::{Page, alert, button, escape, layout, moment, notice};
use crate::overview::JobRow;
use crate::session::Session;
use syncline::Error;

/// All jobs.
pub(crate) fn jobs(rows: &[JobRow]) -> Page {
    let body = match rows.is_empty() {
        true => r#"<p>There are none yet: a connection brings its own.</p><p><a class="button" href="/connectors">Connect a system</a></p>"#.to_owned(),
        false => job_list(rows),
    };
    layout("Jobs", "", &body)
}

/// Jobs, each with its last run and its next one.
pub(super) fn job_list(rows: &[JobRow]) -> String {
    let mut html = String::from(r#"<ul class="cards">"#);
    for row in rows {
        let view = &row.view;
        let last = match &row.last {
            Some(run) => format!(
                "{} <span class=\"quiet\">{}</span>",
                state(run.status),
                moment(&run.started_at)
            ),
            None => r#"<span class="quiet">Never run</span>"#.to_owned(),
        };
        let objects: Vec<&str> = (view.spec.destinations.iter())
            .map(|to| &*to.object)
            .collect();
        let connection = view.spec.dataset.connection.as_deref();
        let next = row.timetable.as_ref().and_then(|timetable| timetable.next);
        let when = match (view.enabled && !view.retired, next) {
            (false, _) => "disabled".to_owned(),
            (true, None) => escape(&view.spec.settings.schedule),
            (true, Some(next)) => {
                format!(
                    "{}, next {}",
                    escape(&view.spec.settings.schedule),
                    moment(&next)
                )
            }
        };
        html.push_str(&format!(
            r#"<li><a href="/jobs/{}">{}</a> {last}
<p class="quiet">{} of {} to {}; {when}</p></li>"#,
            escape(&view.id),
            escape(&view.spec.name),
            escape(source(view)),
            escape(connection.unwrap_or("the host")),
            escape(objects.join(", ")),
        ));
    }
    html + "</ul>"
}

fn source(view: &JobView) -> &str {
    match &view.spec.dataset.source {
        SourceSpec::Object(object) => object,
        SourceSpec::File(file) => &file.name,
        _ => "another kind of source",
    }
}

/// What the page of a job shows.
pub(crate) struct JobPage<'a> {
    pub(crate) row: &'a JobRow,
    /// The latest runs.
    pub(crate) runs: &'a [RunRecord],
    pub(crate) next: &'a [PreviewRun],
    /// The name of the chain that runs it in place of its own schedule.
    pub(crate) chain: Option<&'a str>,
    pub(crate) typed: Option<&'a Typed>,
    pub(crate) done: Option<&'static str>,
    pub(crate) error: Option<&'a Error>,
}

/// The page of a job.
pub(crate) fn job(session: &Session, page: &JobPage<'_>) -> Page {
    let (view, timetable) = (&page.row.view, page.row.timetable.as_ref());
    let mut body = page.done.map(notice).unwrap_or_default();
    body.push_str(&page.error.map(alert).unwrap_or_default());
    body.push_str(&facts(view));
    if view.retired {
        body.push_str(r#"<p class="alert">Its source is gone. Refresh the connection when it is there again.</p>"#);
    }
    body.push_str(&timetable.map(standing).unwrap_or_default());
    body.push_str(&actions(session, page));
    body.push_str("<h2>Runs</h2>");
    body.push_str(&match page.runs.is_empty() {
        true => "<p>It has never run.</p>".to_owned(),
        false => run_list(page.runs, false),
    });
    if !page.runs.is_empty() {
        body.push_str(&format!(
            r#"<p><a href="/activity?job={}">All its runs</a></p>"#,
            escape(&view.id)
        ));
    }
    body.push_str(&schedule::schedule(
        session,
        &format!("/jobs/{}", view.id),
        &view.spec.settings.schedule.to_string(),
        page.next,
        &view.edition,
        page.typed,
    ));
    if let Some(chain) = page.chain {
        body.push_str(&format!(
            r#"<p class="quiet">It runs with the chain {}: its own schedule does not count meanwhile.</p>"#,
            escape(chain)
        ));
    }
    body.push_str("<h2>Fields</h2><dl>");
    for destination in &view.spec.destinations {
        body.push_str(&fields(destination));
    }
    body.push_str("</dl>");
    layout(&view.spec.name, "", &body)
}

fn facts(view: &JobView) -> String {
    let connection = match (&view.connection, &view.spec.dataset.connection) {
        (Some(id), Some(name)) => {
            let (id, name) = (escape(id), escape(name));
            format!(r#" of <a href="/connections/{id}">{name}</a>"#)
        }
        _ => String::new(),
    };
    let source = escape(source(view));
    let mut html = format!("<dl><dt>Reads</dt><dd>{source}{connection}</dd>");
    for destination in &view.spec.destinations {
        let object = escape(&destination.object);
        html.push_str(&format!("<dt>Writes</dt><dd>{object}</dd>"));
    }
    if !view.enabled {
        html.push_str(r#"<dt>State</dt><dd><span class="state">Disabled</span></dd>"#);
    }
    html + "</dl>"
}

fn actions(session: &Session, page: &JobPage<'_>) -> String {
    let view = &page.row.view;
    let place = |what: &str| format!("/jobs/{}/{what}", view.id);
    let mut html = String::from(r#"<div class="actions">"#);
    let is_busy = page.row.timetable.as_ref().is_some_and(is_busy);
    if view.enabled {
        html.push_str(&button(session, &place("run"), "Run now", ""));
    }
    if is_busy {
        html.push_str(&button(session, &place("cancel"), "Cancel", "plain"));
    }
    if page.runs.iter().any(|run| run.rejected() > 0) {
        let label = "Send refused records again";
        html.push_str(&button(session, &place("redrive"), label, "plain"));
    }
    html.push_str(&match view.enabled {
        true => button(session, &place("disable"), "Disable", "plain"),
        false => button(session, &place("enable"), "Enable", ""),
    });
    html + "</div>"
}

/// Where the fields of a destination come from.
fn fields(destination: &DestinationSpec) -> String {
    let mut html = String::new();
    let of = |object: &str, keys: Vec<&str>| format!("the {object} of {}", keys.join(", "));
    for field in &destination.mapping.fields {
        let from = match &field.rule {
            Rule::From(source) => source.clone(),
            Rule::Constant(_) => "always the same".to_owned(),
            Rule::Lookup(lookup) => {
                let keys = lookup.keys.iter().map(|key| &*key.source);
                of(&lookup.object, keys.collect())
            }
            Rule::SelfLookup(lookup) => {
                let keys = lookup.keys.iter().map(|key| &*key.source);
                of(&destination.object, keys.collect())
            }
            _ => "in another way".to_owned(),
        };
        html.push_str(&format!(
            "<dt>{}</dt><dd>{}</dd>",
            escape(&field.field),
            escape(from)
        ));
    }
    html
}
