//! Who changed what.
//!
//! Connections, jobs and chains stand in the roster, which is swapped as a whole. What a swap changes is found by comparing, and stands in the
//! same swap, as *untold*: so no change is without its entry, and no entry without its change, wherever a process dies. The next change, or
//! whoever looks, writes what is untold under keys of its own, and a swap behind that takes it off the roster.
//!
//! What lets a connection in is changed elsewhere. There an entry is written in front, as begun, and confirmed behind: of one that stays so
//! nobody knows whether it came to be.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::connections::ConnectionView;
use super::super::documents::{TRIES, busy};
use super::super::roster::Roster;
use super::query::Walk;
use super::{Activity, diff, new_id};
use crate::Result;
use crate::host::{Context, Event, Expected, StateKey, StateKind};
use crate::workspace::Workspace;

/// How many entries are looked at for a page, whether they fit or not.
const LOOKED: usize = 500;
/// The most entries of a page.
const MOST: usize = 200;

/// What was done to something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AuditAction {
    /// It was made.
    Create,
    /// It was given another name, and nothing else.
    Rename,
    /// It was changed: edited, configured, brought in by an import, put to rest since its source is gone.
    Change,
    /// It was enabled, and nothing else.
    Enable,
    /// It was disabled, and nothing else.
    Disable,
    /// It was removed.
    Delete,
    /// A connection was authorized, or given a key.
    Authorize,
    /// What lets a connection in was given back.
    Revoke,
    /// Secrets of a connection's config were given; which, the entry names.
    GiveSecrets,
}

/// What something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AuditSubject {
    /// A connection.
    Connection,
    /// A job.
    Job,
    /// A chain.
    Chain,
}

/// Whether it came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AuditStanding {
    /// It was done.
    Done,
    /// It was begun. Behind it a process died, or it goes on: it may have been done.
    Begun,
    /// An error came back.
    Failed,
}

/// Who changed what, and when. No secret is in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AuditEntry {
    /// What tells it from others. Ids of later entries are less.
    pub id: String,
    /// When.
    pub at: DateTime<Utc>,
    /// On whose behalf; `None` if nobody [said](Context::with_actor).
    pub actor: Option<String>,
    /// What was done.
    pub action: AuditAction,
    /// Whether it came to be.
    pub standing: AuditStanding,
    /// To what.
    pub what: AuditSubject,
    /// Its id.
    pub subject: String,
    /// What it is called since.
    pub name: String,
    /// What it was: its spec, with what else the workspace knows of it. `None` if it was not there, or is not told.
    pub before: Option<Value>,
    /// What it is since. `None` if it is gone, or is not told.
    pub after: Option<Value>,
}

/// Which changes.
///
/// ```
/// use syncline::workspace::AuditQuery;
///
/// let query = AuditQuery::new().by("ada@example.com").with_limit(10);
/// assert_eq!(query.limit, 10);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditQuery {
    /// Of this connection, job or chain, by id.
    pub subject: Option<String>,
    /// On behalf of this one.
    pub actor: Option<String>,
    /// Made then or later.
    pub from: Option<DateTime<Utc>>,
    /// Made before.
    pub to: Option<DateTime<Utc>>,
    /// Behind the page that gave this as its [`next`](AuditPage::next).
    pub after: Option<String>,
    /// How many at most: 50, up to 200.
    pub limit: usize,
}

impl Default for AuditQuery {
    fn default() -> Self {
        AuditQuery {
            subject: None,
            actor: None,
            from: None,
            to: None,
            after: None,
            limit: 50,
        }
    }
}

impl AuditQuery {
    /// All of them, from the newest on.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, of this connection, job or chain.
    #[must_use]
    pub fn of(mut self, id: impl Into<String>) -> Self {
        self.subject = Some(id.into());
        self
    }

