//! What is told of how a run ended.

use super::super::chains::{ChainReport, LinkFate, is_try_of};
use super::super::jobs::{JobView, judged};
use super::super::{ChainView, RunCounts, RunRecord};
use super::Notices;
use super::advice::{CRITERIA, REJECTED, TIMED_OUT, advice};
use super::outbox::{News, item_id};
use crate::host::{Context, NoticeCounts, NoticeItem, NoticeKind, NoticeSubject, unique};
use crate::job::{Outcome, Trigger};
use crate::scheduler::{JobRun, RunEnd, RunFate};
use crate::spec::{Member, NotifySpec, RunSettings};
use crate::workspace::RunQuery;
use crate::{Error, ErrorKind, Result};

/// How many of the newest runs of a job are looked at for the one that ended: another one may have begun meanwhile.
const NEWEST: usize = 20;
/// The most characters of a reason; a list of problems may be long.
const LONGEST: usize = 2_000;

/// How a run ended, as it counts.
#[derive(Debug, Clone, Copy)]
pub(in crate::workspace) struct RunEnded<'a> {
    /// The run's name, if it has one.
    pub(in crate::workspace) run: Option<&'a str>,
    /// The id of its record, if that is known.
    pub(in crate::workspace) record: Option<&'a str>,
    /// What tells this try from others of the same run, if somebody counts them.
    pub(in crate::workspace) begun: Option<u32>,
    pub(in crate::workspace) outcome: Outcome,
    pub(in crate::workspace) timed_out: bool,
    /// Why it failed, if that is known here; its record has it too.
    pub(in crate::workspace) failure: Option<&'a Error>,
}

impl<'a> RunEnded<'a> {
    pub(in crate::workspace) fn new(outcome: Outcome) -> Self {
        RunEnded {
            run: None,
            record: None,
            begun: None,
            outcome,
            timed_out: false,
            failure: None,
        }
    }

    /// What kind of news it is; `None` if it is none: somebody stopped it, or it goes on later.
    fn kind(&self) -> Option<NoticeKind> {
        match self.outcome {
            _ if self.timed_out => Some(NoticeKind::Failure),
            Outcome::Success => Some(NoticeKind::Success),
            Outcome::PartialSuccess => Some(NoticeKind::PartialSuccess),
            Outcome::Failed => Some(NoticeKind::Failure),
            Outcome::Cancelled | Outcome::Paused { .. } => None,
        }
    }

    /// What it is told by once. A run that is made again, since a process died, ends as it did; a failure is another one each time, which those who know
    /// of it are not told again.
    fn id(&self, context: &Context, of: [&str; 2], kind: NoticeKind) -> String {
        let (run, record) = (
            self.run.unwrap_or_default(),
            self.record.unwrap_or_default(),
        );
        let begun = self.begun.map(|begun| begun.to_string());
        let word = format!("{kind:?}");
        let chance;
        let attempt = match (kind, self.run, &begun) {
            (NoticeKind::Failure, _, Some(begun)) => begun.as_str(),
            (NoticeKind::Failure, ..) | (_, None, _) if !record.is_empty() => record,
            (NoticeKind::Failure, ..) | (_, None, _) => {
                chance = unique(context.entropy());
                &chance
            }
            _ => "",
        };
        let [what, subject] = of;
        item_id(&[what, subject, run, &word, attempt])
    }
}

/// Why something failed: a word, and a sentence.
type Why = (Option<String>, Option<String>);

impl<'a> Notices<'a> {
    /// Whether anybody can be told.
    pub(in crate::workspace) fn are_on(self) -> bool {
        self.0.0.config.notifications.is_some()
    }

