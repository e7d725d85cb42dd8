//! A state store of your own: all state in one file of JSON, which processes change in turn. A job that was stopped halfway is
//! gone on with by another process that knows nothing but the file.
//!
//! The folder is the argument, by default one in the folder for temporary files.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use fs4::FileExt as _;
use serde::{Deserialize, Serialize};
use syncline::host::{
    Context, Expected, StateKey, StateKind, StateStore, StateVersion, Stored, Swap, probe,
};
use syncline::job::{Job, RunRequest, SyncJob};
use syncline::memory::{Commits, MemoryConnection, MemoryDataset, MemoryRejects};
use syncline::record::{Field, FieldType, RecordBuilder, Schema};
use syncline::spec::{DestinationSpec, FieldMapping, Identity, MappingSpec, ObjectSpec, WriteMode};
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
        FileExt::lock(&lock)?;
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
            let is = kept
                .values
                .get(key.path())
                .map(|(number, _)| version(*number));
            let expected = match expected {
                Expected::Absent => None,
                Expected::Version(version) => Some(version),
            };
            if is != expected {
                return Swap::Conflict;
            }
            kept.changes += 1;
            kept.values
                .insert(key.path().to_owned(), (kept.changes, bytes.to_vec()));
            Swap::Done(version(kept.changes))
        })
    }

    async fn delete(&self, key: &StateKey, expected: StateVersion) -> Result<bool> {
        self.alone(|kept| {
            let is = kept
                .values
                .get(key.path())
                .map(|(number, _)| version(*number));
            let as_expected = is == Some(expected);
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
        let paths: Vec<String> = self.alone(|kept| kept.values.keys().cloned().collect())?;
        let keys = paths
            .iter()
            .map(|path| StateKey::from_path(path))
            .collect::<Result<Vec<_>>>()?;
        let wanted = |key: &StateKey| {
            key.tenant() == of && key.kind() == kind && start_after.is_none_or(|start| key > start)
        };
        Ok(keys.into_iter().filter(wanted).take(limit).collect())
    }
}

async fn run(folder: PathBuf) -> Result<()> {
    let (context, tenant) = (Context::new(), Tenant::new("acme")?);
    probe(&context, &OneFile::new(folder.clone())?, &tenant).await?;
    let name = || vec![Field::new("name", FieldType::Text)];
    let mut rows = RecordBuilder::new(&Schema::new(name()));
    for number in 0..10 {
        let pushed = rows.push(&serde_json::json!({"name": format!("name {number}")}));
        pushed.map_err(|refusal| Error::new(ErrorKind::Malformed, refusal.message))?;
    }
    let names = Arc::new(MemoryDataset::new(
        "names",
        Schema::new(name()),
        vec![rows.finish()?],
    )?);
    let home = MemoryConnection::new("home").with_object(&ObjectSpec::new(
        "person",
        Identity::Generated,
        name(),
    ))?;
    let home = home.with_commits(Commits::WithCheckpoint);
    for _ in 0..2 {
        let mapping = MappingSpec::new(vec![FieldMapping::direct("name", "name")]);
        let spec = DestinationSpec::new("person", WriteMode::Insert, mapping);
        let job = SyncJob::new("people", names.clone()).to(Arc::new(home.clone()), spec);
        // The run of this name was made already, says the file to the second one.
        let request = RunRequest::new(Arc::new(MemoryRejects::new())).with_run("Monday");
        let store = Arc::new(OneFile::new(folder.clone())?);
        let report = job
            .run(&context, request.with_state(tenant.clone(), store))
            .await?;
        println!("{report}");
    }
    println!(
        "{} people",
        home.object("person").map_or(0, |object| object.len())
    );
    Ok(())
}

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| std::env::temp_dir().join("own_store"));
    futures::executor::block_on(run(folder))
}
