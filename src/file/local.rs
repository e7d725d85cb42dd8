//! A file store over a directory.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt as _};

use crate::host::{ByteStream, FileStore, FileWriter, OpenedFile, check_file_name};
use crate::{Error, ErrorKind, Result};

/// How much is read at a time.
const READ_BYTES: usize = 256 << 10;

/// The files in a directory and below it.
///
/// Calls read and write with the standard library on the thread that polls them: right for local disks
/// and programs that do one thing, wrong for a network drive under a busy runtime. A file being
/// written is a hidden `.<name>.<unique>.tmp` beside its place; after a crash such a file may
/// stay behind, is never listed, and may be removed.
///
/// Symbolic links are followed by name, and not walked into by [`list`](FileStore::list).
///
/// ```
/// use futures::executor::block_on;
/// use syncline::file::LocalFiles;
/// use syncline::host::FileStore;
///
/// let files = LocalFiles::new(env!("CARGO_MANIFEST_DIR"));
/// assert!(block_on(files.list("examples/"))?.contains(&"examples/quickstart.rs".to_owned()));
/// assert!(block_on(files.open("../outside", 0)).is_err());
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct LocalFiles {
    root: PathBuf,
    syncs: bool,
}

impl LocalFiles {
    /// The files in `root`, which need not exist until a file is read.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        LocalFiles {
            root: root.into(),
            syncs: true,
        }
    }

    /// The same, but a finished file is left to the operating system, which writes it to the disk in its own time, as
    /// `cp` does: quicker, and right where a file can be made again. If the machine loses power soon after, the file may be
    /// missing, empty or cut; a run that ended well has then still lost records, so this is nothing for a ledger of rejects.
    #[must_use]
    pub fn without_sync(mut self) -> Self {
        self.syncs = false;
        self
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, name: &str) -> Result<PathBuf> {
        check_file_name(name)?;
        Ok(self.root.join(name))
    }
}

/// Names the file of a failed call.
fn failed(during: &'static str, name: &str) -> impl FnOnce(io::Error) -> Error {
    let name = name.to_owned();
    move |error| Error::from(error).during(during).with("file", name)
}

#[async_trait]
impl FileStore for LocalFiles {
    async fn open(&self, name: &str, offset: u64) -> Result<OpenedFile> {
        let path = self.path(name)?;
        let mut file = File::open(path).map_err(failed("open", name))?;
        let facts = file.metadata().map_err(failed("open", name))?;
        if facts.is_dir() {
            let message = "this is a directory; name a file in it";
            return Err(Error::new(ErrorKind::Invalid, message)
                .during("open")
                .with("file", name));
        }
        if offset > 0 {
            file.seek(SeekFrom::Start(offset))
                .map_err(failed("open", name))?;
        }
        let bytes = bytes_of(file, name.to_owned());
        Ok(OpenedFile::new(bytes, Some(facts.len())).with_version(version(&facts)))
    }

    async fn create(&self, name: &str) -> Result<Box<dyn FileWriter>> {
        let path = self.path(name)?;
        if path.is_dir() {
            let message = "a directory has this name; choose another";
            return Err(Error::new(ErrorKind::Invalid, message)
                .during("create")
                .with("file", name));
        }
        let writer = LocalWriter::create(name, path, self.syncs).map_err(failed("create", name))?;
        Ok(Box::new(writer))
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>> {
        // Only the directory that the prefix names is walked.
        let inside = match prefix.rsplit_once('/') {
            Some((directory, _)) => {
                check_file_name(directory)?;
                format!("{directory}/")
            }
            None => String::new(),
        };
        let mut names = Vec::new();
        walk(&self.root.join(&inside), &inside, &mut names).map_err(failed("list", prefix))?;
        names.retain(|name| name.starts_with(prefix));
        names.sort_unstable();
        Ok(names)
    }

    async fn remove(&self, name: &str) -> Result<()> {
        match fs::remove_file(self.path(name)?) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("remove", name)(error))
            }
            _ => Ok(()),
        }
    }
}

