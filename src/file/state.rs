//! State in a directory, shared by processes.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;

use crate::host::{
    Expected, StateKey, StateKind, StateStore, StateVersion, Stored, Swap, check_value,
};
use crate::name::Tenant;
use crate::{Error, ErrorKind, Result};

/// A [`StateStore`] in a directory, for any number of processes of one machine.
///
/// A value is the file `<key's path>.state`, replaced as a whole: a lock on `<key's path>.lock`, a look at what is there, a
/// temporary file that is written to the disk, renamed, and the directory written to the disk. A process that is killed at
/// any moment leaves the old value or the new one, and no lock. Lock files stay, since one that is removed
/// could be locked by two; they also keep a deleted value's version from being given out again.
///
/// Calls read and write on the thread that polls them, and wait there for another process that changes the same key, which
/// takes as long as the disk does. Locks are advisory (`flock`, `LockFileEx`): many network drives do not have them, so use a local
/// disk, or an object store (feature `object-store`) where several machines share state.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path();
/// use syncline::Tenant;
/// use syncline::file::LocalState;
/// use syncline::host::{Expected, StateKey, StateKind, StateStore};
///
/// let store = LocalState::new(path);
/// let key = StateKey::new(&Tenant::new("acme")?, StateKind::Checkpoint, ["nightly"])?;
/// futures::executor::block_on(async {
///     let _ = store.put(&key, "1".into(), Expected::Absent).await?;
///     // Another process would open the same directory.
///     let other = LocalState::new(path);
///     assert_eq!(other.get(&key).await?.unwrap().bytes, "1");
///     Ok::<(), syncline::Error>(())
/// })?;
/// assert!(path.join("acme/checkpoint/nightly.state").is_file());
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct LocalState {
    root: PathBuf,
}

/// What a value's file begins with; then comes the version, eight bytes, low first; then the value.
const MAGIC: &[u8; 8] = b"slstate1";
const VALUE: &str = ".state";

impl LocalState {
    /// The state in `root`, which is made when something is put there. Nothing else should be in it.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        LocalState { root: root.into() }
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, key: &StateKey, ending: &str) -> PathBuf {
        self.root.join(format!("{}{ending}", key.path()))
    }

    fn read(&self, key: &StateKey) -> Result<Option<(u64, Bytes)>> {
        let bytes = match fs::read(self.path(key, VALUE)) {
            Err(error) if is_absent(&error) => return Ok(None),
            bytes => Bytes::from(bytes.map_err(failed("get state", key))?),
        };
        let version = bytes.strip_prefix(MAGIC);
        match version.and_then(|rest| rest.first_chunk()) {
            Some(version) => {
                let value = bytes.slice(MAGIC.len() + version.len()..);
                Ok(Some((u64::from_le_bytes(*version), value)))
            }
            None => {
                let message = "this file of saved state is damaged; put back a copy of it, or delete it to begin anew";
                Err(Error::new(ErrorKind::CorruptState, message)
                    .during("get state")
                    .with("file", self.path(key, VALUE).display()))
            }
        }
    }

    /// Puts a value in place of the old one; the lock is held.
    fn replace(&self, key: &StateKey, version: u64, value: &[u8]) -> io::Result<()> {
        let path = self.path(key, VALUE);
        // One name is enough: who has the lock writes alone, and what a killed process left is overwritten.
        let temporary = self.path(key, ".tmp");
        let mut file = File::create(&temporary)?;
        file.write_all(&[MAGIC, &version.to_le_bytes(), value].concat())?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        self.sync_directory(&path)
    }

    /// Makes the directory of a key, durably; gives back whether it was missing.
    fn make_directory(&self, key: &StateKey) -> io::Result<()> {
        let path = self.path(key, VALUE);
        let Some(directory) = path.parent() else {
            return Ok(());
        };
        let missing = directory.ancestors().take_while(|above| !above.exists());
        let missing: Vec<&Path> = missing.collect();
        if !missing.is_empty() {
            fs::create_dir_all(directory)?;
        }
        // A directory that was made is durable once the one above it is.
        missing
            .into_iter()
            .try_for_each(|made| self.sync_directory(made))
    }

    /// Makes durable which files are in the directory of this one. Only Unix can ask for that.
    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        #[cfg(unix)]
        if let Some(directory) = path.parent() {
            // The parent of a plain relative name is the empty path.
            let here = directory.as_os_str().is_empty();
            File::open(if here { Path::new(".") } else { directory })?.sync_all()?;
        }
        let _ = path;
        Ok(())
    }

    /// Does `change` while no other process or thread changes the key. Without a value there may be no directory either; then
    /// `None`, unless it is to be made.
    fn locked<T>(
        &self,
        key: &StateKey,
        make: bool,
        during: &'static str,
        change: impl FnOnce(&mut Lock) -> Result<T>,
    ) -> Result<Option<T>> {
        if make {
            self.make_directory(key).map_err(failed(during, key))?;
        }
        let path = self.path(key, ".lock");
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path);
        let file = match opened {
            Err(error) if !make && is_absent(&error) => return Ok(None),
            file => file.map_err(failed(during, key))?,
        };
        fs4::FileExt::lock(&file).map_err(failed(during, key))?;
        // Closing the file unlocks it, also when the process is killed.
        change(&mut Lock(file)).map(Some)
    }
}

