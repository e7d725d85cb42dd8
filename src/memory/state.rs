//! State kept in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use crate::Result;
use crate::host::{
    Expected, StateKey, StateKind, StateStore, StateVersion, Stored, Swap, check_value,
};
use crate::name::Tenant;

/// A [`StateStore`] in memory. Clones share what it holds; what outlives the process is nothing.
///
/// ```
/// use syncline::Tenant;
/// use syncline::host::{Expected, StateKey, StateKind, StateStore};
/// use syncline::memory::MemoryState;
///
/// let store = MemoryState::new();
/// let tenant = Tenant::new("acme")?;
/// let key = StateKey::new(&tenant, StateKind::Checkpoint, ["nightly"])?;
/// futures::executor::block_on(async {
///     let _ = store.put(&key, "1".into(), Expected::Absent).await?;
///     assert_eq!(store.list(&tenant, StateKind::Checkpoint, None, 10).await?, [key]);
///     Ok::<(), syncline::Error>(())
/// })
/// # ?; Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct MemoryState(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    values: BTreeMap<StateKey, Stored>,
    /// The versions given out so far, of all keys.
    versions: u64,
}

impl MemoryState {
    /// A store that holds nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Each lock guards a single change, which no panic can leave half done.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl StateStore for MemoryState {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>> {
        Ok(self.kept().values.get(key).cloned())
    }

    async fn put(&self, key: &StateKey, bytes: Bytes, expected: Expected) -> Result<Swap> {
        check_value(key, &bytes)?;
        let mut kept = self.kept();
        let present = kept.values.get(key).map(|stored| &stored.version);
        let as_expected = match &expected {
            Expected::Absent => present.is_none(),
            Expected::Version(version) => present == Some(version),
        };
        if !as_expected {
            return Ok(Swap::Conflict);
        }
        kept.versions += 1;
        let version = StateVersion::new(kept.versions.to_string());
        let stored = Stored::new(bytes, version.clone());
        kept.values.insert(key.clone(), stored);
        Ok(Swap::Done(version))
    }

    async fn delete(&self, key: &StateKey, expected: StateVersion) -> Result<bool> {
        let mut kept = self.kept();
        let present = kept.values.get(key).map(|stored| &stored.version);
        let as_expected = present == Some(&expected);
        if as_expected {
            kept.values.remove(key);
        }
        Ok(as_expected)
    }

    async fn list(
        &self,
        tenant: &Tenant,
        kind: StateKind,
        start_after: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<StateKey>> {
        let prefix = StateKey::prefix(tenant, kind);
        // Of another kind or tenant it may be, and then stand in front of all that are asked for.
        let behind = start_after.map(StateKey::path);
        let from = match behind {
            Some(path) if *path >= *prefix => Bound::Excluded(path),
            _ => Bound::Included(&*prefix),
        };
        let kept = self.kept();
        let keys = kept.values.range::<str, _>((from, Bound::Unbounded));
        let of_kind = keys
            .map(|(key, _)| key)
            .take_while(|key| key.path().starts_with(&prefix));
        Ok(of_kind.take(limit).cloned().collect())
    }
}