/// Size and time of the last change, if the file system tells it.
fn version(facts: &fs::Metadata) -> Option<String> {
    let changed = facts.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(format!(
        "{} bytes of {} ns",
        facts.len(),
        changed.as_nanos()
    ))
}

fn bytes_of(file: File, name: String) -> ByteStream {
    stream::unfold(Some((file, name)), |open| async {
        let (mut file, name) = open?;
        let mut piece = Vec::with_capacity(READ_BYTES);
        match (&mut file).take(READ_BYTES as u64).read_to_end(&mut piece) {
            Ok(0) => None,
            Ok(_) => Some((Ok(Bytes::from(piece)), Some((file, name)))),
            Err(error) => Some((Err(failed("read", &name)(error)), None)),
        }
    })
    .boxed()
}

/// Adds the names of the files in `directory` and below; all begin with `inside`.
fn walk(directory: &Path, inside: &str, names: &mut Vec<String>) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        // Nothing was written yet, or it is a file.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(());
        }
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        // A name that is not UTF-8 cannot be asked for either.
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), &format!("{inside}{name}/"), names)?;
        } else if !is_temporary(&name) && (kind.is_file() || entry.path().is_file()) {
            names.push(format!("{inside}{name}"));
        }
    }
    Ok(())
}

fn is_temporary(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".tmp")
}

/// Tells files apart that this process writes; the process number tells processes apart.
static WRITTEN: AtomicU64 = AtomicU64::new(0);

#[derive(Debug)]
struct LocalWriter {
    name: String,
    path: PathBuf,
    temporary: PathBuf,
    syncs: bool,
    /// `None` once finished.
    file: Option<BufWriter<File>>,
}

impl LocalWriter {
    fn create(name: &str, path: PathBuf, syncs: bool) -> io::Result<Self> {
        let directory = path.parent().unwrap_or(Path::new(""));
        fs::create_dir_all(directory)?;
        let last = name.rsplit('/').next().unwrap_or(name);
        loop {
            let unique = WRITTEN.fetch_add(1, Ordering::Relaxed);
            let process = std::process::id();
            let temporary = directory.join(format!(".{last}.{process}-{unique}.tmp"));
            match File::create_new(&temporary) {
                Ok(file) => {
                    return Ok(LocalWriter {
                        name: name.to_owned(),
                        path,
                        temporary,
                        syncs,
                        file: Some(BufWriter::with_capacity(64 << 10, file)),
                    });
                }
                // Left behind by a process of the same number.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn closed(&self) -> Error {
        Error::new(ErrorKind::Closed, "the file was finished; create it anew")
            .with("file", &self.name)
    }
}

#[async_trait]
impl FileWriter for LocalWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        match &mut self.file {
            Some(file) => file.write_all(&bytes).map_err(failed("write", &self.name)),
            None => Err(self.closed().during("write")),
        }
    }

    async fn finish(&mut self) -> Result<()> {
        let Some(file) = &mut self.file else {
            return Err(self.closed().during("finish"));
        };
        let mut finish = || {
            file.flush()?;
            if self.syncs {
                file.get_ref().sync_all()?;
            }
            fs::rename(&self.temporary, &self.path)
        };
        finish().map_err(failed("finish", &self.name))?;
        self.file = None;
        // The new name is durable once its directory is; only Unix can ask for that.
        #[cfg(unix)]
        if let Some(directory) = self.path.parent().filter(|_| self.syncs) {
            let synced = File::open(directory).and_then(|directory| directory.sync_all());
            synced.map_err(failed("finish", &self.name))?;
        }
        Ok(())
    }
}

impl Drop for LocalWriter {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // Nobody is there to be told; the file is hidden anyway.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use futures::TryStreamExt as _;
    use futures::executor::block_on;

