//! One run: its progress, then its report.

use syncline::job::{DestinationReport, RunReport};
use syncline::workspace::JobView;

use super::jobs::outcome;
use super::{Page, alert, escape, layout, moment};
use crate::runs::Run;

/// The page of a run.
pub(crate) fn run(view: &JobView, run: &Run) -> Page {
    let job = format!(
        r#"<p><a href="/jobs/{}">{}</a>, began {}</p>"#,
        escape(&view.id),
        escape(&view.spec.name),
        moment(&run.began_at)
    );
    let title = format!("Run {}", run.number);
    let script = r#"<script src="/live.js" defer></script>
"#;
    let reload = r#"<noscript><meta http-equiv="refresh" content="2"></noscript>
"#;
    match run.result() {
        None => {
            let head = format!("{script}{reload}");
            layout(&title, &head, &(job + &progress(&place(view, run), run)))
        }
        Some(Ok(report)) => {
            let body = job + &whole_report(view, run, report);
            layout(&title, script, &body)
        }
        Some(Err(error)) => layout(&title, "", &(job + &alert(error))),
    }
}

fn place(view: &JobView, run: &Run) -> String {
    format!("/jobs/{}/runs/{}", view.id, run.number)
}

/// The figures, which a script moves.
fn progress(place: &str, run: &Run) -> String {
    let now = run.progress().borrow().clone();
    format!(
        r#"<section data-events="{}/events" aria-labelledby="progress" aria-busy="true">
<h2 id="progress">Running</h2>
<dl class="figures">
<dt>Read</dt><dd data-figure="read">{}</dd>
<dt>Committed</dt><dd data-figure="committed">{}</dd>
<dt>Rejected</dt><dd data-figure="rejected">{}</dd>
</dl>
<p role="status" data-figure="waits">{}</p>
</section>
"#,
        escape(place),
        now.read,
        now.committed,
        now.rejected,
        escape(now.waits.unwrap_or_default())
    )
}

fn whole_report(view: &JobView, run: &Run, report: &RunReport) -> String {
    let place = place(view, run);
    let mut html = format!(
        r#"<h2 id="report" tabindex="-1">Report</h2>
<p>{} {} records in {:.1} seconds</p>"#,
        outcome(run),
        report.records,
        (report.finished_at - report.started_at).as_seconds_f64()
    );
    for error in report.failure.iter().chain(&report.paused_by) {
        html.push_str(&alert(error));
    }
    if let (Some(_), Some(id)) = (&report.failure, &view.connection) {
        html.push_str(&format!(
            r#"<p><a class="button" href="/connections/{}">Open the connection</a></p>"#,
            escape(id)
        ));
    }
    let rejected: u64 = report.destinations.iter().map(|d| d.rejected).sum();
    for destination in &report.destinations {
        html.push_str(&counts(destination));
    }
    if rejected > 0 {
        html.push_str(&format!(
            r#"<p><a class="button" href="{}/rejects.csv" download>Download the rejects (CSV)</a></p>
<p class="quiet">Each record as it was read, with the reason behind it.</p>"#,
            escape(place)
        ));
    }
    html.push_str(&json("The report as JSON", report));
    html.push_str(&json("What happened, as JSON", run.timeline()));
    html
}

fn json(title: &str, of: &impl serde::Serialize) -> String {
    let json = escape(serde_json::to_string_pretty(of).unwrap_or_default());
    format!(r#"<details><summary>{title}</summary><pre tabindex="0">{json}</pre></details>"#)
}

/// What became of the records at one destination. What is nothing is not shown.
fn counts(of: &DestinationReport) -> String {
    let mut html = format!("<h3>{}</h3><dl>", escape(&of.name));
    let fates = [
        ("Read", of.read),
        ("Inserted", of.inserted),
        ("Updated", of.updated),
        ("Unchanged", of.unchanged),
        ("Skipped", of.skipped),
        ("Rejected", of.rejected),
        ("Pending", of.pending),
    ];
    for (fate, count) in fates.into_iter().filter(|(_, count)| *count > 0) {
        html.push_str(&format!("<dt>{fate}</dt><dd>{count}</dd>"));
    }
    for (reason, count) in &of.rejects {
        let reason = reason.code();
        html.push_str(&format!(
            "<dt>Rejected as <code>{reason}</code></dt><dd>{count}</dd>"
        ));
    }
    for (field, found) in &of.lookups {
        let lost = match found.unresolved {
            0 => String::new(),
            lost => format!(" ({lost} not found)"),
        };
        let field = escape(field);
        html.push_str(&format!(
            "<dt>Linked by {field}</dt><dd>{}{lost}</dd>",
            found.resolved
        ));
    }
    html + "</dl>"
}
