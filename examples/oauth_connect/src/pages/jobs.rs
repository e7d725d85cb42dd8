//! Jobs: what they do, when they run, and how their runs ended.

use std::iter;

use syncline::Error;
use syncline::schedule::PreviewRun;
use syncline::scheduler::TimetableView;
use syncline::spec::{DestinationSpec, NotifySpec, Rule, SourceSpec};
use syncline::workspace::{ChainView, ConnectionView, JobRow, JobView, RunRecord};

use super::runs::{run_list, state, status_choice};
use super::schedule::{self, Typed, is_busy, standing};
use super::{Page, alert, button, choice, escape, form, layout, moment, notice, table};
use crate::session::Session;

/// What somebody looks for among the jobs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct JobFilter {
    /// A part of the name.
    pub(crate) name: String,
    /// A connection, by id.
    pub(crate) connection: String,
    pub(crate) status: String,
    /// `yes` or `no`.
    pub(crate) scheduled: String,
}

/// The jobs that somebody looks for.
pub(crate) fn jobs(filter: &JobFilter, connections: &[ConnectionView], rows: &[JobRow]) -> Page {
    if rows.is_empty() && *filter == JobFilter::default() {
        let body = r#"<p>There are none yet: a connection brings its own.</p><p><a class="button" href="/connectors">Connect a system</a></p>"#;
        return layout("Jobs", "", body);
    }
    let connections = connections.iter();
    let connections = connections.map(|view| (&*view.id, &*view.spec.name));
    let scheduled = [
        ("", "Any"),
        ("yes", "By itself"),
        ("no", "When somebody says so"),
    ];
    let mut body = format!(
        r#"<form method="get" action="/jobs" role="search"><div class="filters">
<div class="field"><label for="name">Name</label><input id="name" name="name" type="search" value="{}"></div>
{}{}{}</div><div class="actions"><button>Show</button></div></form>"#,
        escape(&filter.name),
        choice(
            "connection",
            "Connection",
            &filter.connection,
            iter::once(("", "Any")).chain(connections)
        ),
        status_choice("Last run", &filter.status),
        choice("scheduled", "Runs", &filter.scheduled, scheduled),
    );
    body.push_str(&match rows.is_empty() {
        true => "<p>There are none like that.</p>".to_owned(),
        false => job_list(rows),
    });
    layout("Jobs", "", &body)
}

/// Jobs, each with its last run and its next one.
pub(super) fn job_list(rows: &[JobRow]) -> String {
    let headings = [
        "Job",
        "Connection",
        "Reads and writes",
        "Last run",
        "Next run",
        "Schedule",
        "Chains",
    ];
    let cells = |row: &JobRow| {
        let standing = match (row.enabled, row.retired) {
            (_, true) => r#" <span class="state">Source gone</span>"#,
            (false, _) => r#" <span class="state">Disabled</span>"#,
            _ => "",
        };
        let (id, name) = (escape(&row.id), escape(&row.name));
        let last = match (&row.last_run, row.last_status, &row.last_at) {
            (Some(id), Some(status), Some(at)) => format!(
                r#"{} <a href="/runs/{}">{}</a>"#,
                state(status),
                escape(id),
                moment(at)
            ),
            _ => "Never".to_owned(),
        };
        vec![
            format!(r#"<a href="/jobs/{id}">{name}</a>{standing}"#),
            escape(row.connection.as_deref().unwrap_or("The host")),
            escape(format!("{} to {}", row.source, row.destinations.join(", "))),
            last,
            row.next_at.as_ref().map(moment).unwrap_or_default(),
            escape(&row.schedule),
            escape(row.chains.join(", ")),
        ]
    };
    table(&headings, rows.iter().map(cells))
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
    pub(crate) view: &'a JobView,
    pub(crate) timetable: Option<&'a TimetableView>,
    /// The latest runs.
    pub(crate) runs: &'a [RunRecord],
    pub(crate) next: &'a [PreviewRun],
    /// The chains that run it in place of its own schedule.
    pub(crate) chains: &'a [ChainView],
    /// All jobs, of which one may run first.
    pub(crate) jobs: &'a [JobView],
    pub(crate) told: Told<'a>,
}

/// What was done or went wrong, and what somebody typed who is to mend it.
#[derive(Default)]
pub(crate) struct Told<'a> {
    pub(crate) done: Option<&'static str>,
    pub(crate) error: Option<&'a Error>,
    pub(crate) schedule: Option<&'a Typed>,
    pub(crate) notify: Option<&'a NotifySpec>,
    /// The name of the job that is to run first.
    pub(crate) first: Option<&'a str>,
}

