//! Marks in a file store that shut out runs of older epochs, of other processes too.
//!
//! A file store swaps nothing, so the fence has two sides. A run leaves its mark *before* it looks at what there is. Whoever makes a
//! file visible looks for newer marks in front of it and once more behind it, and takes the file back if there is one: either the
//! newer run saw the file, or this look sees the newer run's mark.

use std::sync::Arc;

use crate::host::FileStore;
use crate::{Error, ErrorKind, Result};

/// The marks below a folder: `<folder>_epochs/<epoch>`, and for a part of the source `<folder>_epochs+<partition>/<epoch>`.
#[derive(Debug)]
pub(super) struct Epochs {
    files: Arc<dyn FileStore>,
    prefix: String,
}

impl Epochs {
    /// `folder` ends with a `/`; `of` tells those of one kind of run from others.
    pub(super) fn new(files: Arc<dyn FileStore>, folder: &str, of: &str) -> Self {
        Epochs {
            files,
            prefix: format!("{folder}_epochs{of}/"),
        }
    }

    fn of(&self, name: &str) -> Option<u64> {
        name.strip_prefix(&self.prefix)?.parse().ok()
    }

    /// An error if a run of a newer epoch has begun.
    pub(super) async fn check(&self, epoch: u64) -> Result<()> {
        let names = self.files.list(&self.prefix).await?;
        match names.iter().filter_map(|name| self.of(name)).max() {
            Some(newest) if newest > epoch => Err(taken_over()
                .with("epoch", epoch)
                .with("newest epoch", newest)),
            _ => Ok(()),
        }
    }

    /// Shuts out all older ones; an error if a newer one has begun.
    pub(super) async fn begin(&self, epoch: u64) -> Result<()> {
        self.check(epoch).await?;
        let name = format!("{}{epoch:08}", self.prefix);
        let mut mark = self.files.create(&name).await?;
        mark.write("Runs of older epochs write here no more.\n".into())
            .await?;
        mark.finish().await?;
        self.check(epoch).await?;
        for older in self.files.list(&self.prefix).await? {
            if self.of(&older).is_some_and(|other| other < epoch) {
                self.files.remove(&older).await?;
            }
        }
        Ok(())
    }

    /// Whether this is a mark below the folder, of whatever kind of run.
    pub(super) fn has(folder: &str, name: &str) -> bool {
        let rest = name
            .strip_prefix(folder)
            .and_then(|rest| rest.strip_prefix("_epochs"));
        rest.and_then(|rest| rest.rsplit_once('/'))
            .is_some_and(|(of, epoch)| !of.contains('/') && epoch.parse::<u64>().is_ok())
    }
}

pub(super) fn taken_over() -> Error {
    let message = "a run of a newer epoch keeps the rejects now, and this one must end; if the job's state was begun anew, clear the \
                   folder of its rejects";
    Error::new(ErrorKind::Conflict, message).during("keep rejects")
}
