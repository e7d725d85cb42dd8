//! Stores that do not keep files as they should.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use syncline::host::{FileStore, FileWriter, OpenedFile};
use syncline::memory::MemoryFiles;
use syncline::testing::conformance::{FILE_STORE, FileStoreFixture};
use syncline::{Error, ErrorKind, Result};

use super::{Broken, broken};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    AnEmptyPieceEndsAFile,
    OffsetsAreEven,
    ListsFilesBeingWritten,
    LeavesTheEndOfAnOlderFile,
    DroppedFilesStay,
    CleansNames,
    ListsBackwards,
    MissesWhatIsRemoved,
    FinishedWritersGoOn,
    VersionIsTheSize,
}

#[derive(Debug, Clone)]
struct Store {
    flaw: Flaw,
    files: MemoryFiles,
    begun: Arc<Mutex<BTreeSet<String>>>,
}

#[async_trait]
impl FileStore for Store {
    async fn open(&self, name: &str, offset: u64) -> Result<OpenedFile> {
        let offset = if self.flaw == Flaw::OffsetsAreEven {
            offset & !1
        } else {
            offset
        };
        let mut opened = self.files.open(name, offset).await?;
        if self.flaw == Flaw::VersionIsTheSize {
            opened.version = opened.size.map(|size| size.to_string());
        }
        Ok(opened)
    }

    async fn create(&self, name: &str) -> Result<Box<dyn FileWriter>> {
        let clean = name.trim_start_matches("./");
        let name = if self.flaw == Flaw::CleansNames {
            clean
        } else {
            name
        };
        // The name is checked there.
        drop(self.files.create(name).await?);
        self.begun.lock().unwrap().insert(name.to_owned());
        Ok(Box::new(Writer {
            store: self.clone(),
            name: name.to_owned(),
            written: Vec::new(),
            ended: false,
            finished: false,
        }))
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>> {
        let mut names = self.files.list(prefix).await?;
        match self.flaw {
            Flaw::ListsFilesBeingWritten => {
                let begun = self.begun.lock().unwrap();
                names.extend(
                    begun
                        .iter()
                        .filter(|name| name.starts_with(prefix))
                        .cloned(),
                );
                names.sort();
                names.dedup();
            }
            Flaw::ListsBackwards => names.reverse(),
            _ => {}
        }
        Ok(names)
    }

    async fn remove(&self, name: &str) -> Result<()> {
        self.files.remove(name).await?;
        let known = self.begun.lock().unwrap().remove(name);
        if self.flaw == Flaw::MissesWhatIsRemoved && !known {
            return Err(Error::new(ErrorKind::NotFound, "no such file"));
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Writer {
    store: Store,
    name: String,
    written: Vec<u8>,
    ended: bool,
    finished: bool,
}

impl Writer {
    fn keep(&mut self) {
        let old = self.store.files.bytes(&self.name).unwrap_or_default();
        if self.store.flaw == Flaw::LeavesTheEndOfAnOlderFile {
            self.written.extend(old.iter().skip(self.written.len()));
        }
        self.store.files.insert(&self.name, self.written.clone());
    }
}

#[async_trait]
impl FileWriter for Writer {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        if self.finished && self.store.flaw != Flaw::FinishedWritersGoOn {
            return Err(Error::new(ErrorKind::Closed, "finished"));
        }
        self.ended |= bytes.is_empty() && self.store.flaw == Flaw::AnEmptyPieceEndsAFile;
        if !self.ended {
            self.written.extend_from_slice(&bytes);
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<()> {
        if self.finished && self.store.flaw != Flaw::FinishedWritersGoOn {
            return Err(Error::new(ErrorKind::Closed, "finished"));
        }
        self.finished = true;
        self.keep();
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.store.flaw == Flaw::DroppedFilesStay && !self.finished {
            self.keep();
        }
        if !self.finished {
            self.store.begun.lock().unwrap().remove(&self.name);
        }
    }
}

pub(super) fn broken_stores() -> Vec<Broken> {
    let all = [
        ("FS-01", Flaw::AnEmptyPieceEndsAFile),
        ("FS-02", Flaw::OffsetsAreEven),
        ("FS-03", Flaw::ListsFilesBeingWritten),
        ("FS-04", Flaw::LeavesTheEndOfAnOlderFile),
        ("FS-05", Flaw::DroppedFilesStay),
        ("FS-06", Flaw::CleansNames),
        ("FS-07", Flaw::ListsBackwards),
        ("FS-08", Flaw::MissesWhatIsRemoved),
        ("FS-09", Flaw::FinishedWritersGoOn),
        ("FS-10", Flaw::VersionIsTheSize),
    ];
    all.into_iter()
        .map(|(clause, flaw)| {
            broken(&FILE_STORE, clause, flaw, &[], move || {
                let store = Store {
                    flaw,
                    files: MemoryFiles::new(),
                    begun: Arc::default(),
                };
                FileStoreFixture::new(move || store.clone())
            })
        })
        .collect()
}