    use super::*;

    fn read(files: &LocalFiles, name: &str, offset: u64) -> Result<Vec<u8>> {
        let opened = block_on(files.open(name, offset))?;
        let pieces: Vec<Bytes> = block_on(opened.bytes.try_collect())?;
        Ok(pieces.concat())
    }

    #[test]
    fn a_file_is_there_once_it_is_finished() {
        let folder = tempfile::tempdir().unwrap();
        let files = LocalFiles::new(folder.path().join("new"));
        assert!(block_on(files.list("")).unwrap().is_empty());
        let text = b"0123456789".repeat(100_000);
        block_on(async {
            let mut file = files.create("a/b.csv").await.unwrap();
            file.write(text.clone().into()).await.unwrap();
            assert_eq!(
                files.open("a/b.csv", 0).await.unwrap_err().kind(),
                ErrorKind::NotFound
            );
            assert!(files.list("").await.unwrap().is_empty());
            file.finish().await.unwrap();
            let late = file.write(Bytes::new()).await.unwrap_err();
            assert_eq!(late.kind(), ErrorKind::Closed);
            assert_eq!(file.finish().await.unwrap_err().kind(), ErrorKind::Closed);
            drop(file);
            for name in ["a/c.csv", "ab.csv"] {
                files.create(name).await.unwrap().finish().await.unwrap();
            }
            assert_eq!(
                files.list("").await.unwrap(),
                ["a/b.csv", "a/c.csv", "ab.csv"]
            );
            assert_eq!(files.list("a/").await.unwrap(), ["a/b.csv", "a/c.csv"]);
            assert_eq!(files.list("a/c").await.unwrap(), ["a/c.csv"]);
            assert!(files.list("ab.csv/").await.unwrap().is_empty());
        });
        assert_eq!(read(&files, "a/b.csv", 0).unwrap(), text);
        assert_eq!(read(&files, "a/b.csv", 999_995).unwrap(), b"56789");
        assert_eq!(read(&files, "a/b.csv", 9_999_999).unwrap(), b"");
        block_on(files.remove("a/b.csv")).unwrap();
        block_on(files.remove("a/b.csv")).unwrap();
        assert_eq!(
            read(&files, "a/b.csv", 0).unwrap_err().kind(),
            ErrorKind::NotFound
        );
    }

    #[test]
    fn a_writer_that_is_dropped_leaves_the_older_file() {
        let folder = tempfile::tempdir().unwrap();
        let files = LocalFiles::new(folder.path());
        fs::write(folder.path().join("a.csv"), "old").unwrap();
        block_on(async {
            let mut file = files.create("a.csv").await.unwrap();
            file.write("new".into()).await.unwrap();
        });
        assert_eq!(read(&files, "a.csv", 0).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let files = LocalFiles::new(folder.path());
        fs::create_dir(folder.path().join("sub")).unwrap();
        for name in [
            "",
            "/etc/passwd",
            "..",
            "a/../b",
            "a//b",
            "./a",
            "a/.",
            "a/",
            "a\\b",
            "a\0b",
            "C:/a",
        ] {
            block_on(async {
                assert_eq!(
                    files.open(name, 0).await.unwrap_err().kind(),
                    ErrorKind::Invalid
                );
                assert_eq!(
                    files.create(name).await.unwrap_err().kind(),
                    ErrorKind::Invalid
                );
                assert_eq!(
                    files.remove(name).await.unwrap_err().kind(),
                    ErrorKind::Invalid
                );
            });
        }
        block_on(async {
            assert_eq!(
                files.list("../").await.unwrap_err().kind(),
                ErrorKind::Invalid
            );
            let error = files.open("sub", 0).await.unwrap_err();
            assert!(error.to_string().contains("is a directory"), "{error}");
            assert_eq!(
                files.create("sub").await.unwrap_err().kind(),
                ErrorKind::Invalid
            );
        });
    }
}
