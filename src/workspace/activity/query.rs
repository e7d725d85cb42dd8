//! Looking at runs.

use chrono::{DateTime, Utc};

use super::super::Workspace;
use super::super::roster::not_found;
use super::log::RunLog;
use super::record::{RunRecord, RunStatus, RunSubject};
use super::{Activity, TIME, is_id, log_key, run_key, time_of};
use crate::error::Problem;
use crate::host::{Context, StateKey, StateKind};
use crate::job::Trigger;
use crate::{Error, Result};

/// How many runs are looked at for a page, whether they fit or not.
const LOOKED: usize = 500;
/// The most runs of a page.
const MOST: usize = 200;

/// Which runs.
///
/// ```
/// use syncline::workspace::{RunQuery, RunStatus};
///
/// let query = RunQuery::new().with_statuses([RunStatus::Failed, RunStatus::BrokenOff]).with_limit(10);
/// assert_eq!(query.limit, 10);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunQuery {
    /// Of this job, by id.
    pub job: Option<String>,
    /// Of this chain, by id: the runs of the chain itself.
    pub chain: Option<String>,
    /// Of this run, by name, of a chain, by id: the runs of its links.
    pub chain_run: Option<(String, String)>,
    /// That are, or ended, like one of these; all if there is none.
    pub statuses: Vec<RunStatus>,
    /// That began then or later.
    pub from: Option<DateTime<Utc>>,
    /// That began before.
    pub to: Option<DateTime<Utc>>,
    /// Behind the page that gave this as its [`next`](RunPage::next).
    pub after: Option<String>,
    /// How many at most: 50, up to 200.
    pub limit: usize,
}

impl Default for RunQuery {
    fn default() -> Self {
        RunQuery {
            job: None,
            chain: None,
            chain_run: None,
            statuses: Vec::new(),
            from: None,
            to: None,
            after: None,
            limit: 50,
        }
    }
}

impl RunQuery {
    /// All of them, from the newest on.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, of this job.
    #[must_use]
    pub fn of_job(mut self, id: impl Into<String>) -> Self {
        self.job = Some(id.into());
        self
    }

    /// The same, of this chain.
    #[must_use]
    pub fn of_chain(mut self, id: impl Into<String>) -> Self {
        self.chain = Some(id.into());
        self
    }

    /// The same, of the links of this [run](crate::workspace::ChainReport::run) of a chain.
    #[must_use]
    pub fn of_chain_run(mut self, chain: impl Into<String>, run: impl Into<String>) -> Self {
        self.chain_run = Some((chain.into(), run.into()));
        self
    }

    /// The same, only with one of these.
    #[must_use]
    pub fn with_statuses(mut self, statuses: impl IntoIterator<Item = RunStatus>) -> Self {
        self.statuses = statuses.into_iter().collect();
        self
    }

    /// The same, begun then or later.
    #[must_use]
    pub fn with_from(mut self, from: DateTime<Utc>) -> Self {
        self.from = Some(from);
        self
    }

    /// The same, begun before.
    #[must_use]
    pub fn with_to(mut self, to: DateTime<Utc>) -> Self {
        self.to = Some(to);
        self
    }

    /// The same, behind a page.
    #[must_use]
    pub fn with_after(mut self, token: impl Into<String>) -> Self {
        self.after = Some(token.into());
        self
    }

    /// The same, so many at most.
    #[must_use]
    pub fn with_limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    fn fits(&self, record: &RunRecord) -> bool {
        let is = |wanted: &Option<String>, subject| {
            let is_it = |id: &String| record.subject == subject && *id == record.job;
            wanted.as_ref().is_none_or(is_it)
        };
        let of_chain = |(of, named): &(String, String)| match &record.trigger {
            Trigger::Chain { chain, run } => (chain, run) == (of, named),
            _ => false,
        };
        self.chain_run.as_ref().is_none_or(of_chain)
            && is(&self.job, RunSubject::Job)
            && is(&self.chain, RunSubject::Chain)
            && (self.statuses.is_empty() || self.statuses.contains(&record.status))
            && self.from.is_none_or(|from| record.started_at >= from)
            && self.to.is_none_or(|to| record.started_at < to)
    }
}

/// Some runs, the newest first.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RunPage {
    /// Those that fit. It may be fewer than asked for, even none, and there is a next page all the same: for one page no more than 500 runs are
    /// looked at.
    pub runs: Vec<RunRecord>,
    /// What to give as [`after`](RunQuery::after) for more; `None` if there are none. Behind a full page there may be none either.
    pub next: Option<String>,
}

