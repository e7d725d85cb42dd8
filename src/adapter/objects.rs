//! State in an object store.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::TryStreamExt as _;
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore, PutMode, PutOptions, UpdateVersion};

use crate::host::{
    Expected, StateKey, StateKind, StateStore, StateVersion, Stored, Swap, check_value,
};
use crate::name::Tenant;
use crate::{Error, ErrorKind, Result, Retry};

/// A [`StateStore`] in an object store, for any number of machines: each key is an object, changed by conditional
/// puts only (`If-None-Match`, `If-Match` or what the store has in their place).
///
/// Not every store that speaks S3 minds the conditions, and one that does not loses checkpoints without a word. So
/// [`probe`](crate::host::probe()) the store before it is used for the first time.
///
/// Stores have no conditional delete: a key that was deleted is left as an object without bytes, which this store takes for nothing.
/// Such objects may be removed by an expiry rule of the bucket when nothing runs.
///
/// ```
/// # futures::executor::block_on(async {
/// use std::sync::Arc;
/// use object_store::memory::InMemory;
/// use syncline::Tenant;
/// use syncline::adapter::ObjectStoreState;
/// use syncline::host::{Context, Expected, StateKey, StateKind, StateStore, probe};
///
/// let tenant = Tenant::new("acme")?;
/// let store = ObjectStoreState::new(Arc::new(InMemory::new()));
/// probe(&Context::new(), &store, &tenant).await?;
/// let key = StateKey::new(&tenant, StateKind::Checkpoint, ["nightly"])?;
/// let _ = store.put(&key, "1".into(), Expected::Absent).await?;
/// assert_eq!(store.get(&key).await?.unwrap().bytes, "1");
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct ObjectStoreState {
    store: Arc<dyn ObjectStore>,
}

impl ObjectStoreState {
    /// The state in a store. For a place below its root take a
    /// [`PrefixStore`](object_store::prefix::PrefixStore); nothing else should be there.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        ObjectStoreState { store }
    }

    /// What is there, an object without bytes included.
    async fn read(&self, key: &StateKey) -> Result<Option<Stored>> {
        let failed_here = |error| failed("get state", error).with("key", key);
        let found = match self
            .store
            .get_opts(&path(key)?, GetOptions::default())
            .await
        {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            found => found.map_err(failed_here)?,
        };
        let version = spell(found.meta.e_tag.as_deref(), found.meta.version.as_deref())
            .ok_or_else(|| unversioned(key))?;
        let bytes = found.bytes().await.map_err(failed_here)?;
        Ok(Some(Stored::new(bytes, version)))
    }

    async fn write(&self, key: &StateKey, bytes: Bytes, mode: PutMode) -> Result<Swap> {
        let options = PutOptions::from(mode);
        match self
            .store
            .put_opts(&path(key)?, bytes.into(), options)
            .await
        {
            Ok(done) => spell(done.e_tag.as_deref(), done.version.as_deref())
                .map(Swap::Done)
                .ok_or_else(|| unversioned(key)),
            // An object that is to be replaced, and is gone, is not found.
            Err(
                object_store::Error::AlreadyExists { .. }
                | object_store::Error::Precondition { .. }
                | object_store::Error::NotFound { .. },
            ) => Ok(Swap::Conflict),
            Err(error) => Err(failed("put state", error).with("key", key)),
        }
    }
}

fn path(key: &StateKey) -> Result<Path> {
    Path::parse(key.path())
        .map_err(|error| Error::contract("a key has no path in an object store").because(error))
}

/// A version as one word: both that stores use, each with a letter in front, so that none is taken for the other.
fn spell(e_tag: Option<&str>, version: Option<&str>) -> Option<StateVersion> {
    match (e_tag, version) {
        (None, None) => None,
        (Some(e_tag), None) => Some(StateVersion::new(format!("e{e_tag}"))),
        (None, Some(version)) => Some(StateVersion::new(format!("v{version}"))),
        (Some(e_tag), Some(version)) => Some(StateVersion::new(format!(
            "b{}:{e_tag}{version}",
            e_tag.len()
        ))),
    }
}

