//! What is kept of a run.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::super::chains::{ChainReport, ChainRequest, LinkFate};
use super::super::jobs::JobView;
use super::new_id;
use crate::host::Context;
use crate::job::{
    Deed, DestinationReport, LookupCounts, Outcome, RedriveReport, RunReport, RunRequest, Trigger,
};
use crate::spec::RunCondition;
use crate::{Error, Result};

/// How long nothing was heard of a run that counts as broken off. It says that it lives every few seconds.
const SILENT: TimeDelta = TimeDelta::minutes(2);

/// How a run is, or how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunStatus {
    /// It goes on.
    Running,
    /// Nothing was heard of it for two minutes: its process has died, or cannot reach the store. If it is heard of again, it goes on.
    BrokenOff,
    /// Every record was written, filtered or superseded.
    Success,
    /// Some records were rejected, the rest is written.
    PartialSuccess,
    /// It failed, or every record was rejected.
    Failed,
    /// It was stopped: by somebody, since its time was over, or with its scheduler, and then it goes on as another run.
    Cancelled,
    /// It waits for an outside system, and the next run goes on with it.
    Paused,
}

impl RunStatus {
    pub(in crate::workspace) fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Success => RunStatus::Success,
            Outcome::PartialSuccess => RunStatus::PartialSuccess,
            Outcome::Failed => RunStatus::Failed,
            Outcome::Cancelled => RunStatus::Cancelled,
            Outcome::Paused { .. } => RunStatus::Paused,
        }
    }

    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            RunStatus::Running => "running",
            RunStatus::BrokenOff => "broken off",
            RunStatus::Success => "success",
            RunStatus::PartialSuccess => "partial success",
            RunStatus::Failed => "failed",
            RunStatus::Cancelled => "cancelled",
            RunStatus::Paused => "paused",
        }
    }

    /// Whether it wrote what it read, or all but what it refused.
    pub fn wrote(self) -> bool {
        matches!(self, RunStatus::Success | RunStatus::PartialSuccess)
    }
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RunProgress {
    /// Records read.
    pub records: u64,
    /// Source bytes read; 0 if unknown.
    pub bytes: u64,
    /// Source bytes in all, if known.
    pub bytes_total: Option<u64>,
    /// Records refused, by the destination that refused the most.
    pub rejected: u64,
}

/// What ran.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunSubject {
    /// A job.
    #[default]
    Job,
    /// A chain. The runs of its jobs have records of their own.
    Chain,
}

impl RunSubject {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            RunSubject::Job => "job",
            RunSubject::Chain => "chain",
        }
    }
}

/// A step of a run, and how long it took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RunStep {
    /// `open`, `read`, `write` or `finish`, as in [`Timings`](crate::job::Timings); of a chain a job that ran as a link, by its name.
    pub name: String,
    /// Seconds of wall clock.
    pub seconds: f64,
}

/// What a run did to one destination. The counts are those of its [report](DestinationReport).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RunCounts {
    /// The object.
    pub name: String,
    /// Records read from the source.
    pub read: u64,
    /// Records made.
    pub inserted: u64,
    /// Records changed.
    pub updated: u64,
    /// Records that had these values already.
    pub unchanged: u64,
    /// Records deleted, those that a mirror removed among them.
    pub deleted: u64,
    /// Rows that a filter left out.
    pub filtered: u64,
    /// Rows whose place a later row of the same key took.
    pub superseded: u64,
    /// Rows left out by policy.
    pub skipped: u64,
    /// Rows refused.
    pub rejected: u64,
    /// Rows of which nobody knows what became when the run broke off.
    pub pending: u64,
    /// The rejected rows by the code of their reason.
    pub rejects: BTreeMap<String, u64>,
    /// What became of each lookup, by the field that it fills.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lookups: BTreeMap<String, LookupCounts>,
}

impl RunCounts {
    fn of(report: &DestinationReport) -> Self {
        let rejects = report.rejects.iter();
        RunCounts {
            name: report.name.clone(),
            read: report.read,
            inserted: report.inserted,
            updated: report.updated,
            unchanged: report.unchanged,
            deleted: report.deleted + report.removed,
            filtered: report.filtered,
            superseded: report.superseded,
            skipped: report.skipped,
            rejected: report.rejected,
            pending: report.pending,
            rejects: rejects
                .map(|(reason, count)| (reason.code().to_owned(), *count))
                .collect(),
            lookups: (report.lookups.iter())
                .map(|(field, counts)| (field.clone(), *counts))
                .collect(),
        }
    }
}

/// Which records a run of an incremental job read, as text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RunWindow {
    /// The cursor field.
    pub field: String,
    /// The least value that was asked for.
    pub from: Option<String>,
    /// The end of a historical range.
    pub to: Option<String>,
    /// The watermark behind the run.
    pub watermark: Option<String>,
}

