//! A state store of your own: all state in one file of JSON, which processes change in turn. It is tried out, and counts how often
//! the program was started.
//!
//! The folder is the argument, by default one in the folder for temporary files.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use syncline::host::*;
use syncline::{Error, ErrorKind, Result, Tenant};

/// A folder with a file `state.json`.
#[derive(Debug, Clone)]
pub struct OneFile(PathBuf);

/// What the file holds. A version is the number of the change that made it, of all keys: so it never comes again.
#[derive(Default, Serialize, Deserialize)]
struct Kept {
    changes: u64,
    values: BTreeMap<String, (u64, Vec<u8>)>,
}

impl Kept {
    fn version(&self, key: &StateKey) -> Option<StateVersion> {
        let value = self.values.get(key.path());
        value.map(|(number, _)| version(*number))
    }
}

impl OneFile {
    /// The state in a folder, which is made.
    pub fn new(folder: PathBuf) -> Result<Self> {
        fs::create_dir_all(&folder)?;
        Ok(OneFile(folder))
    }

    /// Works on what is kept while nobody else does, and keeps it if it was changed. Whoever dies lets the lock go.
    fn alone<T>(&self, work: impl FnOnce(&mut Kept) -> T) -> Result<T> {
        let lock = File::options()
            .create(true)
            .append(true)
            .open(self.0.join("lock"))?;
        fs4::FileExt::lock(&lock)?;
        let (file, new) = (self.0.join("state.json"), self.0.join("state.new"));
        let broken =
            |error| Error::new(ErrorKind::CorruptState, "state.json is no state").because(error);
        let mut kept: Kept = match fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text).map_err(broken)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Kept::default(),
            Err(error) => return Err(error.into()),
        };
        let before = kept.changes;
        let answer = work(&mut kept);
        if kept.changes > before {
            // Another file takes its place when it is on the disk: there is no moment with half a file.
            fs::write(&new, serde_json::to_vec(&kept).map_err(broken)?)?;
            File::open(&new)?.sync_all()?;
            fs::rename(&new, &file)?;
        }
        Ok(answer)
    }
}

fn version(number: u64) -> StateVersion {
    StateVersion::new(number.to_string())
}

#[async_trait]
impl StateStore for OneFile {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>> {
        let value = self.alone(|kept| kept.values.get(key.path()).cloned())?;
        Ok(value.map(|(number, bytes)| Stored::new(bytes.into(), version(number))))
    }

    async fn put(&self, key: &StateKey, bytes: Bytes, expected: Expected) -> Result<Swap> {
        if bytes.is_empty() {
            return Err(Error::new(ErrorKind::Invalid, "saved state has no bytes").with("key", key));
        }
        self.alone(|kept| {
            let expected = match expected {
                Expected::Absent => None,
                Expected::Version(version) => Some(version),
            };
            if kept.version(key) != expected {
                return Swap::Conflict;
            }
            kept.changes += 1;
            let value = (kept.changes, bytes.to_vec());
            kept.values.insert(key.path().to_owned(), value);
            Swap::Done(version(kept.changes))
        })
    }

    async fn delete(&self, key: &StateKey, expected: StateVersion) -> Result<bool> {
        self.alone(|kept| {
            let as_expected = kept.version(key) == Some(expected);
            if as_expected {
                kept.changes += 1;
                kept.values.remove(key.path());
            }
            as_expected
        })
    }

    async fn list(
        &self,
        of: &Tenant,
        kind: StateKind,
        start_after: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<StateKey>> {
        let key = |path: &String| StateKey::from_path(path);
        let keys: Result<Vec<_>> = self.alone(|kept| kept.values.keys().map(key).collect())?;
        let behind = |key: &StateKey| start_after.is_none_or(|start| key > start);
        let wanted = |key: &StateKey| key.tenant() == of && key.kind() == kind && behind(key);
        Ok(keys?.into_iter().filter(wanted).take(limit).collect())
    }
}

/// Counts the starts of this program, any number of which may be under way.
async fn count(folder: PathBuf) -> Result<u64> {
    let (tenant, store) = (Tenant::new("acme")?, OneFile::new(folder)?);
    probe(&Context::new(), &store, &tenant).await?;
    let key = StateKey::new(&tenant, StateKind::Checkpoint, ["starts"])?;
    loop {
        let stored = store.get(&key).await?;
        let text = |is: &Stored| String::from_utf8_lossy(&is.bytes).parse().unwrap_or(0);
        let next: u64 = stored.as_ref().map_or(0, text) + 1;
        let expected = stored.map(|is| Expected::Version(is.version));
        let expected = expected.unwrap_or(Expected::Absent);
        // Whoever was quicker counts first.
        if let Swap::Done(_) = store.put(&key, next.to_string().into(), expected).await? {
            return Ok(next);
        }
    }
}

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| std::env::temp_dir().join("own_store"));
    println!("start {}", futures::executor::block_on(count(folder))?);
    Ok(())
}
