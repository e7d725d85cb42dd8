//! A file store in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt as _};

use crate::host::{FileStore, FileWriter, OpenedFile, check_file_name};
use crate::{Error, ErrorKind, Result};

type Files = Arc<Mutex<Kept>>;

#[derive(Debug, Default)]
struct Kept {
    /// Each with the number of the change that put it there.
    files: BTreeMap<String, (Bytes, u64)>,
    changes: u64,
}

impl Kept {
    fn insert(&mut self, name: String, bytes: Bytes) {
        self.changes += 1;
        self.files.insert(name, (bytes, self.changes));
    }
}

/// Files in memory. Clones share them.
///
/// ```
/// use syncline::memory::MemoryFiles;
///
/// let files = MemoryFiles::new();
/// files.insert("usage.csv", "id,seats\n");
/// assert_eq!(files.bytes("usage.csv").as_deref(), Some(b"id,seats\n".as_slice()));
/// ```
#[derive(Debug, Clone, Default)]
pub struct MemoryFiles {
    files: Files,
    chunk_bytes: Option<usize>,
}

/// Each lock guards a single change of the map, which no panic can leave half done.
fn lock(files: &Files) -> MutexGuard<'_, Kept> {
    files.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemoryFiles {
    /// No files.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same files, read in pieces of this many bytes, at least one: for tests.
    #[must_use]
    pub fn with_chunk_bytes(mut self, bytes: usize) -> Self {
        self.chunk_bytes = Some(bytes.max(1));
        self
    }

    /// Puts a file there, in place of an older one.
    pub fn insert(&self, name: impl Into<String>, bytes: impl Into<Bytes>) {
        lock(&self.files).insert(name.into(), bytes.into());
    }

    /// The bytes of a finished file.
    pub fn bytes(&self, name: &str) -> Option<Bytes> {
        Some(lock(&self.files).files.get(name)?.0.clone())
    }
}

#[async_trait]
impl FileStore for MemoryFiles {
    async fn open(&self, name: &str, offset: u64) -> Result<OpenedFile> {
        check_file_name(name)?;
        let found = lock(&self.files).files.get(name).cloned();
        let Some((mut rest, change)) = found else {
            return Err(
                Error::new(ErrorKind::NotFound, "no such file; check the name")
                    .during("open")
                    .with("file", name),
            );
        };
        let size = rest.len();
        let version = Some(format!("change {change}"));
        drop(rest.split_to(usize::try_from(offset).map_or(size, |offset| offset.min(size))));
        let chunk = self.chunk_bytes.unwrap_or(usize::MAX);
        let pieces = std::iter::from_fn(move || {
            let piece = rest.split_to(chunk.min(rest.len()));
            (!piece.is_empty()).then_some(Ok(piece))
        });
        Ok(OpenedFile::new(stream::iter(pieces).boxed(), Some(size as u64)).with_version(version))
    }

    async fn create(&self, name: &str) -> Result<Box<dyn FileWriter>> {
        check_file_name(name)?;
        Ok(Box::new(MemoryWriter {
            files: Arc::clone(&self.files),
            name: name.to_owned(),
            written: Some(Vec::new()),
        }))
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>> {
        let files = lock(&self.files);
        let from = files.files.range(prefix.to_owned()..);
        let found = from.map(|(name, _)| name);
        Ok(found
            .take_while(|name| name.starts_with(prefix))
            .cloned()
            .collect())
    }

    async fn remove(&self, name: &str) -> Result<()> {
        check_file_name(name)?;
        lock(&self.files).files.remove(name);
        Ok(())
    }
}

#[derive(Debug)]
struct MemoryWriter {
    files: Files,
    name: String,
    /// `None` once finished.
    written: Option<Vec<u8>>,
}

#[async_trait]
impl FileWriter for MemoryWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        match &mut self.written {
            Some(written) => {
                written.extend_from_slice(&bytes);
                Ok(())
            }
            None => Err(closed(&self.name).during("write")),
        }
    }

    async fn finish(&mut self) -> Result<()> {
        match self.written.take() {
            Some(written) => {
                lock(&self.files).insert(self.name.clone(), written.into());
                Ok(())
            }
            None => Err(closed(&self.name).during("finish")),
        }
    }
}

fn closed(name: &str) -> Error {
    Error::new(ErrorKind::Closed, "the file was finished; create it anew").with("file", name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use futures::TryStreamExt as _;
    use futures::executor::block_on;

    use super::*;

    #[test]
    fn a_file_is_there_once_it_is_finished() {
        let files = MemoryFiles::new();
        files.insert("a.csv", "old");
        block_on(async {
            let mut file = files.create("a.csv").await.unwrap();
            file.write("ne".into()).await.unwrap();
            file.write("w".into()).await.unwrap();
            assert_eq!(files.bytes("a.csv").unwrap(), "old");
            file.finish().await.unwrap();
            assert_eq!(files.bytes("a.csv").unwrap(), "new");
            assert_eq!(file.finish().await.unwrap_err().kind(), ErrorKind::Closed);
            drop(files.create("b.csv").await.unwrap());
            assert_eq!(files.list("").await.unwrap(), ["a.csv"]);
            assert!(files.list("b").await.unwrap().is_empty());
            files.remove("a.csv").await.unwrap();
            files.remove("a.csv").await.unwrap();
            assert_eq!(
                files.open("a.csv", 0).await.unwrap_err().kind(),
                ErrorKind::NotFound
            );
            assert_eq!(
                files.open("../a", 0).await.unwrap_err().kind(),
                ErrorKind::Invalid
            );
        });
    }

    #[test]
    fn reads_can_come_in_pieces() {
        let files = MemoryFiles::new().with_chunk_bytes(3);
        files.insert("a", "0123456789");
        let pieces = |offset| -> Vec<Bytes> {
            block_on(async {
                files
                    .open("a", offset)
                    .await
                    .unwrap()
                    .bytes
                    .try_collect()
                    .await
            })
            .unwrap()
        };
        assert_eq!(pieces(2), ["234", "567", "89"]);
        assert!(pieces(10).is_empty() && pieces(99).is_empty());
    }
}
