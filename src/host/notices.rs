//! Telling people.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize, Serializer};

use crate::{Result, Tenant};

/// Delivers notices to people: by mail, to a channel, however the host does it.
///
/// **Contract.** `Ok` says that the notice is delivered, or that somebody else sees to it from now on. A notice may come again with the same
/// [id](Notice::id), also at the same time, since an answer was lost, a process died or the future was dropped; it is the same notice then, with the
/// same items, and is shown once. Other ids are other notices, however alike they are. An error of the kind [`Invalid`](crate::ErrorKind::Invalid) or
/// [`NotFound`](crate::ErrorKind::NotFound) says that this address never works, and the notice is given up; after any other it is delivered again
/// later. Texts are data: the host puts none of them where it could be taken for a command or a header.
///
/// A host that cannot tell whether it has seen an id hands it on to what can: mail and messaging services take keys by which they know a request
/// again, and the `Message-ID` of a mail may be made of the id.
///
/// ```
/// use async_trait::async_trait;
/// use syncline::host::{Notice, Notifications};
/// use syncline::{Error, ErrorKind, Result};
///
/// /// Prints what others would send.
/// #[derive(Debug)]
/// struct Printed;
///
/// #[async_trait]
/// impl Notifications for Printed {
///     async fn deliver(&self, notice: &Notice) -> Result<()> {
///         if !notice.to.contains('@') {
///             return Err(Error::new(ErrorKind::Invalid, "only mail addresses are known here"));
///         }
///         println!("To: {}\nSubject: {}\nMessage-ID: <{}@example.com>\n\n{}", notice.to, notice.subject, notice.id, notice.text);
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait Notifications: fmt::Debug + Send + Sync {
    /// Delivers a notice to its address.
    async fn deliver(&self, notice: &Notice) -> Result<()>;
}

/// What one address is told at a time: how a run ended, what was changed, or several of these. It holds names and counts, never row values and never
/// secrets.
///
/// It is rendered already, as text and as HTML; a host that renders it itself has all of it in the [items](NoticeItem).
///
/// ```
/// use syncline::Tenant;
/// use syncline::host::{Notice, NoticeItem, NoticeKind, NoticeSubject};
///
/// let at = "2025-01-31T06:00:12Z".parse().unwrap();
/// let item = NoticeItem::new("1", NoticeKind::Failure, NoticeSubject::Job, "j-7", "people", at).with_why("the disk is full");
/// let notice = Notice::new("n-1", Tenant::new("acme")?, "ops@example.com", at).with_items([item]).with_text("people failed", "The disk is full.");
/// assert_eq!(serde_json::to_value(&notice).unwrap()["items"][0]["why"], "the disk is full");
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Notice {
    /// What tells it from others; one that comes again has the same.
    pub id: String,
    /// Whose workspace it is about.
    #[serde(serialize_with = "as_text")]
    pub tenant: Tenant,
    /// The address, as the job or chain [has it](crate::spec::NotifySpec).
    pub to: String,
    /// When it was made.
    pub at: DateTime<Utc>,
    /// One line that says what happened, without control characters.
    pub subject: String,
    /// All of it, as plain text.
    pub text: String,
    /// All of it, as an HTML document that needs nothing from elsewhere.
    pub html: String,
    /// What it tells, the most urgent first.
    pub items: Vec<NoticeItem>,
    /// How many more there were than it has room for.
    pub left_out: u64,
}

impl Notice {
    /// A notice without content.
    pub fn new(
        id: impl Into<String>,
        tenant: Tenant,
        to: impl Into<String>,
        at: DateTime<Utc>,
    ) -> Self {
        Notice {
            id: id.into(),
            tenant,
            to: to.into(),
            at,
            subject: String::new(),
            text: String::new(),
            html: String::new(),
            items: Vec::new(),
            left_out: 0,
        }
    }

    /// The same, with this subject and text.
    #[must_use]
    pub fn with_text(mut self, subject: impl Into<String>, text: impl Into<String>) -> Self {
        (self.subject, self.text) = (subject.into(), text.into());
        self
    }

    /// The same, with this HTML.
    #[must_use]
    pub fn with_html(mut self, html: impl Into<String>) -> Self {
        self.html = html.into();
        self
    }

    /// The same, telling these.
    #[must_use]
    pub fn with_items(mut self, items: impl IntoIterator<Item = NoticeItem>) -> Self {
        self.items = items.into_iter().collect();
        self
    }

    /// The same, with so many more that it has no room for.
    #[must_use]
    pub fn with_left_out(mut self, left_out: u64) -> Self {
        self.left_out = left_out;
        self
    }
}

fn as_text<S: Serializer>(tenant: &Tenant, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(tenant.as_ref())
}

/// What kind of news it is, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NoticeKind {
    /// A run failed, and will not be tried again.
    Failure,
    /// A run refused some records, and wrote the rest.
    PartialSuccess,
    /// Somebody changed what runs, or when.
    Change,
    /// A run wrote all records.
    Success,
}

/// What it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NoticeSubject {
    /// A job.
    Job,
    /// A chain.
    Chain,
}

impl NoticeSubject {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            NoticeSubject::Job => "job",
            NoticeSubject::Chain => "chain",
        }
    }
}

/// One thing that people are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct NoticeItem {
    /// What tells it from others.
    pub id: String,
    /// What kind of news it is.
    pub kind: NoticeKind,
    /// What it is about.
    pub what: NoticeSubject,
    /// The id of that.
    pub subject: String,
    /// What that is called.
    pub name: String,
    /// The run, if it is one: that of a job by the id of its [record](crate::workspace::RunRecord), if there is one, and else by its name.
    pub run: Option<String>,
    /// When it happened; of several the last time.
    pub at: DateTime<Utc>,
    /// When it happened first.
    pub first_at: DateTime<Utc>,
    /// How often, if the same happened again before it was told.
    pub times: u64,
    /// Why, or what was changed.
    pub why: Option<String>,
    /// The [kind](crate::ErrorKind::word) of that, or `timed_out`, `rejected` or `criteria`; of a change, what was [done](crate::workspace::AuditAction).
    pub cause: Option<String>,
    /// What to do.
    pub what_to_do: Option<String>,
    /// On whose behalf it was done; `None` if nobody [said](super::Context::with_actor).
    pub actor: Option<String>,
    /// What the run did to each object; of several runs the last one.
    pub counts: Vec<NoticeCounts>,
}

impl NoticeItem {
    /// It happened once, and no more is known of it.
    pub fn new(
        id: impl Into<String>,
        kind: NoticeKind,
        what: NoticeSubject,
        subject: impl Into<String>,
        name: impl Into<String>,
        at: DateTime<Utc>,
    ) -> Self {
        NoticeItem {
            id: id.into(),
            kind,
            what,
            subject: subject.into(),
            name: name.into(),
            run: None,
            at,
            first_at: at,
            times: 1,
            why: None,
            cause: None,
            what_to_do: None,
            actor: None,
            counts: Vec::new(),
        }
    }

    /// The same, with the reason.
    #[must_use]
    pub fn with_why(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }
}

/// What a run did to one object. What is 0 is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct NoticeCounts {
    /// The object.
    pub object: String,
    /// Records by what became of them, with the words of a [report](crate::job::DestinationReport): `read`, `inserted`, `rejected`.
    pub records: IndexMap<String, u64>,
    /// The rejected ones by the [code](crate::record::Reason::code) of their reason.
    pub rejects: BTreeMap<String, u64>,
}