/// The lock file of a key, locked. It holds the version of the last value that was deleted.
#[derive(Debug)]
struct Lock(File);

impl Lock {
    /// The version of the last value that was deleted, 0 if none was.
    fn deleted(&mut self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.0.seek(SeekFrom::Start(0))?;
        match self.0.read_exact(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            read => read.map(|()| u64::from_le_bytes(bytes)),
        }
    }

    fn set_deleted(&mut self, version: u64) -> io::Result<()> {
        self.0.seek(SeekFrom::Start(0))?;
        self.0.write_all(&version.to_le_bytes())?;
        self.0.sync_all()
    }
}

fn version_of(number: u64) -> StateVersion {
    StateVersion::new(number.to_string())
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Names the key of a failed call.
fn failed(during: &'static str, key: &StateKey) -> impl Fn(io::Error) -> Error {
    let key = key.clone();
    move |error| Error::from(error).during(during).with("key", &key)
}

#[async_trait]
impl StateStore for LocalState {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>> {
        let read = self.read(key)?;
        Ok(read.map(|(version, bytes)| Stored::new(bytes, version_of(version))))
    }

    async fn put(&self, key: &StateKey, bytes: Bytes, expected: Expected) -> Result<Swap> {
        const DURING: &str = "put state";
        check_value(key, &bytes)?;
        let make = expected == Expected::Absent;
        let put = self.locked(key, make, DURING, |lock| {
            let present = self.read(key)?.map(|(version, _)| version);
            let as_expected = match (&expected, present) {
                (Expected::Absent, present) => present.is_none(),
                (Expected::Version(version), Some(present)) => *version == version_of(present),
                (Expected::Version(_), None) => false,
            };
            if !as_expected {
                return Ok(Swap::Conflict);
            }
            let last = match present {
                Some(present) => present,
                None => lock.deleted().map_err(failed(DURING, key))?,
            };
            let version = last.wrapping_add(1);
            self.replace(key, version, &bytes)
                .map_err(failed(DURING, key))?;
            Ok(Swap::Done(version_of(version)))
        });
        Ok(put?.unwrap_or(Swap::Conflict))
    }

    async fn delete(&self, key: &StateKey, expected: StateVersion) -> Result<bool> {
        const DURING: &str = "delete state";
        let deleted = self.locked(key, false, DURING, |lock| {
            let present = self.read(key)?.map(|(version, _)| version);
            let Some(present) = present.filter(|&present| version_of(present) == expected) else {
                return Ok(false);
            };
            let path = self.path(key, VALUE);
            lock.set_deleted(present)
                .and_then(|()| fs::remove_file(&path))
                .and_then(|()| self.sync_directory(&path))
                .map_err(failed(DURING, key))?;
            Ok(true)
        });
        Ok(deleted?.unwrap_or(false))
    }

    async fn list(
        &self,
        tenant: &Tenant,
        kind: StateKind,
        start_after: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<StateKey>> {
        let prefix = StateKey::prefix(tenant, kind);
        let mut keys = BTreeSet::new();
        walk(&self.root.join(&prefix), &prefix, &mut |path| {
            let key = StateKey::from_path(path)?;
            if start_after.is_none_or(|after| key > *after) {
                keys.insert(key);
                if keys.len() > limit {
                    keys.pop_last();
                }
            }
            Ok(())
        })?;
        Ok(keys.into_iter().collect())
    }
}

/// Visits the paths of the values in `directory` and below, all of which begin with `inside`.
fn walk(directory: &Path, inside: &str, visit: &mut impl FnMut(&str) -> Result<()>) -> Result<()> {
    let failed = |error| {
        Error::from(error)
            .during("list state")
            .with("directory", directory.display())
    };
    let entries = match fs::read_dir(directory) {
        Err(error) if is_absent(&error) => return Ok(()),
        entries => entries.map_err(failed)?,
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        // No name of ours is anything but ASCII.
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if entry.file_type().map_err(failed)?.is_dir() {
            walk(&entry.path(), &format!("{inside}{name}/"), visit)?;
        } else if let Some(name) = name.strip_suffix(VALUE) {
            visit(&format!("{inside}{name}"))?;
        }
    }
    Ok(())
}