    /// The same, on behalf of this one.
    #[must_use]
    pub fn by(mut self, actor: impl Into<String>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    /// The same, made then or later.
    #[must_use]
    pub fn with_from(mut self, from: DateTime<Utc>) -> Self {
        self.from = Some(from);
        self
    }

    /// The same, made before.
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

    fn fits(&self, entry: &AuditEntry) -> bool {
        self.subject
            .as_ref()
            .is_none_or(|subject| *subject == entry.subject)
            && (self.actor.is_none() || self.actor == entry.actor)
            && self.from.is_none_or(|from| entry.at >= from)
            && self.to.is_none_or(|to| entry.at < to)
    }
}

/// Some changes, the newest first.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AuditPage {
    /// Those that fit. It may be fewer than asked for, even none, and there is a next page all the same: for one page no more than 500 are
    /// looked at.
    pub entries: Vec<AuditEntry>,
    /// What to give as [`after`](AuditQuery::after) for more; `None` if there are none. Behind a full page there may be none either.
    pub next: Option<String>,
}

impl Activity<'_> {
    /// Who changed what, the newest first.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a token that no page gave, and those of the store.
    pub async fn audit(self, context: &Context, query: &AuditQuery) -> Result<AuditPage> {
        self.0.tell(context).await?;
        let mut walk = Walk::new(
            self.0,
            StateKind::Audit,
            Vec::new(),
            query.after.as_ref(),
            query.to,
            query.from,
        )?;
        let limit = query.limit.clamp(1, MOST);
        let mut page = AuditPage {
            entries: Vec::new(),
            next: None,
        };
        let documents = self.0.documents(context);
        let mut looked = 0;
        loop {
            let ids = walk.next(context, limit.min(LOOKED - looked)).await?;
            if ids.is_empty() {
                page.next = None;
                return Ok(page);
            }
            for id in ids {
                let entry: Option<AuditEntry> = documents.load(&audit_key(self.0, &id)?).await?;
                page.entries.extend(entry.filter(|entry| query.fits(entry)));
                page.next = Some(id);
                looked += 1;
                if page.entries.len() >= limit || looked >= LOOKED {
                    return Ok(page);
                }
            }
        }
    }
}

fn audit_key(workspace: &Workspace, id: &str) -> Result<StateKey> {
    workspace.key(StateKind::Audit, [id])
}

impl Workspace {
    /// Changes the roster, with entries of what is changed. The change sees the newest roster and is made anew when somebody else was faster.
    /// An error of it changes nothing, and where it changes nothing nothing is written.
    pub(in crate::workspace) async fn change<R>(
        &self,
        context: &Context,
        mut change: impl FnMut(&mut Roster) -> Result<R>,
    ) -> Result<R> {
        let key = self.roster_key()?;
        let documents = self.documents(context);
        for attempt in 0..TRIES {
            let (mut roster, expected) = match documents.found::<Roster>(&key).await? {
                None => (Roster::default(), Expected::Absent),
                Some((roster, version)) => (roster, Expected::Version(version)),
            };
            let untold = std::mem::take(&mut roster.untold);
            let before = roster.clone();
            let result = change(&mut roster)?;
            if roster == before {
                return Ok(result);
            }
            self.write_down(context, &untold).await?;
            let specs = self.specs_that_differ(context, &before, &roster).await?;
            roster.untold = diff::changes(context, &before, &roster, &specs);
            if documents.put(&key, &roster, expected).await? {
                self.tell_at_once(context, !roster.untold.is_empty()).await;
                return Ok(result);
            }
            documents.give_way(attempt).await;
        }
        Err(busy(&key))
    }

    /// Where people are told of changes, they do not wait for the next change. The change is made, so it fails no more.
    async fn tell_at_once(&self, context: &Context, untold: bool) {
        if !untold || !self.notices().are_on() {
            return;
        }
        match self.tell(context).await {
            Ok(told) => self.notices().deliver_to(context, &told).await,
            Err(error) => self.notices().not_kept(context, &error),
        }
    }

