//! What became of the day: a row for each job and chain.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use syncline::Result;
use syncline::host::Context;
use syncline::job::{Outcome, Trigger};
use syncline::schedule::CompiledSchedule;
use syncline::scheduler::TimetableView;
use syncline::workspace::{ChainView, RunQuery, RunRecord, RunStatus};

use super::company::Company;
use super::diary::Note;

/// A job, a chain, or a job as a link of a chain.
pub(crate) struct Row {
    pub(crate) name: String,
    /// When it runs, as a text.
    pub(crate) when: String,
    pub(crate) is_link: bool,
    pub(crate) bars: Vec<Bar>,
    /// When it was due and did not run, since another run of it went on.
    pub(crate) skipped: Vec<DateTime<Utc>>,
    pub(crate) records: u64,
    pub(crate) rejected: u64,
}

/// A run.
pub(crate) struct Bar {
    /// Since when it waited: when it was due, or had failed.
    pub(crate) waits: DateTime<Utc>,
    pub(crate) began: DateTime<Utc>,
    pub(crate) ended: DateTime<Utc>,
    pub(crate) end: End,
    /// Whether it is one that is tried again.
    pub(crate) again: bool,
}

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Whole,
    Partly,
    Failed,
    Stopped,
}

impl From<Outcome> for End {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Success => End::Whole,
            Outcome::PartialSuccess => End::Partly,
            Outcome::Failed => End::Failed,
            _ => End::Stopped,
        }
    }
}

impl From<RunStatus> for End {
    fn from(status: RunStatus) -> Self {
        match status {
            RunStatus::Success => End::Whole,
            RunStatus::PartialSuccess => End::Partly,
            RunStatus::Failed => End::Failed,
            _ => End::Stopped,
        }
    }
}

impl Row {
    pub(crate) fn count(&self, which: impl Fn(&Bar) -> bool) -> usize {
        self.bars.iter().filter(|bar| which(bar)).count()
    }
}

/// The rows: each chain with its links, then jobs by when they first ran. Bars are what the scheduler noted; of links, and of records, the history of the workspace tells.
pub(crate) async fn rows(
    context: &Context,
    company: &Company,
    notes: &[Note],
    midnight: DateTime<Utc>,
) -> Result<Vec<Row>> {
    let history = history(context, company).await?;
    let timetables = company.timetables.list(context, &company.tenant).await?;
    let chains = company.workspace.chains().list(context).await?;
    let row = |job: &str| {
        let timetable = timetables.iter().find(|timetable| timetable.job == job)?;
        Some(scheduled(timetable, notes, &history, midnight))
    };
    let mut rows = Vec::new();
    let mut linked = BTreeSet::new();
    for chain in &chains {
        rows.extend(row(&chain.id).transpose()?);
        for name in links(chain) {
            linked.insert(name.to_owned());
            rows.push(link(name, &history));
        }
    }
    let mut others = Vec::new();
    for job in company.workspace.jobs().list(context).await? {
        if !linked.contains(&job.spec.name) {
            others.extend(row(&job.id).transpose()?);
        }
    }
    others.sort_by_key(|row| row.bars.first().map(|bar| bar.began));
    rows.extend(others);
    Ok(rows)
}

/// All runs, the oldest first.
async fn history(context: &Context, company: &Company) -> Result<Vec<RunRecord>> {
    let (mut runs, mut query) = (Vec::new(), RunQuery::new().with_limit(200));
    loop {
        let page = company.workspace.activity().runs(context, &query).await?;
        runs.extend(page.runs);
        match page.next {
            Some(next) => query = query.with_after(next),
            None => break,
        }
    }
    runs.reverse();
    Ok(runs)
}

fn links(chain: &ChainView) -> impl Iterator<Item = &str> {
    chain.spec.links.iter().map(|link| link.member.name())
}

fn scheduled(
    timetable: &TimetableView,
    notes: &[Note],
    history: &[RunRecord],
    midnight: DateTime<Utc>,
) -> Result<Row> {
    let notes: Vec<&Note> = notes
        .iter()
        .filter(|note| note.job == timetable.job)
        .collect();
    let schedule = &timetable.provided.settings.schedule;
    let end = notes.iter().map(|note| note.due).max();
    let due =
        CompiledSchedule::new(schedule)?.preview(midnight - chrono::TimeDelta::seconds(1), 1_440);
    let skipped = (due.iter().map(|run| run.at))
        .filter(|at| Some(*at) < end && notes.iter().all(|note| note.due != *at));
    let of_job = history.iter().filter(|run| run.job == timetable.job);
    Ok(Row {
        skipped: skipped.collect(),
        bars: notes.iter().map(|note| bar(note, &notes)).collect(),
        ..counted(&timetable.provided.name, schedule.to_string(), of_job)
    })
}

fn bar(note: &Note, notes: &[&Note]) -> Bar {
    let failed = notes
        .iter()
        .filter(|other| other.due == note.due && other.ended <= note.began);
    Bar {
        waits: failed.map(|other| other.ended).max().unwrap_or(note.due),
        began: note.began,
        ended: note.ended,
        end: note.outcome.into(),
        again: note.again,
    }
}

fn link(name: &str, history: &[RunRecord]) -> Row {
    let runs = || {
        history
            .iter()
            .filter(|run| run.job_name == name && matches!(run.trigger, Trigger::Chain { .. }))
    };
    Row {
        is_link: true,
        bars: runs()
            .map(|run| Bar {
                waits: run.started_at,
                began: run.started_at,
                ended: run.finished_at.unwrap_or(run.seen_at),
                end: run.status.into(),
                again: false,
            })
            .collect(),
        ..counted(name, "with its chain".into(), runs())
    }
}

/// A row with the figures of these runs.
fn counted<'a>(name: &str, when: String, runs: impl Iterator<Item = &'a RunRecord>) -> Row {
    let (mut records, mut rejected) = (0, 0);
    for run in runs {
        records += run.progress.records;
        rejected += run.rejected();
    }
    Row {
        name: name.to_owned(),
        when,
        is_link: false,
        bars: Vec::new(),
        skipped: Vec::new(),
        records,
        rejected,
    }
}