/// What is kept of a run: that it began, how far it has come, what it came to. It holds names and counts, and no values of rows but those of the cursor
/// field between which an incremental job read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RunRecord {
    /// What calls name it by. Ids of later runs are less.
    pub id: String,
    /// Whether a job ran, or a chain.
    #[serde(default)]
    pub subject: RunSubject,
    /// The job, or the chain, by id.
    pub job: String,
    /// What that was called then.
    pub job_name: String,
    /// The connection that it read then, by id.
    pub connection: Option<String>,
    /// What started it.
    pub trigger: Trigger,
    /// On whose behalf; `None` if nobody [said](Context::with_actor).
    pub actor: Option<String>,
    /// The name that its [request](RunRequest::run) had.
    pub run: Option<String>,
    /// Whether nothing was kept of what it wrote.
    pub dry_run: bool,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it was last heard of.
    pub seen_at: DateTime<Utc>,
    /// When it ended; `None` as long as it goes on.
    pub finished_at: Option<DateTime<Utc>>,
    /// How it is.
    pub status: RunStatus,
    /// Which run of the job it is, if it saves its state; else 0.
    pub epoch: u64,
    /// How far it has come.
    pub progress: RunProgress,
    /// How often it tried a call again that had failed.
    pub retries: u64,
    /// Where the time went, once it has ended.
    pub steps: Vec<RunStep>,
    /// Each destination, in order, once it has ended.
    pub destinations: Vec<RunCounts>,
    /// What an incremental job read.
    pub window: Option<RunWindow>,
    /// Why it failed, or what it waits for, and what to do.
    pub problem: Option<String>,
    /// The [kind](crate::ErrorKind::word) of that.
    pub problem_kind: Option<String>,
    /// What it lacked of what the settings of the job [ask](crate::spec::RunSettings::success) of a run, if it did not fail by itself: then it counts as
    /// failed, whatever its status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lacks: Option<String>,
}

impl RunRecord {
    /// A run of a job that begins now.
    pub(in crate::workspace) fn of_job(
        context: &Context,
        view: &JobView,
        request: &RunRequest,
    ) -> Self {
        let mut record = RunRecord::begun(context, RunSubject::Job, &view.id, &view.spec.name);
        record.connection.clone_from(&view.connection);
        record.trigger.clone_from(&request.trigger);
        record.run.clone_from(&request.run);
        record.dry_run = request.dry_run;
        record
    }

    /// A run of a chain that begins now.
    pub(in crate::workspace) fn of_chain(
        context: &Context,
        id: &str,
        name: &str,
        request: &ChainRequest<'_>,
    ) -> Self {
        let mut record = RunRecord::begun(context, RunSubject::Chain, id, name);
        record.trigger.clone_from(&request.trigger);
        record.run.clone_from(&request.run);
        record
    }

    fn begun(context: &Context, subject: RunSubject, job: &str, name: &str) -> Self {
        let now = context.clock().now();
        RunRecord {
            id: new_id(context),
            subject,
            job: job.to_owned(),
            job_name: name.to_owned(),
            connection: None,
            trigger: Trigger::default(),
            actor: context.actor().map(str::to_owned),
            run: None,
            dry_run: false,
            started_at: now,
            seen_at: now,
            finished_at: None,
            status: RunStatus::Running,
            epoch: 0,
            progress: RunProgress::default(),
            retries: 0,
            steps: Vec::new(),
            destinations: Vec::new(),
            window: None,
            problem: None,
            problem_kind: None,
            lacks: None,
        }
    }

    /// As somebody sees it at this time: one of which nothing was heard for long has broken off.
    pub(super) fn seen(mut self, now: DateTime<Utc>) -> Self {
        if self.status == RunStatus::Running && now - self.seen_at > SILENT {
            self.status = RunStatus::BrokenOff;
        }
        self
    }

    /// Seconds from its beginning to its end, or to when it was last heard of.
    pub fn seconds(&self) -> f64 {
        let end = self.finished_at.unwrap_or(self.seen_at);
        (end - self.started_at).as_seconds_f64().max(0.0)
    }

    /// Seconds that it worked: without those in which it waited for its turn in a chain, once it has ended.
    pub fn busy_seconds(&self) -> f64 {
        match self.steps.is_empty() || self.subject == RunSubject::Chain {
            true => self.seconds(),
            false => self.steps.iter().map(|step| step.seconds).sum(),
        }
    }

    /// Records that were refused, by the destination that refused the most.
    pub fn rejected(&self) -> u64 {
        let most = self.destinations.iter().map(|counts| counts.rejected).max();
        most.unwrap_or(self.progress.rejected)
    }

