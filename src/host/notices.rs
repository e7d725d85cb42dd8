//! What people are told.

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::Result;

/// What one person, or one channel, is told. It holds names, counts and messages, never row values and never secrets.
///
/// ```
/// use syncline::host::Notice;
///
/// # let at = "2025-01-31T06:00:00Z".parse().unwrap();
/// let notice = Notice::new("7 ops@example.com", "ops@example.com", "nightly failed", at).with_body("nightly failed.", "<p>nightly failed.</p>");
/// assert_eq!(notice.to, "ops@example.com");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Notice {
    /// What tells it from all others. A notice that is handed over again, since nobody heard whether it was delivered, has the same key: who
    /// has delivered it does not do so again.
    pub key: String,
    /// The address, as the job's spec has it.
    pub to: String,
    /// What it is about, in a line.
    pub subject: String,
    /// The whole of it as plain text.
    pub text: String,
    /// The whole of it as HTML, without head, links, pictures and scripts. What is from outside is escaped in it.
    pub html: String,
    /// When it was written.
    pub at: DateTime<Utc>,
}

impl Notice {
    /// A notice without a body.
    pub fn new(
        key: impl Into<String>,
        to: impl Into<String>,
        subject: impl Into<String>,
        at: DateTime<Utc>,
    ) -> Self {
        Notice {
            key: key.into(),
            to: to.into(),
            subject: subject.into(),
            text: String::new(),
            html: String::new(),
            at,
        }
    }

    /// The same, with this text and the same as HTML.
    #[must_use]
    pub fn with_body(mut self, text: impl Into<String>, html: impl Into<String>) -> Self {
        (self.text, self.html) = (text.into(), html.into());
        self
    }
}

/// Delivers notices: by mail, into a channel, however the host does.
///
/// **Contract.**
/// - `Ok` says that the notice is delivered, or is kept where it will be, whatever becomes of this process.
/// - A notice may be handed over more than once, by several processes too. One [key](Notice::key) reaches its reader once.
/// - All arrives as it is: address, subject, text and HTML.
/// - An address to which nothing can be delivered is [`Invalid`](crate::ErrorKind::Invalid), with a retry of
///   [`Never`](crate::Retry::Never): the notice is given up. After any other error it is handed over again later.
/// - No error holds what the notice says.
///
/// ```
/// # futures::executor::block_on(async {
/// use syncline::host::{Notice, Notifications};
/// use syncline::memory::MemoryNotifications;
///
/// let mail = MemoryNotifications::new();
/// # let at = "2025-01-31T06:00:00Z".parse().unwrap();
/// let notice = Notice::new("7 ops@example.com", "ops@example.com", "nightly failed", at);
/// mail.deliver(notice.clone()).await?;
/// mail.deliver(notice).await?;
/// assert_eq!(mail.delivered().len(), 1);
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
#[async_trait]
pub trait Notifications: fmt::Debug + Send + Sync {
    /// Delivers one.
    async fn deliver(&self, notice: Notice) -> Result<()>;
}
