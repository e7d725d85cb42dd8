//! Who hears of what: the outbox of a workspace.
//!
//! Each address has a mailbox, one document in the state store. What happened is put there before that it happened is forgotten anywhere else, and
//! under an id, so that it is put at least once and told once. What is due is then delivered through the host's port.

mod advice;
mod changes;
mod ends;
mod mailbox;
mod outbox;
mod policy;
mod render;

use chrono::{DateTime, Utc};

use super::Workspace;

pub(super) use ends::RunEnded;
pub use policy::NoticePolicy;

/// What people of a [`Workspace`] are told: how runs ended, and what was changed, by the lists of each job and chain.
///
/// ```
/// # futures::executor::block_on(async {
/// # use std::sync::Arc;
/// # use syncline::Tenant;
/// # use syncline::host::{Context, HttpResponse};
/// # use syncline::memory::{MemoryCipher, MemoryConnection, MemoryRejects, MemoryState, MemoryTransport};
/// # use syncline::record::{Field, FieldType};
/// # use syncline::spec::{DatasetSpec, DestinationSpec, FieldMapping, Identity, JobSpec, MappingSpec, ObjectSpec, SourceSpec, WriteMode};
/// # use syncline::workspace::{Workspace, WorkspaceConfig};
/// # let email = || vec![Field::new("email", FieldType::Email)];
/// # let home = MemoryConnection::new("home")
/// #     .with_object(&ObjectSpec::new("user", Identity::Generated, email()))?
/// #     .with_object(&ObjectSpec::new("person", Identity::Generated, email()))?;
/// # let transport = MemoryTransport::new(|request| Ok(HttpResponse::of(request, 404, "")));
/// # let (state, cipher) = (Arc::new(MemoryState::new()), Arc::new(MemoryCipher::new()));
/// # let config = WorkspaceConfig::new(Tenant::new("acme")?, state, cipher, Arc::new(transport), Arc::new(home));
/// # let mapping = MappingSpec::new(vec![FieldMapping::direct("email", "email")]);
/// # let person = DestinationSpec::new("person", WriteMode::upsert(["email"]), mapping);
/// # let spec = JobSpec::new("people", DatasetSpec::new(SourceSpec::Object("user".into())), vec![], vec![person]);
/// use syncline::job::RunRequest;
/// use syncline::memory::MemoryNotifications;
/// use syncline::spec::{NotifySpec, RunSettings};
///
/// let notifications = MemoryNotifications::new();
/// let workspace = Workspace::new(config.with_notifications(Arc::new(notifications.clone())));
///
/// let notify = NotifySpec::default().on_success(["ada@example.com"]);
/// let spec = spec.with_settings(RunSettings::default().with_notify(notify));
/// let context = Context::new();
/// let job = workspace.jobs().create(&context, spec).await?;
/// workspace.jobs().run(&context, &job.id, RunRequest::new(Arc::new(MemoryRejects::new()))).await?;
/// assert_eq!(notifications.shown("ada@example.com")[0].subject, "people succeeded");
///
/// // Every minute or so: what waited is told.
/// let delivered = workspace.notices().deliver(&context).await?;
/// assert_eq!((delivered.sent, delivered.waiting), (0, 0));
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Notices<'a>(pub(super) &'a Workspace);

impl<'a> Notices<'a> {
    fn policy(self) -> &'a NoticePolicy {
        &self.0.0.config.notice_policy
    }
}

/// What [`deliver`](Notices::deliver) did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivered {
    /// Notices that were delivered.
    pub sent: u32,
    /// Notices that failed, and are tried again.
    pub failed: u32,
    /// Notices that were given up.
    pub given_up: u32,
    /// Things that are to be told later.
    pub waiting: u64,
    /// When there is something to deliver again, if nothing else happens.
    pub next: Option<DateTime<Utc>>,
}

impl Delivered {
    fn add(&mut self, other: &Delivered) {
        self.sent += other.sent;
        self.failed += other.failed;
        self.given_up += other.given_up;
        self.waiting += other.waiting;
        self.next = [self.next, other.next].into_iter().flatten().min();
    }
}

/// What an address is to be told, and how that goes, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MailboxView {
    /// The address.
    pub address: String,
    /// How many things it is to be told yet.
    pub waiting: u64,
    /// When it may be told the next of them.
    pub next: Option<DateTime<Utc>>,
    /// When a notice was last delivered.
    pub last_sent: Option<DateTime<Utc>>,
    /// How many things it was never told, since notices were given up.
    pub given_up: u64,
    /// When a delivery last failed.
    pub failed_at: Option<DateTime<Utc>>,
    /// How.
    pub problem: Option<String>,
}
