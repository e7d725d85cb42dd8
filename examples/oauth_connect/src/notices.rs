//! What people are told. A host of your own sends mails or messages; this one keeps them for a page, and forgets them at the end.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use syncline::host::{Notice, Notifications};
use syncline::{Error, ErrorKind, Result};

/// The most notices that are kept; the oldest go first.
const MOST: usize = 200;

/// Notices as they were delivered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Letterbox(Arc<Mutex<VecDeque<Notice>>>);

impl Letterbox {
    fn kept(&self) -> MutexGuard<'_, VecDeque<Notice>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that are kept, the newest first.
    pub(crate) fn all(&self) -> Vec<Notice> {
        self.kept().iter().cloned().collect()
    }

    /// The notice of this id.
    pub(crate) fn one(&self, id: &str) -> Result<Notice> {
        let kept = self.kept();
        let found = kept.iter().find(|notice| notice.id == id);
        let gone = || Error::new(ErrorKind::NotFound, "there is no such notice");
        found.cloned().ok_or_else(gone)
    }
}

#[async_trait]
impl Notifications for Letterbox {
    async fn deliver(&self, notice: &Notice) -> Result<()> {
        if !notice.to.contains('@') {
            let message = "only mail addresses are known here; give one";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let mut kept = self.kept();
        // One that comes again is shown once.
        if kept.iter().all(|known| known.id != notice.id) {
            kept.push_front(notice.clone());
            kept.truncate(MOST);
        }
        Ok(())
    }
}
