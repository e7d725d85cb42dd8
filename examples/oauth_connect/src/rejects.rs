//! Refused records: a folder of CSV files for each job.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures::TryStreamExt as _;
use syncline::Result;
use syncline::file::{LocalFiles, RejectFiles};
use syncline::host::{FileStore, RejectLedger};
use syncline::memory::MemoryFiles;

use crate::settings::Settings;

/// Where refused records are kept. Only ids of jobs that are there may be given to it: they become names of folders.
#[derive(Debug)]
pub(crate) struct Rejects {
    folder: Option<PathBuf>,
    memory: Mutex<HashMap<String, MemoryFiles>>,
}

impl Rejects {
    pub(crate) fn new(settings: &Settings) -> Self {
        let folder = settings.kept.as_ref();
        Rejects {
            folder: folder.map(|(folder, _)| folder.join("jobs")),
            memory: Mutex::default(),
        }
    }

    fn files(&self, job: &str) -> Arc<dyn FileStore> {
        match &self.folder {
            Some(folder) => Arc::new(LocalFiles::new(folder.join(job))),
            None => {
                let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
                Arc::new(memory.entry(job.to_owned()).or_default().clone())
            }
        }
    }

    /// A ledger for a run of a job. In parts, since the run saves its state and may go on where an earlier one broke off.
    pub(crate) fn ledger(&self, job: &str) -> Arc<dyn RejectLedger> {
        Arc::new(RejectFiles::new(self.files(job)).in_parts())
    }

    /// What the run of this epoch refused, as one CSV: all files of a job have the same columns.
    pub(crate) async fn csv(&self, job: &str, epoch: u64) -> Result<Vec<u8>> {
        let files = self.files(job);
        let (last, more) = (format!(".e{epoch}.csv"), format!(".e{epoch}."));
        let mut csv = Vec::new();
        for name in files.list("rejects/").await? {
            let is_of_run =
                name.ends_with(".csv") && (name.ends_with(&last) || name.contains(&more));
            if !is_of_run {
                continue;
            }
            let pieces: Vec<_> = files.open(&name, 0).await?.bytes.try_collect().await?;
            let bytes = pieces.concat();
            let header = bytes.iter().position(|&byte| byte == b'\n');
            let rows = match (csv.is_empty(), header) {
                (true, _) | (false, None) => 0,
                (false, Some(end)) => end + 1,
            };
            csv.extend(bytes.into_iter().skip(rows));
        }
        Ok(csv)
    }

    /// Removes what was kept for a job that is gone.
    pub(crate) async fn remove(&self, job: &str) -> Result<()> {
        let files = self.files(job);
        for name in files.list("").await? {
            files.remove(&name).await?;
        }
        Ok(())
    }
}