/// The reverse; `None` for the version of another store.
fn read_version(version: &StateVersion) -> Option<UpdateVersion> {
    let (letter, rest) = version.as_str().split_at_checked(1)?;
    let (e_tag, version) = match letter {
        "e" => (Some(rest), None),
        "v" => (None, Some(rest)),
        "b" => {
            let (length, both) = rest.split_once(':')?;
            let (e_tag, version) = both.split_at_checked(length.parse().ok()?)?;
            (Some(e_tag), Some(version))
        }
        _ => return None,
    };
    Some(UpdateVersion {
        e_tag: e_tag.map(str::to_owned),
        version: version.map(str::to_owned),
    })
}

fn unversioned(key: &StateKey) -> Error {
    let message = "this object store gives no versions (ETag), so two runs could overwrite each other; use another one";
    Error::new(ErrorKind::Unsupported, message).with("key", key)
}

/// What a failed call says. The crate's own errors name places and no content.
fn failed(during: &'static str, error: object_store::Error) -> Error {
    let (kind, message) = match &error {
        object_store::Error::NotSupported { .. } | object_store::Error::NotImplemented { .. } => (
            ErrorKind::Unsupported,
            "this object store has no conditional puts, or they are switched off; switch them on, or use another one",
        ),
        object_store::Error::PermissionDenied { .. }
        | object_store::Error::Unauthenticated { .. } => (
            ErrorKind::Io,
            "the object store refuses these credentials; check them and what they may do",
        ),
        _ => (ErrorKind::Io, "the object store failed"),
    };
    // What failed on the way may pass; a refusal does not.
    let retry = match &error {
        object_store::Error::Generic { .. } => Retry::Now,
        _ => Retry::Never,
    };
    Error::new(kind, message)
        .retrying(retry)
        .during(during)
        .because(error)
}

#[async_trait]
impl StateStore for ObjectStoreState {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>> {
        let read = self.read(key).await?;
        Ok(read.filter(|stored| !stored.bytes.is_empty()))
    }

    async fn put(&self, key: &StateKey, bytes: Bytes, expected: Expected) -> Result<Swap> {
        check_value(key, &bytes)?;
        let version = match expected {
            Expected::Version(version) => version,
            Expected::Absent => {
                let created = self.write(key, bytes.clone(), PutMode::Create).await?;
                if created != Swap::Conflict {
                    return Ok(created);
                }
                // It may be in the way of what was deleted.
                match self.read(key).await? {
                    Some(stored) if stored.bytes.is_empty() => stored.version,
                    _ => return Ok(Swap::Conflict),
                }
            }
        };
        match read_version(&version) {
            Some(version) => self.write(key, bytes, PutMode::Update(version)).await,
            None => Ok(Swap::Conflict),
        }
    }

    async fn delete(&self, key: &StateKey, expected: StateVersion) -> Result<bool> {
        let Some(version) = read_version(&expected) else {
            return Ok(false);
        };
        let emptied = self
            .write(key, Bytes::new(), PutMode::Update(version))
            .await?;
        Ok(emptied != Swap::Conflict)
    }

    async fn list(
        &self,
        tenant: &Tenant,
        kind: StateKind,
        start_after: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<StateKey>> {
        let prefix = StateKey::prefix(tenant, kind);
        let failed = |error| failed("list state", error).with("prefix", &prefix);
        let below = Path::parse(&prefix).map_err(|error| {
            Error::contract("a key has no path in an object store").because(error)
        })?;
        let mut objects = match start_after {
            Some(after) => self.store.list_with_offset(Some(&below), &path(after)?),
            None => self.store.list(Some(&below)),
        };
        // Not every store lists in order.
        let mut keys = BTreeSet::new();
        while let Some(object) = objects.try_next().await.map_err(failed)? {
            if object.size > 0 {
                keys.insert(StateKey::from_path(object.location.as_ref())?);
                if keys.len() > limit {
                    keys.pop_last();
                }
            }
        }
        Ok(keys.into_iter().collect())
    }
}
