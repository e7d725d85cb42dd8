//! Notices kept in memory.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::host::{Notice, Notifications};
use crate::{Error, ErrorKind, Result};

/// [`Notifications`] that are shown to nobody: it keeps what was delivered. Clones share what it keeps.
///
/// ```
/// # futures::executor::block_on(async {
/// use syncline::Tenant;
/// use syncline::host::{Notice, Notifications};
/// use syncline::memory::MemoryNotifications;
///
/// let notifications = MemoryNotifications::new().with_dead_address("gone@example.com");
/// let notice = |to| Notice::new("n-1", Tenant::new("acme").unwrap(), to, "2025-01-31T06:00:12Z".parse().unwrap());
/// notifications.deliver(&notice("ops@example.com")).await?;
/// notifications.deliver(&notice("ops@example.com")).await?;
/// assert_eq!((notifications.shown("ops@example.com").len(), notifications.delivered().len()), (1, 2));
/// assert!(notifications.deliver(&notice("gone@example.com")).await.is_err());
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone, Default)]
pub struct MemoryNotifications {
    dead: BTreeSet<String>,
    delivered: Arc<Mutex<Vec<Notice>>>,
}

impl MemoryNotifications {
    /// Nothing is delivered yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, with an address that never works.
    #[must_use]
    pub fn with_dead_address(mut self, address: impl Into<String>) -> Self {
        self.dead.insert(address.into());
        self
    }

    /// All that was delivered, as often as it was.
    pub fn delivered(&self) -> Vec<Notice> {
        self.kept().clone()
    }

    /// What somebody at this address sees: each notice once, as it came first.
    pub fn shown(&self, address: &str) -> Vec<Notice> {
        let kept = self.kept();
        let mut seen = BTreeSet::new();
        let theirs = kept.iter().filter(|notice| notice.to == address);
        let first = theirs.filter(|notice| seen.insert(&notice.id));
        first.cloned().collect()
    }

    /// No panic can leave it half changed.
    fn kept(&self) -> MutexGuard<'_, Vec<Notice>> {
        self.delivered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Notifications for MemoryNotifications {
    async fn deliver(&self, notice: &Notice) -> Result<()> {
        if self.dead.contains(&notice.to) {
            let message = "there is no such address; give another one";
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        self.kept().push(notice.clone());
        Ok(())
    }
}