    pub(super) fn ended(&mut self, now: DateTime<Utc>, ended: &Came, success: &RunCondition) {
        (self.seen_at, self.finished_at) = (now, Some(now));
        match ended {
            Came::Ran(report) => {
                self.status = RunStatus::of(report.outcome);
                self.take(report);
                if self.status.wrote() {
                    self.lacks = Deed::of(report).lacks(success);
                }
            }
            Came::Redrove(report) => {
                for run in &report.runs {
                    self.take(run);
                }
                let worst = report.runs.iter().map(|run| RunStatus::of(run.outcome));
                let all_there = report.again == 0 && report.left == 0;
                self.status = match worst.max().unwrap_or(RunStatus::Success) {
                    RunStatus::Success if !all_there => RunStatus::PartialSuccess,
                    worst => worst,
                };
                self.progress.records = report.found;
            }
            Came::Chained(report) => {
                self.status = RunStatus::of(report.outcome);
                self.run = Some(report.run.clone()).filter(|run| !run.is_empty());
                self.take_links(report);
                if self.status.wrote() {
                    self.lacks = report.deed.lacks(success);
                }
            }
            Came::Failed(error) => {
                self.status = RunStatus::of(Outcome::of(error, now));
                self.fails(error);
            }
        }
    }

    /// Adds what the links of a chain came to.
    fn take_links(&mut self, report: &ChainReport) {
        (self.progress.records, self.progress.rejected) = report.deed.counts();
        if let Some(failure) = &report.failure {
            self.fails(failure);
        }
        let mut problems = Vec::new();
        for link in &report.links {
            let name = link.member.to_string();
            if let LinkFate::Ran(report) = &link.fate {
                self.retries += report.retries;
                let took = report.finished_at - report.started_at;
                let seconds = took.as_seconds_f64().max(0.0);
                let name = link.member.name().to_owned();
                self.steps.push(RunStep { name, seconds });
            }
            match &link.fate {
                LinkFate::Ran(report) => {
                    let error = report.failure.as_ref().or(report.paused_by.as_ref());
                    problems.extend(error.map(|error| format!("{name}: {error}")));
                    let kind = error.map(|error| error.kind().word().to_owned());
                    self.problem_kind = self.problem_kind.take().or(kind);
                }
                LinkFate::RanChain(report) if report.outcome == Outcome::Failed => {
                    problems.push(format!("{name} failed"));
                }
                LinkFate::Skipped(lacking) => {
                    problems.push(format!("{name} did not start, since {lacking}"));
                }
                _ => {}
            }
        }
        if self.problem.is_none() && !problems.is_empty() {
            self.problem = Some(problems.join("\n"));
        }
    }

    /// Adds what a run came to.
    fn take(&mut self, report: &RunReport) {
        let destinations: Vec<RunCounts> = report.destinations.iter().map(RunCounts::of).collect();
        let rejected = destinations.iter().map(|counts| counts.rejected).max();
        self.progress.records = report.records.max(self.progress.records);
        self.progress.bytes = report.bytes.max(self.progress.bytes);
        self.progress.rejected = self.progress.rejected.max(rejected.unwrap_or_default());
        self.retries += report.retries;
        self.destinations.extend(destinations);
        let timings = report.timings;
        for (name, seconds) in [
            ("open", timings.open),
            ("read", timings.read),
            ("write", timings.write),
            ("finish", timings.finish),
        ] {
            match self.steps.iter_mut().find(|step| step.name == name) {
                Some(step) => step.seconds += seconds,
                None => self.steps.push(RunStep {
                    name: name.to_owned(),
                    seconds,
                }),
            }
        }
        if let Some(window) = &report.window {
            let text = |value: &Option<_>| value.as_ref().map(ToString::to_string);
            self.window = Some(RunWindow {
                field: window.field.clone(),
                from: text(&window.from),
                to: text(&window.to),
                watermark: text(&window.watermark),
            });
        }
        if let Some(error) = report.failure.as_ref().or(report.paused_by.as_ref()) {
            self.fails(error);
        }
    }

    fn fails(&mut self, error: &Error) {
        self.problem = Some(error.to_string());
        self.problem_kind = Some(error.kind().word().to_owned());
    }
}

/// What came of a run.
pub(in crate::workspace) enum Came<'a> {
    Ran(&'a RunReport),
    Redrove(&'a RedriveReport),
    Chained(&'a ChainReport),
    Failed(&'a Error),
}

impl<'a> Came<'a> {
    pub(in crate::workspace) fn of(ran: &'a Result<RunReport>) -> Self {
        match ran {
            Ok(report) => Came::Ran(report),
            Err(error) => Came::Failed(error),
        }
    }

    pub(in crate::workspace) fn of_chain(ran: &'a Result<ChainReport>) -> Self {
        match ran {
            Ok(report) => Came::Chained(report),
            Err(error) => Came::Failed(error),
        }
    }

    pub(in crate::workspace) fn of_redrive(redrove: &'a Result<RedriveReport>) -> Self {
        match redrove {
            Ok(report) => Came::Redrove(report),
            Err(error) => Came::Failed(error),
        }
    }
}