    /// Writes down what is untold, and takes it off the roster; answers who is to hear of it.
    pub(in crate::workspace) async fn tell(&self, context: &Context) -> Result<Vec<String>> {
        let key = self.roster_key()?;
        let documents = self.documents(context);
        let mut told = Vec::new();
        for attempt in 0..TRIES {
            let found = documents.found::<Roster>(&key).await?;
            let Some((mut roster, version)) = found else {
                return Ok(told);
            };
            let untold = std::mem::take(&mut roster.untold);
            if untold.is_empty() {
                return Ok(told);
            }
            told = self.write_down(context, &untold).await?;
            let expected = Expected::Version(version);
            if documents.put(&key, &roster, expected).await? {
                return Ok(told);
            }
            documents.give_way(attempt).await;
        }
        // What others change all the time they write down too.
        Ok(told)
    }

    /// Writes entries under keys of their own, and puts them into the mailboxes of those who are to hear of them; answers who these are. Doing so again changes
    /// nothing.
    async fn write_down(&self, context: &Context, untold: &[AuditEntry]) -> Result<Vec<String>> {
        let told = self.notices().put_changes(context, untold).await?;
        let documents = self.documents(context);
        for entry in untold {
            let key = audit_key(self, &entry.id)?;
            documents.put(&key, entry, Expected::Absent).await?;
        }
        Ok(told)
    }

    /// The specs of the jobs that differ: of an edition that is gone already, the swap fails or its entry does not need it.
    async fn specs_that_differ(
        &self,
        context: &Context,
        before: &Roster,
        after: &Roster,
    ) -> Result<diff::Specs> {
        let documents = self.documents(context);
        let mut specs = diff::Specs::new();
        for (id, edition) in diff::editions(before, after) {
            let key = self.jobs().edition_key(&id, &edition)?;
            // What cannot be read must not keep anybody from deleting it.
            if let Ok(Some(spec)) = documents.load(&key).await {
                specs.insert((id, edition), spec);
            }
        }
        Ok(specs)
    }
}

/// A change of what lets a connection in, which is written down before it is tried.
#[derive(Debug)]
pub(in crate::workspace) struct Attempt<'a> {
    workspace: &'a Workspace,
    context: &'a Context,
    entry: AuditEntry,
}

impl<'a> Attempt<'a> {
    /// Writes down that it begins. Where that cannot be kept, it must not begin.
    pub(in crate::workspace) async fn begin(
        workspace: &'a Workspace,
        context: &'a Context,
        action: AuditAction,
        view: &ConnectionView,
        after: Option<Value>,
    ) -> Result<Self> {
        let entry = AuditEntry {
            id: new_id(context),
            at: context.clock().now(),
            actor: context.actor().map(str::to_owned),
            action,
            standing: AuditStanding::Begun,
            what: AuditSubject::Connection,
            subject: view.id.clone(),
            name: view.spec.name.clone(),
            before: None,
            after,
        };
        let key = audit_key(workspace, &entry.id)?;
        workspace.documents(context).create(&key, &entry).await?;
        Ok(Attempt {
            workspace,
            context,
            entry,
        })
    }

    /// Writes down what came of it. If that fails, it stays begun, which is true as well.
    pub(in crate::workspace) async fn end<T>(self, came: Result<T>) -> Result<T> {
        let standing = match &came {
            Ok(_) => AuditStanding::Done,
            Err(_) => AuditStanding::Failed,
        };
        if let Err(error) = self.ended(standing).await {
            let (what, kind) = ("audit", error.kind());
            let observer = self.context.observer();
            observer.observe(&Event::NotKept { what, kind });
        }
        came
    }

    async fn ended(&self, standing: AuditStanding) -> Result<()> {
        let key = audit_key(self.workspace, &self.entry.id)?;
        let confirm = |kept: &mut Option<AuditEntry>| {
            let mut entry = self.entry.clone();
            entry.standing = standing;
            *kept = Some(entry);
            Ok(())
        };
        let documents = self.workspace.documents(self.context);
        documents.change(&key, confirm).await
    }
}
