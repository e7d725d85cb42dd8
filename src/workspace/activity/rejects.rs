//! Refused records as a file to download.

use super::super::Jobs;
use crate::Result;
use crate::file::rejects_as;
use crate::host::{Context, RejectLedger};
use crate::spec::{Delimited, SourceSpec};

/// How refused records are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RejectsAs {
    /// As [reject files](crate::file::RejectFiles) are: comma-separated, and such that a spreadsheet runs no cell.
    #[default]
    Csv,
    /// In the format of the file that the job reads, so that what was mended can be read by the same job; as `Csv` if it reads no file. Nothing
    /// is put in front of a cell, so a spreadsheet may run one.
    SourceFormat,
}

/// A file to download.
#[derive(Clone)]
#[non_exhaustive]
pub struct RejectsFile {
    /// The records: the source's cells, and behind them the columns of [reject files](crate::file::RejectFiles) that say why.
    pub bytes: Vec<u8>,
    /// How many.
    pub records: u64,
}

/// Shows no record.
impl std::fmt::Debug for RejectsFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RejectsFile")
            .field("records", &self.records)
            .finish_non_exhaustive()
    }
}

impl Jobs<'_> {
    /// The refused records that a ledger keeps for a destination, or in front of all with `None`, as a file.
    ///
    /// Which ledger a run had, its host knows; one for each run gives the rejects of a run.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) for the job; [`Unsupported`](crate::ErrorKind::Unsupported) if the ledger does not give
    /// its records back; [`Invalid`](crate::ErrorKind::Invalid) if the source's format cannot express them: ask for `Csv` then.
    pub async fn rejects(
        self,
        context: &Context,
        id: &str,
        ledger: &dyn RejectLedger,
        destination: Option<&str>,
        as_what: RejectsAs,
    ) -> Result<RejectsFile> {
        let view = self.get(context, id).await?;
        let mut guarded = Delimited::csv();
        guarded.guarded = true;
        let format = match (as_what, &view.spec.dataset.source) {
            (RejectsAs::SourceFormat, SourceSpec::File(file)) => file.format.clone(),
            _ => guarded,
        };
        let kept = ledger.list(destination).await?;
        let written = rejects_as(&format, &kept);
        let bytes = written.map_err(|error| error.during("write rejects"))?;
        let records = kept.iter().map(|kept| kept.rejects.len() as u64).sum();
        Ok(RejectsFile { bytes, records })
    }
}
