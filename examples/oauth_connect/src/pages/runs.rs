//! Runs: one with its progress or its report, and all of them.

use std::iter;

use syncline::job::Trigger;
use syncline::workspace::{
    ChainView, JobView, RunCounts, RunLog, RunPage, RunRecord, RunStatus, RunSubject,
};
use url::form_urlencoded;

use super::{Page, choice, escape, layout, moment, words};
use crate::live::Progress;

/// How a run is, as a word.
pub(super) fn state(status: RunStatus) -> String {
    let word = word(status);
    format!(r#"<span class="state {word}">{}</span>"#, words(&word))
}

/// The word for it in addresses and classes.
fn word(status: RunStatus) -> String {
    status.word().replace(' ', "_")
}

/// The runs that can be asked for by how they are.
const STATUSES: [RunStatus; 7] = [
    RunStatus::Running,
    RunStatus::Success,
    RunStatus::PartialSuccess,
    RunStatus::Failed,
    RunStatus::Cancelled,
    RunStatus::Paused,
    RunStatus::BrokenOff,
];

/// What somebody asks for by this word; none if they ask for all.
pub(crate) fn statuses(asked: &str) -> impl Iterator<Item = RunStatus> {
    let is_asked = move |status: &RunStatus| word(*status) == asked;
    STATUSES.into_iter().filter(is_asked)
}

/// The field for it.
pub(super) fn status_choice(label: &str, chosen: &str) -> String {
    let all = (String::new(), "Any".to_owned());
    let each = STATUSES.map(|status| (word(status), words(status.word())));
    choice("status", label, chosen, iter::once(all).chain(each))
}

/// Runs in this order. Among those of all, each has the name of what ran, and one of these chains, which are there, a link to it.
pub(super) fn run_list(runs: &[RunRecord], among: Option<&[ChainView]>) -> String {
    let mut html = String::from(r#"<ul class="cards">"#);
    for run in runs {
        let name = match among {
            Some(_) => format!("{}, {}", run.job_name, title(run)),
            None => title(run),
        };
        let mut chains = among.unwrap_or_default().iter();
        let chain = chains.find(|chain| chain.id == run.job);
        let chain = chain.map(|chain| {
            let (id, name) = (escape(&chain.id), escape(&chain.spec.name));
            format!(r#" <a href="/chains/{id}">Chain {name}</a>"#)
        });
        html.push_str(&format!(
            r#"<li><a href="/runs/{}">{}</a> {} <span class="quiet">{}, {} read</span>{}</li>"#,
            escape(&run.id),
            escape(name),
            state(run.status),
            escape(started_by(run)),
            run.progress.records,
            chain.unwrap_or_default(),
        ));
    }
    html + "</ul>"
}

/// What started a run.
fn started_by(run: &RunRecord) -> String {
    match &run.trigger {
        Trigger::First(job) => format!("first, for {job}"),
        trigger => trigger.word().to_owned(),
    }
}

/// What people call a run.
fn title(run: &RunRecord) -> String {
    format!("Run of {} UTC", run.started_at.format("%Y-%m-%d %H:%M:%S"))
}

/// A run with what is shown beside it.
pub(crate) struct ShownRun<'a> {
    pub(crate) record: &'a RunRecord,
    /// Whether the job or chain is still there.
    pub(crate) is_there: bool,
    pub(crate) log: &'a RunLog,
    pub(crate) progress: Progress,
    /// Of a chain, the runs of its links.
    pub(crate) links: &'a [RunRecord],
}

/// The page of a run.
pub(crate) fn run(shown: &ShownRun<'_>) -> Page {
    let record = shown.record;
    let (name, id) = (escape(&record.job_name), escape(&record.job));
    let kind = match record.subject {
        RunSubject::Chain => "chains",
        _ => "jobs",
    };
    let what = match shown.is_there {
        true => format!(r#"<a href="/{kind}/{id}">{name}</a>"#),
        false => name,
    };
    let actor = record.actor.as_deref().unwrap_or("nobody in particular");
    let began = format!(
        "<p>{what}, by {} ({})</p>",
        escape(actor),
        escape(started_by(record)),
    );
    let script = r#"<script src="/live.js" defer></script>
"#;
    let reload = r#"<meta http-equiv="refresh" content="2">
"#;
    match (record.status, record.subject) {
        // Its links have figures of their own.
        (RunStatus::Running, RunSubject::Chain) => {
            let links = format!(r#"<h2 role="status">Running</h2>{}"#, links(shown));
            layout(&title(record), reload, &(began + &links))
        }
        (RunStatus::Running, _) => {
            let head = format!("{script}<noscript>{}</noscript>\n", reload.trim_end());
            layout(&title(record), &head, &(began + &figures(shown)))
        }
        _ => layout(&title(record), script, &(began + &report(shown))),
    }
}

/// The runs of the links of a chain.
fn links(shown: &ShownRun<'_>) -> String {
    match shown.links.is_empty() {
        true => String::new(),
        false => format!("<h3>Links</h3>{}", run_list(shown.links, Some(&[]))),
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
        // Of a chain, a line for each link.
        let lines = problem.lines().map(|line| escape(super::capital(line)));
        let lines: String = lines.map(|line| format!("<p>{line}</p>")).collect();
        html.push_str(&format!(r#"<div class="alert" role="alert">{lines}</div>"#));
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
    if record.subject == RunSubject::Job && record.rejected() > 0 && shown.is_there {
        html.push_str(&format!(
            r#"<p><a class="button" href="/runs/{}/rejects.csv" download>Download the rejects (CSV)</a></p>
<p class="quiet">Each record as it was read, with the reason behind it.</p>"#,
            escape(&record.id)
        ));
    }
    html.push_str(&links(shown));
    html.push_str(&steps(shown));
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
    for (field, found) in &of.lookups {
        let failed = [
            ("not found", found.unresolved),
            ("found several times", found.ambiguous),
        ];
        let failed = failed.into_iter().filter(|(_, count)| *count > 0);
        let failed: Vec<String> = failed
            .map(|(how, count)| format!("{count} {how}"))
            .collect();
        let failed = match failed.is_empty() {
            true => String::new(),
            false => format!(" ({})", failed.join(", ")),
        };
        html.push_str(&format!(
            "<dt>Linked by {}</dt><dd>{}{failed}</dd>",
            escape(field),
            found.resolved
        ));
    }
    html + "</dl>"
}

/// Where the time went; of a chain, each with the run that it was.
fn steps(shown: &ShownRun<'_>) -> String {
    let record = shown.record;
    if record.steps.is_empty() {
        return String::new();
    }
    let mut html = String::from("<h3>Steps</h3><dl>");
    for step in &record.steps {
        let mut links = shown.links.iter();
        let link = links.find(|run| run.job_name == step.name);
        let name = match (record.subject, link) {
            (RunSubject::Chain, Some(run)) => {
                let (id, name) = (escape(&run.id), escape(&step.name));
                format!(r#"<a href="/runs/{id}">{name}</a>"#)
            }
            (RunSubject::Chain, None) => escape(&step.name),
            _ => escape(words(&step.name)),
        };
        html.push_str(&format!(
            "<dt>{name}</dt><dd>{:.2} seconds</dd>",
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
    /// A job or a chain, by id.
    pub(crate) of: String,
    pub(crate) status: String,
}

/// Runs of all jobs and chains, page by page.
pub(crate) fn activity(
    filter: &RunFilter,
    jobs: &[JobView],
    chains: &[ChainView],
    page: &RunPage,
) -> Page {
    let jobs = jobs.iter().map(|job| (&*job.id, job.spec.name.clone()));
    let chains_of = chains.iter();
    let chains_of = chains_of.map(|chain| (&*chain.id, format!("Chain {}", chain.spec.name)));
    let all = iter::once(("", "All".to_owned()));
    let mut body = format!(
        r#"<p><a href="/changes">Who changed what</a></p><form method="get" action="/activity">{}{}<div class="actions"><button>Show</button></div></form><h2>Runs</h2>"#,
        choice(
            "of",
            "Job or chain",
            &filter.of,
            all.chain(jobs).chain(chains_of)
        ),
        status_choice("How it ended", &filter.status),
    );
    body.push_str(&match page.runs.is_empty() {
        true => "<p>There are none here.</p>".to_owned(),
        false => run_list(&page.runs, Some(chains)),
    });
    if let Some(next) = &page.next {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("of", &filter.of);
        query.append_pair("status", &filter.status);
        query.append_pair("after", next);
        body.push_str(&format!(
            r#"<p><a class="button" href="/activity?{}">Older ones</a></p>"#,
            escape(query.finish())
        ));
    }
    layout("Activity", "", &body)
}
