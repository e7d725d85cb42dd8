//! Small pieces of state that outlive a run, changed by compare-and-swap only.

mod key;
mod probe;
mod saved;

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use crate::Result;
use crate::name::Tenant;

pub use key::{StateKey, StateKind};
pub use probe::probe;
pub use saved::Saved;

/// A store's word for what a key holds at present. Only the store that gave it out can read it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StateVersion(Box<str>);

impl StateVersion {
    /// A version that a store gives out.
    pub fn new(token: impl Into<Box<str>>) -> Self {
        StateVersion(token.into())
    }

    /// The store's own spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    /// The bytes, as they were put.
    pub bytes: Bytes,
    /// What to expect when they are changed.
    pub version: StateVersion,
}

impl Stored {
    /// These bytes at this version.
    pub fn new(bytes: Bytes, version: StateVersion) -> Self {
        Stored { bytes, version }
    }
}

/// What must be there for a [`put`](StateStore::put) to be done. There is no blind write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Nothing.
    Absent,
    /// This version.
    Version(StateVersion),
}

/// What became of a [`put`](StateStore::put).
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a conflict means that nothing was written"]
pub enum Swap {
    /// It was done, and this is the version now.
    Done(StateVersion),
    /// Something else is there than was expected; nothing was changed.
    Conflict,
}

/// Keeps small values under keys: checkpoints, leases.
///
/// **Contract.**
/// - `put` and `delete` look and write in one step: of any number of callers, in any number of processes, that expect
///   the same version one is done and all others hear of a conflict. Keys are independent of each other.
/// - What was done is durable, and every later `get` and `list` sees it.
/// - Other bytes get another version, also after a delete; whether the very same bytes get the same version again is
///   the store's affair. So who must not be taken for somebody else writes bytes that were never there before.
/// - A value has one byte at least; an empty one is refused as [`Invalid`](crate::ErrorKind::Invalid).
/// - After an error nobody knows whether a change was made: read again.
///
/// ```
/// # futures::executor::block_on(async {
/// use syncline::Tenant;
/// use syncline::host::{Expected, StateKey, StateKind, StateStore, Swap};
/// use syncline::memory::MemoryState;
///
/// let store = MemoryState::new();
/// let key = StateKey::new(&Tenant::new("acme")?, StateKind::Checkpoint, ["nightly", "users"])?;
/// let Swap::Done(first) = store.put(&key, "1".into(), Expected::Absent).await? else { unreachable!() };
/// // Whoever still believes that nothing is there is too late.
/// assert_eq!(store.put(&key, "2".into(), Expected::Absent).await?, Swap::Conflict);
/// assert!(matches!(store.put(&key, "2".into(), Expected::Version(first)).await?, Swap::Done(_)));
/// assert_eq!(store.get(&key).await?.unwrap().bytes, "2");
/// # Ok::<(), syncline::Error>(())
/// # }).unwrap();
/// ```
#[async_trait]
pub trait StateStore: fmt::Debug + Send + Sync {
    /// What a key holds; `None` if nothing was put, or it was deleted.
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>>;
    /// Puts bytes in place of what is expected.
    async fn put(&self, key: &StateKey, bytes: Bytes, expected: Expected) -> Result<Swap>;
    /// Removes what a key holds, if it is this version still; `false` says that it is not, and that nothing was changed.
    async fn delete(&self, key: &StateKey, expected: StateVersion) -> Result<bool>;
    /// The keys of a tenant and a kind that hold something, in order, from behind `start_after` on; at most `limit`.
    async fn list(
        &self,
        tenant: &Tenant,
        kind: StateKind,
        start_after: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<StateKey>>;
}

/// A value of no bytes is refused, by every store alike.
pub(crate) fn check_value(key: &StateKey, bytes: &Bytes) -> Result<()> {
    if bytes.is_empty() {
        let message = "saved state has no bytes; delete the key instead";
        return Err(crate::Error::new(crate::ErrorKind::Invalid, message)
            .during("put state")
            .with("key", key));
    }
    Ok(())
}
