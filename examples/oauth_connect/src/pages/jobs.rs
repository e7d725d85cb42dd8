//! Jobs: what they do, and their runs.

use syncline::spec::{Rule, SourceSpec};
use syncline::workspace::JobView;

use super::{Page, button, escape, layout, moment, words};
use crate::host::Host;
use crate::runs::Run;
use crate::session::Session;

/// All jobs.
pub(crate) fn jobs(host: &Host, jobs: &[JobView]) -> Page {
    let body = match jobs.is_empty() {
        true => r#"<p>There are none yet: a connection brings its own.</p><p><a class="button" href="/connectors">Connect a system</a></p>"#.to_owned(),
        false => job_list(host, jobs),
    };
    layout("Jobs", "", &body)
}

/// Jobs, each with its last run.
pub(super) fn job_list(host: &Host, jobs: &[JobView]) -> String {
    let mut html = String::from(r#"<ul class="cards">"#);
    for job in jobs {
        let runs = host.runs.of(&job.id);
        html.push_str(&format!(
            r#"<li><a href="/jobs/{}">{}</a> {} <span class="quiet">{}</span></li>"#,
            escape(&job.id),
            escape(&job.spec.name),
            runs.first().map(|run| outcome(run)).unwrap_or_default(),
            if runs.is_empty() { "Never run" } else { "" }
        ));
    }
    html + "</ul>"
}

/// The page of a job.
pub(crate) fn job(host: &Host, session: &Session, view: &JobView) -> Page {
    let runs = host.runs.of(&view.id);
    let goes_on = runs.first().is_some_and(|run| run.result().is_none());
    let mut body = String::from("<dl>");
    let source = match &view.spec.dataset.source {
        SourceSpec::Object(object) => object.clone(),
        SourceSpec::File(file) => file.name.clone(),
        _ => "Another kind of source".to_owned(),
    };
    let connection = match (&view.connection, &view.spec.dataset.connection) {
        (Some(id), Some(name)) => {
            format!(
                r#" of <a href="/connections/{}">{}</a>"#,
                escape(id),
                escape(name)
            )
        }
        _ => String::new(),
    };
    body.push_str(&format!(
        "<dt>Reads</dt><dd>{}{connection}</dd>",
        escape(source)
    ));
    for destination in &view.spec.destinations {
        body.push_str(&format!(
            "<dt>Writes</dt><dd>{}</dd>",
            escape(&destination.object)
        ));
    }
    body.push_str("</dl>");
    if view.retired {
        body.push_str(r#"<p class="alert">Its source is gone. Refresh the connection when it is there again.</p>"#);
    }
    let label = if goes_on {
        "Show the run that goes on"
    } else {
        "Run now"
    };
    let run = button(session, &format!("/jobs/{}/run", view.id), label, "");
    body.push_str(&format!(r#"<div class="actions">{run}</div>"#));
    body.push_str("<h2>Runs</h2>");
    body.push_str(&history(&view.id, &runs));
    body.push_str("<h2>Fields</h2><dl>");
    for destination in &view.spec.destinations {
        for field in &destination.mapping.fields {
            let from = match &field.rule {
                Rule::From(source) => source.clone(),
                Rule::Constant(_) => "always the same".to_owned(),
                Rule::Lookup(lookup) => {
                    let keys: Vec<&str> = lookup.keys.iter().map(|key| &*key.source).collect();
                    format!("the {} of {}", lookup.object, keys.join(", "))
                }
                Rule::SelfLookup(lookup) => {
                    let keys: Vec<&str> = lookup.keys.iter().map(|key| &*key.source).collect();
                    format!("the {} of {}", destination.object, keys.join(", "))
                }
                _ => "in another way".to_owned(),
            };
            body.push_str(&format!(
                "<dt>{}</dt><dd>{}</dd>",
                escape(&field.field),
                escape(from)
            ));
        }
    }
    body.push_str("</dl>");
    layout(&view.spec.name, "", &body)
}

/// The runs of a job, the newest first.
fn history(job: &str, runs: &[std::sync::Arc<Run>]) -> String {
    if runs.is_empty() {
        return "<p>It has never run.</p>".to_owned();
    }
    let mut html = String::from(r#"<ol class="cards" reversed>"#);
    for run in runs {
        let figures = match run.result() {
            Some(Ok(report)) => format!(", {} read", report.records),
            _ => String::new(),
        };
        html.push_str(&format!(
            r#"<li><a href="/jobs/{}/runs/{number}">Run {number}</a> {} <span class="quiet">{}{figures}</span></li>"#,
            escape(job),
            outcome(run),
            moment(&run.began_at),
            number = run.number,
        ));
    }
    html + "</ol>"
}

/// How a run ended, or that it has not.
pub(super) fn outcome(run: &Run) -> String {
    let word = match run.result() {
        None => "running",
        Some(Ok(report)) => report.outcome.word(),
        Some(Err(_)) => "failed",
    };
    format!(r#"<span class="state {word}">{}</span>"#, words(word))
}