/// The page of a job.
pub(crate) fn job(session: &Session, page: &JobPage<'_>) -> Page {
    let (view, timetable, told) = (page.view, page.timetable, &page.told);
    let mut body = told.done.map(notice).unwrap_or_default();
    body.push_str(&told.error.map(alert).unwrap_or_default());
    body.push_str(&facts(view));
    if view.retired {
        body.push_str(r#"<p class="alert">Its source is gone. Refresh the connection when it is there again.</p>"#);
    }
    body.push_str(&timetable.map(standing).unwrap_or_default());
    body.push_str(&actions(session, page));
    body.push_str("<h2>Runs</h2>");
    body.push_str(&match page.runs.is_empty() {
        true => "<p>It has never run.</p>".to_owned(),
        false => run_list(page.runs, None),
    });
    if !page.runs.is_empty() {
        body.push_str(&format!(
            r#"<p><a href="/activity?of={}">All its runs</a></p>"#,
            escape(&view.id)
        ));
    }
    body.push_str(&schedule::schedule(
        session,
        &format!("/jobs/{}", view.id),
        &view.spec.settings.schedule.to_string(),
        page.next,
        &view.edition,
        told.schedule,
    ));
    if !page.chains.is_empty() {
        let link = |chain: &ChainView| {
            let (id, name) = (escape(&chain.id), escape(&chain.spec.name));
            format!(r#"<a href="/chains/{id}">{name}</a>"#)
        };
        let chains: Vec<String> = page.chains.iter().map(link).collect();
        body.push_str(&format!(
            r#"<p class="quiet">It runs with the chain {}: its own schedule does not count meanwhile.</p>"#,
            chains.join(" and ")
        ));
    }
    body.push_str(&first(session, page));
    body.push_str(&hearers(session, page));
    body.push_str("<h2>Fields</h2><dl>");
    for destination in &view.spec.destinations {
        body.push_str(&fields(destination));
    }
    body.push_str("</dl>");
    layout(&view.spec.name, "", &body)
}

/// A form that changes a job, for those who want to; it is open already for whoever typed into it.
fn change(
    session: &Session,
    view: &JobView,
    (what, summary): (&str, &str),
    fields: &str,
    is_open: bool,
) -> String {
    let open = if is_open { " open" } else { "" };
    let edition = escape(&view.edition);
    let fields = format!(
        r#"<input type="hidden" name="edition" value="{edition}">
{fields}<div class="actions"><button>Save</button></div>"#
    );
    let form = form(session, &format!("/jobs/{}/{what}", view.id), &fields);
    format!("<details{open}><summary>{summary}</summary>{form}</details>")
}

/// The job that runs first, and a form for another one.
fn first(session: &Session, page: &JobPage<'_>) -> String {
    let present = page.view.spec.first.as_deref();
    let mut jobs = page.jobs.iter();
    let place = jobs.find(|job| Some(&*job.spec.name) == present);
    let shown = match (present, place) {
        (Some(name), Some(job)) => {
            let (id, name) = (escape(&job.id), escape(name));
            format!(
                r#"<a href="/jobs/{id}">{name}</a> runs first, and this one when it did what it is to do."#
            )
        }
        (Some(name), None) => format!("{} runs first.", escape(name)),
        (None, _) => "No other job runs first.".to_owned(),
    };
    let chosen = page.told.first.or(present).unwrap_or_default();
    let others = page.jobs.iter().filter(|job| job.id != page.view.id);
    let others = others.map(|job| (&*job.spec.name, &*job.spec.name));
    let options = iter::once(("", "None")).chain(others);
    let fields = choice("first", "Runs first", chosen, options);
    let (words, is_open) = (
        ("first", "Change what runs first"),
        page.told.first.is_some(),
    );
    let change = change(session, page.view, words, &fields, is_open);
    format!("<h2>What runs first</h2><p>{shown}</p>{change}")
}

/// Who hears of it, and a form for others.
fn hearers(session: &Session, page: &JobPage<'_>) -> String {
    let lists = |notify: &NotifySpec| {
        [
            ("success", "Of success", notify.success.join(", ")),
            (
                "partial_success",
                "Of runs that refused records",
                notify.partial_success.join(", "),
            ),
            ("failure", "Of failures", notify.failure.join(", ")),
            ("changes", "Of changes", notify.changes.join(", ")),
        ]
    };
    let present = &page.view.spec.settings.notify;
    let mut html = String::from("<h2>Who hears of it</h2>");
    let named = lists(present);
    let named = named.iter().filter(|(.., addresses)| !addresses.is_empty());
    let named: String = named
        .map(|(_, label, addresses)| format!("<dt>{label}</dt><dd>{}</dd>", escape(addresses)))
        .collect();
    html.push_str(&match named.is_empty() {
        true => "<p>Nobody.</p>".to_owned(),
        false => format!(r#"<dl>{named}</dl><p><a href="/notices">What they were told</a></p>"#),
    });
    let mut fields = String::from(
        r#"<p class="quiet" id="addresses-help">Mail addresses, with commas between.</p>"#,
    );
    for (name, label, addresses) in lists(page.told.notify.unwrap_or(present)) {
        let addresses = escape(addresses);
        fields.push_str(&format!(
            r#"<div class="field"><label for="{name}">{label}</label><input id="{name}" name="{name}" value="{addresses}" aria-describedby="addresses-help"></div>
"#
        ));
    }
    let (words, is_open) = (
        ("notify", "Change who hears of it"),
        page.told.notify.is_some(),
    );
    html + &change(session, page.view, words, &fields, is_open)
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
    let view = page.view;
    let place = |what: &str| format!("/jobs/{}/{what}", view.id);
    let mut html = String::from(r#"<div class="actions">"#);
    let is_busy = page.timetable.is_some_and(is_busy);
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