    /// A scheduler's run ended: puts what is to be told of it, and delivers what may be told now.
    pub(in crate::workspace) async fn scheduled_ended(
        self,
        context: &Context,
        run: &JobRun,
        end: &RunEnd,
    ) -> Result<()> {
        if !self.are_on() || end.again {
            return Ok(());
        }
        let mut ended = match end.fate {
            RunFate::Ended(outcome) => RunEnded::new(outcome),
            RunFate::TimedOut => RunEnded::new(Outcome::Failed),
            _ => return Ok(()),
        };
        ended.timed_out = end.fate == RunFate::TimedOut;
        (ended.run, ended.begun) = (Some(run.run.as_str()), Some(run.begun));
        ended.failure = end.failure.as_ref();
        let news = match self.0.jobs().get(context, &run.job).await {
            Ok(view) => self.of_job(context, &view, &ended).await,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                match self.0.chains().get(context, &run.job).await {
                    Ok(view) => self.of_chain(context, &view, &ended).await,
                    // It was removed while it ran, and with it who is to hear of it.
                    Err(error) if error.kind() == ErrorKind::NotFound => None,
                    Err(error) => return Err(error),
                }
            }
            Err(error) => return Err(error),
        };
        let Some(news) = news else {
            return Ok(());
        };
        let (told, failed) = self.put(context, &[news]).await;
        self.deliver_to(context, &told).await;
        failed.map_or(Ok(()), Err)
    }

    /// A run of a job ended that nobody else tells of.
    pub(in crate::workspace) async fn job_ended(
        self,
        context: &Context,
        view: &JobView,
        ended: &RunEnded<'_>,
    ) {
        if self.are_on() {
            if let Some(news) = self.of_job(context, view, ended).await {
                self.tell(context, &[news]).await;
            }
        }
    }

    /// A run of a chain ended that nobody else tells of.
    pub(in crate::workspace) async fn chain_ended(
        self,
        context: &Context,
        id: &str,
        run: &str,
        ran: std::result::Result<&ChainReport, &Error>,
    ) {
        if !self.are_on() {
            return;
        }
        match self.0.chains().get(context, id).await {
            Ok(view) => {
                let success = &view.spec.settings.success;
                let mut ended = RunEnded::new(match ran {
                    Ok(ChainReport {
                        failure: None,
                        outcome,
                        deed,
                        ..
                    }) => judged(*outcome, *deed, success),
                    Ok(_) => Outcome::Failed,
                    Err(error) => Outcome::of(error, context.clock().now()),
                });
                ended.run = (!run.is_empty()).then_some(run);
                ended.failure = ran.map_or_else(Some, |report| report.failure.as_ref());
                let ended = &ended;
                if let Some(news) = self.of_chain(context, &view, ended).await {
                    self.tell(context, &[news]).await;
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => self.not_kept(context, &error),
        }
    }

    async fn of_job(self, context: &Context, view: &JobView, ended: &RunEnded<'_>) -> Option<News> {
        let (kind, settings) = (ended.kind()?, &view.spec.settings);
        let (to, relieved) = lists(kind, &settings.notify)?;
        // What cannot be read is left out: that it ended is more important than how.
        let record = match ended.record {
            Some(id) => self.0.activity().record(context, id).await,
            None => {
                let is_it = |record: &RunRecord| is_try_of(record.run.as_deref(), ended.run);
                self.newest(context, &view.id, is_it).await
            }
        };
        let record = record.ok().flatten();
        let mut ended = *ended;
        ended.record = record.as_ref().map(|record| record.id.as_str());
        let id = ended.id(context, ["job", &view.id], kind);
        let at = record.as_ref().and_then(|record| record.finished_at);
        let at = at.unwrap_or_else(|| context.clock().now());
        let mut item = NoticeItem::new(id, kind, NoticeSubject::Job, &view.id, &view.spec.name, at);
        item.run = ended.record.or(ended.run).map(str::to_owned);
        (item.cause, item.why) = why_of_job(kind, &ended, record.as_ref(), settings);
        if kind != NoticeKind::Success {
            item.what_to_do = Some(advice(item.cause.as_deref()).into());
        }
        let counts = record.iter().flat_map(|record| &record.destinations);
        item.counts = counts.map(counts_of).collect();
        item.actor = record.and_then(|record| record.actor);
        Some(News { item, to, relieved })
    }

    async fn of_chain(
        self,
        context: &Context,
        view: &ChainView,
        ended: &RunEnded<'_>,
    ) -> Option<News> {
        let (kind, settings) = (ended.kind()?, &view.spec.settings);
        let (to, relieved) = lists(kind, &settings.notify)?;
        let id = ended.id(context, ["chain", &view.id], kind);
        let at = context.clock().now();
        let mut item = NoticeItem::new(
            id,
            kind,
            NoticeSubject::Chain,
            &view.id,
            &view.spec.name,
            at,
        );
        item.run = ended.run.map(str::to_owned);
        if kind != NoticeKind::Success {
            (item.cause, item.why) = match own_reason(ended, settings) {
                Some(why) => why,
                None => self.why_of_chain(context, view, ended).await,
            };
            item.what_to_do = Some(advice(item.cause.as_deref()).into());
        }
        Some(News { item, to, relieved })
    }

    /// What the links of a chain's run lacked, as far as it is kept.
    async fn why_of_chain(self, context: &Context, view: &ChainView, ended: &RunEnded<'_>) -> Why {
        let run = ended.run.unwrap_or_default();
        let came = self.0.chains().came_to(context, &view.id, run).await;
        let Ok(Some(report)) = came else {
            return (None, None);
        };
        let (mut cause, mut lines) = (None, Vec::new());
        for link in &report.links {
            match (&link.member, &link.fate) {
                (Member::Job(_), LinkFate::Done(Outcome::Failed)) => {
                    let trigger = Trigger::Chain {
                        chain: view.id.clone(),
                        run: report.run.clone(),
                    };
                    let theirs = |record: &RunRecord| record.trigger == trigger;
                    let record = self.newest(context, &link.id, theirs).await.ok().flatten();
                    let problem = record.as_ref().and_then(|record| record.problem.as_deref());
                    cause = cause.or_else(|| record.as_ref()?.problem_kind.clone());
                    let problem =
                        problem.map_or_else(String::new, |problem| format!(": {problem}"));
                    lines.push(format!("{} failed{problem}", link.member));
                }
                (member, LinkFate::Done(Outcome::Failed)) => lines.push(format!("{member} failed")),
                (member, LinkFate::Done(Outcome::PartialSuccess)) => {
                    cause = cause.or_else(|| Some(REJECTED.into()));
                    lines.push(format!("{member} refused records"));
                }
                (member, LinkFate::Skipped(lacking)) => {
                    lines.push(format!("{member} did not start, since {lacking}"));
                }
                _ => {}
            }
        }
        if let Some(lacking) = lacking(&report, &view.spec.settings) {
            cause = cause.or_else(|| Some(CRITERIA.into()));
            lines.push(lacking);
        }
        let why = (!lines.is_empty()).then(|| short(&lines.join("\n")));
        (cause, why)
    }

    /// The newest record of a job that is such a one.
    async fn newest(
        self,
        context: &Context,
        job: &str,
        fits: impl Fn(&RunRecord) -> bool,
    ) -> Result<Option<RunRecord>> {
        let query = RunQuery::new().of_job(job).with_limit(NEWEST);
        let page = self.0.activity().runs(context, &query).await?;
        Ok(page.runs.into_iter().find(fits))
    }
}

/// Who hears of it, and whom it relieves of a failure; `None` if nobody is there.
fn lists(kind: NoticeKind, notify: &NotifySpec) -> Option<(Vec<String>, Vec<String>)> {
    let (to, relieved) = match kind {
        NoticeKind::Success => (notify.success.clone(), notify.failure.clone()),
        NoticeKind::PartialSuccess => (notify.partial_success.clone(), notify.failure.clone()),
        NoticeKind::Failure => (notify.failure.clone(), Vec::new()),
        NoticeKind::Change => (notify.changes.clone(), Vec::new()),
    };
    (!to.is_empty() || !relieved.is_empty()).then_some((to, relieved))
}

/// Why a run ended so, if that is no affair of what it did.
fn own_reason(ended: &RunEnded<'_>, settings: &RunSettings) -> Option<Why> {
    if ended.timed_out {
        let seconds = settings
            .timeout
            .map(|seconds| format!(" than {seconds} seconds"));
        let seconds = seconds.unwrap_or_default();
        let why = format!("it took longer{seconds}, and was stopped");
        return Some((Some(TIMED_OUT.into()), Some(why)));
    }
    let error = ended.failure?;
    let why = short(&error.to_string());
    Some((Some(error.kind().word().into()), Some(why)))
}

fn why_of_job(
    kind: NoticeKind,
    ended: &RunEnded<'_>,
    record: Option<&RunRecord>,
    settings: &RunSettings,
) -> Why {
    if kind == NoticeKind::Success {
        return (None, None);
    }
    if let Some(why) = own_reason(ended, settings) {
        return why;
    }
    let Some(record) = record else {
        return (None, None);
    };
    if let Some(problem) = &record.problem {
        return (record.problem_kind.clone(), Some(short(problem)));
    }
    if let (NoticeKind::Failure, Some(lacks)) = (kind, &record.lacks) {
        return (Some(CRITERIA.into()), Some(not_enough(lacks)));
    }
    let (rejected, records) = (record.rejected(), record.progress.records);
    let why = format!("{rejected} of {records} records were refused");
    (Some(REJECTED.into()), Some(why))
}

fn lacking(report: &ChainReport, settings: &RunSettings) -> Option<String> {
    if report.outcome == Outcome::Failed {
        return None;
    }
    let lacks = report.deed.lacks(&settings.success)?;
    Some(not_enough(&lacks))
}

fn not_enough(lacks: &str) -> String {
    format!("it {lacks}, which is not what its settings ask of a run")
}

fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn counts_of(counts: &RunCounts) -> NoticeCounts {
    let mut told = NoticeCounts::default();
    told.object.clone_from(&counts.name);
    told.rejects.clone_from(&counts.rejects);
    let records = [
        ("read", counts.read),
        ("inserted", counts.inserted),
        ("updated", counts.updated),
        ("unchanged", counts.unchanged),
        ("deleted", counts.deleted),
        ("filtered", counts.filtered),
        ("superseded", counts.superseded),
        ("skipped", counts.skipped),
        ("rejected", counts.rejected),
        ("pending", counts.pending),
    ];
    let there = records.into_iter().filter(|(_, count)| *count > 0);
    told.records = there
        .map(|(word, count)| (word.to_owned(), count))
        .collect();
    told
}
