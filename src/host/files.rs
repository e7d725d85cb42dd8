//! Files, wherever they are.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::Result;

/// Bytes in order, in pieces of any size.
pub type ByteStream = BoxStream<'static, Result<Bytes>>;

/// A file that was opened for reading.
#[non_exhaustive]
pub struct OpenedFile {
    /// Its bytes from the asked offset on; nothing is read before the first poll.
    pub bytes: ByteStream,
    /// The whole file's size, if the store knows it.
    pub size: Option<u64>,
    /// Which version of the file this is, in the store's own words, if it can tell: an ETag, or size and time of its last
    /// change. A file whose version changed is read from its beginning.
    pub version: Option<String>,
}

impl OpenedFile {
    /// An opened file of these bytes.
    pub fn new(bytes: ByteStream, size: Option<u64>) -> Self {
        OpenedFile {
            bytes,
            size,
            version: None,
        }
    }

    /// The same, of this version.
    #[must_use]
    pub fn with_version(mut self, version: Option<String>) -> Self {
        self.version = version;
        self
    }
}

impl fmt::Debug for OpenedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenedFile")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// Named files: a directory, a bucket, a map in memory.
///
/// **Contract.** A name is relative, its parts are separated by `/`, and no part is empty, `.` or
/// `..`; a store refuses others with [`Invalid`](crate::ErrorKind::Invalid). A file that is being written is not seen by `open` or
/// `list` until [`FileWriter::finish`] has answered; then it is there whole, in place of an older one.
#[async_trait]
pub trait FileStore: fmt::Debug + Send + Sync {
    /// Opens a file for reading from byte `offset` on.
    async fn open(&self, name: &str, offset: u64) -> Result<OpenedFile>;
    /// Begins a file.
    async fn create(&self, name: &str) -> Result<Box<dyn FileWriter>>;
    /// The names that begin with `prefix`, sorted.
    async fn list(&self, prefix: &str) -> Result<Vec<String>>;
    /// Removes a file; no file of that name is fine.
    async fn remove(&self, name: &str) -> Result<()>;
}

/// A file being written. Dropping it leaves no file.
#[async_trait]
pub trait FileWriter: fmt::Debug + Send {
    /// Appends bytes.
    async fn write(&mut self, bytes: Bytes) -> Result<()>;
    /// Makes the file durable and visible, atomically; the writer is closed after that.
    async fn finish(&mut self) -> Result<()>;
}
