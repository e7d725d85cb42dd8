//! Runs: one with its progress or its report, and all of them.

use syncline::workspace::{JobView, RunCounts, RunLog, RunPage, RunRecord, RunStatus};

use url::form_urlencoded;

use super::{Page, escape, layout, moment, words};
use crate::live::Progress;

/// How a run is, as a word.
pub(super) fn state(status: RunStatus) -> String {
    let word = word(status);
    format!(r#"<span class="state {word}">{}</span>"#, words(&word))
}

/// The word for it in addresses and classes.
pub(crate) fn word(status: RunStatus) -> String {
    status.word().replace(' ', "_")
}

/// Runs, the newest first.
pub(super) fn run_list(runs: &[RunRecord], with_jobs: bool) -> String {
    let mut html = String::from(r#"<ul class="cards">"#);
    for run in runs {
        let name = match with_jobs {
            true => format!("{}, {}", run.job_name, title(run)),
            false => title(run),
        };
        html.push_str(&format!(
            r#"<li><a href="/runs/{}">{}</a> {} <span class="quiet">{}, {} read</span></li>"#,
            escape(&run.id),
            escape(name),
            state(run.status),
            escape(run.trigger.word()),
            run.progress.records,
        ));
    }
    html + "</ul>"
}

/// What people call a run.
fn title(run: &RunRecord) -> String {
    format!("Run of {} UTC", run.started_at.format("%Y-%m-%d %H:%M:%S"))
}

/// A run with what is shown beside it.
pub(crate) struct ShownRun<'a> {
    pub(crate) record: &'a RunRecord,
    /// `None` if its job is gone.
    pub(crate) job: Option<&'a JobView>,
    pub(crate) log: &'a RunLog,
    pub(crate) progress: Progress,
}

/// The page of a run.
pub(crate) fn run(shown: &ShownRun<'_>) -> Page {
    let record = shown.record;
    let name = escape(&record.job_name);
    let job = match shown.job {
        Some(view) => format!(r#"<a href="/jobs/{}">{name}</a>"#, escape(&view.id)),
        None => name,
    };
    let actor = record.actor.as_deref().unwrap_or("nobody in particular");
    let began = format!(
        "<p>{job}, by {} ({})</p>",
        escape(actor),
        escape(record.trigger.word()),
    );
    let script = r#"<script src="/live.js" defer></script>
"#;
    let reload = r#"<noscript><meta http-equiv="refresh" content="2"></noscript>
"#;
    match record.status {
        RunStatus::Running => {
            let head = format!("{script}{reload}");
            layout(&title(record), &head, &(began + &figures(shown)))
        }
        _ => layout(&title(record), script, &(began + &report(shown))),
    }
}

/// The figures, which a script moves.
fn figures(shown: &ShownRun<'_>) -> String {
    let now = &shown.progress;
    format!(
        r#"<section data-events="/runs/{}/events" aria-labelledby="progress" aria-busy="true">
<h2 id="progress">Running</h2>
<dl class="figures">
<dt>Read</dt><dd data-figure="read">{}</dd>
<dt>Committed</dt><dd data-figure="committed">{}</dd>
<dt>Rejected</dt><dd data-figure="rejected">{}</dd>
</dl>
<p role="status" data-figure="waits">{}</p>
</section>
"#,
        escape(&shown.record.id),
        now.read,
        now.committed,
        now.rejected,
        escape(now.waits.unwrap_or_default())
    )
}

fn report(shown: &ShownRun<'_>) -> String {
    let record = shown.record;
    let mut html = format!(
        r#"<h2 id="report" tabindex="-1">Report</h2>
<p>{} {} records in {:.1} seconds</p>"#,
        state(record.status),
        record.progress.records,
        record.seconds()
    );
    if let Some(problem) = &record.problem {
        html.push_str(&format!(
            r#"<div class="alert" role="alert"><p>{}</p></div>"#,
            escape(super::capital(problem))
        ));
        if let Some(id) = &record.connection {
            html.push_str(&format!(
                r#"<p><a class="button" href="/connections/{}">Open the connection</a></p>"#,
                escape(id)
            ));
        }
    }
    record
        .destinations
        .iter()
        .for_each(|to| html.push_str(&counts(to)));
    if record.rejected() > 0 && shown.job.is_some() {
        html.push_str(&format!(
            r#"<p><a class="button" href="/runs/{}/rejects.csv" download>Download the rejects (CSV)</a></p>
<p class="quiet">Each record as it was read, with the reason behind it.</p>"#,
            escape(&record.id)
        ));
    }
    html.push_str(&steps(record));
    html.push_str(&log(shown.log));
    html.push_str(&json("The report as JSON", record));
    html.push_str(&json("What happened, as JSON", shown.log));
    html
}

fn json(title: &str, of: &impl serde::Serialize) -> String {
    let json = escape(serde_json::to_string_pretty(of).unwrap_or_default());
    format!(r#"<details><summary>{title}</summary><pre tabindex="0">{json}</pre></details>"#)
}

/// What became of the records at one destination. What is nothing is not shown.
fn counts(of: &RunCounts) -> String {
    let mut html = format!("<h3>{}</h3><dl>", escape(&of.name));
    let fates = [
        ("Read", of.read),
        ("Inserted", of.inserted),
        ("Updated", of.updated),
        ("Unchanged", of.unchanged),
        ("Deleted", of.deleted),
        ("Filtered", of.filtered),
        ("Superseded", of.superseded),
        ("Skipped", of.skipped),
        ("Rejected", of.rejected),
        ("Pending", of.pending),
    ];
    for (fate, count) in fates.into_iter().filter(|(_, count)| *count > 0) {
        html.push_str(&format!("<dt>{fate}</dt><dd>{count}</dd>"));
    }
    for (reason, count) in &of.rejects {
        html.push_str(&format!(
            "<dt>Rejected as <code>{}</code></dt><dd>{count}</dd>",
            escape(reason)
        ));
    }
    html + "</dl>"
}

/// Where the time went.
fn steps(record: &RunRecord) -> String {
    if record.steps.is_empty() {
        return String::new();
    }
    let mut html = String::from("<h3>Steps</h3><dl>");
    for step in &record.steps {
        html.push_str(&format!(
            "<dt>{}</dt><dd>{:.2} seconds</dd>",
            escape(words(&step.name)),
            step.seconds
        ));
    }
    if record.retries > 0 {
        html.push_str(&format!(
            "<dt>Calls tried again</dt><dd>{}</dd>",
            record.retries
        ));
    }
    html + "</dl>"
}

/// What happened, in order.
fn log(log: &RunLog) -> String {
    let mut html = String::from("<details><summary>The log</summary><ol class=\"cards\">");
    for entry in &log.entries {
        let fields = entry.fields.iter();
        let fields: Vec<String> = fields
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        html.push_str(&format!(
            r#"<li>{} {} <span class="quiet">{}</span></li>"#,
            moment(&entry.at),
            escape(words(&entry.event)),
            escape(fields.join(", "))
        ));
    }
    html.push_str("</ol>");
    if log.left_out > 0 {
        html.push_str(&format!("<p>{} more are not kept.</p>", log.left_out));
    }
    html + "</details>"
}

/// What somebody looks for among the runs.
#[derive(Debug, Default)]
pub(crate) struct RunFilter {
    pub(crate) job: String,
    pub(crate) status: String,
}

/// The runs that can be asked for by how they are.
pub(crate) const STATUSES: [RunStatus; 7] = [
    RunStatus::Running,
    RunStatus::Success,
    RunStatus::PartialSuccess,
    RunStatus::Failed,
    RunStatus::Cancelled,
    RunStatus::Paused,
    RunStatus::BrokenOff,
];

/// Runs of all jobs, page by page.
pub(crate) fn activity(filter: &RunFilter, jobs: &[JobView], page: &RunPage) -> Page {
    let mut body = String::from(
        r#"<p><a href="/changes">Who changed what</a></p><form method="get" action="/activity">"#,
    );
    let option = |value: &str, label: &str, chosen: &str| {
        let selected = if value == chosen { " selected" } else { "" };
        let (value, label) = (escape(value), escape(label));
        format!(r#"<option value="{value}"{selected}>{label}</option>"#)
    };
    let jobs: String = (jobs.iter())
        .map(|job| option(&job.id, &job.spec.name, &filter.job))
        .collect();
    let statuses: String = (STATUSES.iter())
        .map(|status| option(&word(*status), &words(status.word()), &filter.status))
        .collect();
    body.push_str(&format!(
        r#"<div class="field"><label for="job">Job</label><select id="job" name="job"><option value="">All</option>{jobs}</select></div>
<div class="field"><label for="status">How it ended</label><select id="status" name="status"><option value="">Anyhow</option>{statuses}</select></div>
<div class="actions"><button>Show</button></div></form><h2>Runs</h2>"#
    ));
    body.push_str(&match page.runs.is_empty() {
        true => "<p>There are none here.</p>".to_owned(),
        false => run_list(&page.runs, true),
    });
    if let Some(next) = &page.next {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("job", &filter.job);
        query.append_pair("status", &filter.status);
        query.append_pair("after", next);
        body.push_str(&format!(
            r#"<p><a class="button" href="/activity?{}">Older ones</a></p>"#,
            escape(query.finish())
        ));
    }
    layout("Activity", "", &body)
}