/// Keys that go by time, behind the same names.
pub(super) struct Walk<'a> {
    workspace: &'a Workspace,
    kind: StateKind,
    names: Vec<String>,
    start: String,
    /// The oldest time that is asked for, as ids have it.
    end: Option<String>,
}

impl<'a> Walk<'a> {
    /// From the newest, or behind a token, or behind a time, to the oldest, or a time.
    pub(super) fn new(
        workspace: &'a Workspace,
        kind: StateKind,
        names: Vec<String>,
        after: Option<&String>,
        to: Option<DateTime<Utc>>,
        from: Option<DateTime<Utc>>,
    ) -> Result<Self> {
        if after.is_some_and(|after| !is_id(after)) {
            let problem = Problem::new("after", "give what the page before gave as `next`");
            return Err(Error::invalid("there is no such page", vec![problem]));
        }
        let start = after.cloned().or_else(|| to.map(time_of));
        Ok(Walk {
            workspace,
            kind,
            names,
            start: start.unwrap_or_default(),
            end: from.map(time_of),
        })
    }

    /// The next ids, at most so many; none if there are no more.
    pub(super) async fn next(&mut self, context: &Context, limit: usize) -> Result<Vec<String>> {
        let documents = self.workspace.documents(context);
        let names = self.names.iter().map(String::as_str);
        let start = self.workspace.key(self.kind, names.chain([&*self.start]))?;
        let keys = documents
            .store()
            .list(self.workspace.tenant(), self.kind, Some(&start), limit);
        let mut ids = Vec::new();
        for key in keys.await? {
            let Some((id, names)) = key.parts().split_last() else {
                break;
            };
            let is_old = |end: &String| id.get(..TIME).is_none_or(|time| time > end.as_str());
            if names != self.names || self.end.as_ref().is_some_and(is_old) {
                break;
            }
            ids.push(id.clone());
        }
        if let Some(last) = ids.last() {
            self.start.clone_from(last);
        }
        Ok(ids)
    }
}

impl<'a> Activity<'a> {
    /// Runs, the newest first.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a token that no page gave, and those of the store.
    pub async fn runs(self, context: &Context, query: &RunQuery) -> Result<RunPage> {
        let of = |subject: RunSubject, id: &String| vec![subject.word().to_owned(), id.clone()];
        let names = match (&query.job, &query.chain) {
            (Some(job), _) => of(RunSubject::Job, job),
            (None, Some(chain)) => of(RunSubject::Chain, chain),
            (None, None) => vec!["run".to_owned()],
        };
        let mut walk = Walk::new(
            self.0,
            StateKind::Run,
            names,
            query.after.as_ref(),
            query.to,
            query.from,
        )?;
        let limit = query.limit.clamp(1, MOST);
        let mut page = RunPage {
            runs: Vec::new(),
            next: None,
        };
        let (mut looked, now) = (0, context.clock().now());
        loop {
            let ids = walk.next(context, limit.min(LOOKED - looked)).await?;
            if ids.is_empty() {
                page.next = None;
                return Ok(page);
            }
            for id in ids {
                let record = self.record(context, &id).await?;
                let record = record.map(|record| record.seen(now));
                page.runs.extend(record.filter(|record| query.fits(record)));
                page.next = Some(id);
                looked += 1;
                if page.runs.len() >= limit || looked >= LOOKED {
                    return Ok(page);
                }
            }
        }
    }

    /// A run, as it is now.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound), and those of the store.
    pub async fn run(self, context: &Context, id: &str) -> Result<RunRecord> {
        let record = self.record(context, id).await?;
        let record = record.ok_or_else(|| not_found("run", id))?;
        Ok(record.seen(context.clock().now()))
    }

    pub(in crate::workspace) async fn record(
        self,
        context: &Context,
        id: &str,
    ) -> Result<Option<RunRecord>> {
        if !is_id(id) {
            return Ok(None);
        }
        let key: StateKey = run_key(self.0, id)?;
        self.0.documents(context).load(&key).await
    }

    /// What happened in a run, up to a few seconds ago.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound), and those of the store.
    pub async fn log(self, context: &Context, id: &str) -> Result<RunLog> {
        self.run(context, id).await?;
        let log = self
            .0
            .documents(context)
            .load(&log_key(self.0, id)?)
            .await?;
        Ok(log.unwrap_or_default())
    }
}
