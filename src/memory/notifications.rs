//! Notices kept in memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::host::{Notice, Notifications};
use crate::{Error, ErrorKind, Result};

/// [`Notifications`] that keep what they are given and show it. Clones share it.
///
/// ```
/// # futures::executor::block_on(async {
/// use syncline::ErrorKind;
/// use syncline::host::{Notice, Notifications};
/// use syncline::memory::MemoryNotifications;
///
/// let mail = MemoryNotifications::new().refusing("nobody@example.com");
/// # let at = "2025-01-31T06:00:00Z".parse().unwrap();
/// let refused = mail.deliver(Notice::new("1", "nobody@example.com", "nightly failed", at)).await;
/// assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone, Default)]
pub struct MemoryNotifications {
    kept: Arc<Mutex<Kept>>,
    refused: Vec<String>,
}

#[derive(Debug, Default)]
struct Kept {
    delivered: Vec<Notice>,
    calls: u64,
}

impl MemoryNotifications {
    /// Nothing is delivered yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, where nothing can be delivered to this address.
    #[must_use]
    pub fn refusing(mut self, address: impl Into<String>) -> Self {
        self.refused.push(address.into());
        self
    }

    /// What was delivered, in order, each key once.
    pub fn delivered(&self) -> Vec<Notice> {
        self.kept().delivered.clone()
    }

    /// How often a notice was handed over, whatever became of it.
    pub fn calls(&self) -> u64 {
        self.kept().calls
    }

    /// No panic can leave it half changed.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Notifications for MemoryNotifications {
    async fn deliver(&self, notice: Notice) -> Result<()> {
        let mut kept = self.kept();
        kept.calls += 1;
        if self.refused.contains(&notice.to) {
            let message = "nothing can be delivered to this address; correct it where it is listed";
            return Err(Error::new(ErrorKind::Invalid, message).during("deliver notice"));
        }
        if kept.delivered.iter().all(|other| other.key != notice.key) {
            kept.delivered.push(notice);
        }
        Ok(())
    }
}
