//! Values of a workspace in its state store.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::host::{Context, Expected, Saved, StateKey, StateStore, StateVersion, Swap, unique};
use crate::policy::{Patience, RetryPolicy, Timeouts};
use crate::{Error, ErrorKind, Result};

/// The newest format of all documents.
const FORMAT: u8 = 1;
/// How often a change is made anew when others were faster.
pub(super) const TRIES: u32 = 100;

/// A value as it is saved.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<T> {
    /// Drawn by chance, so that no two writers ever save the same bytes.
    entry: String,
    value: T,
}

/// A state store with patience, whose values are documents.
#[derive(Debug)]
pub(super) struct Documents<'a> {
    context: &'a Context,
    store: Arc<dyn StateStore>,
}

impl<'a> Documents<'a> {
    pub(super) fn new(context: &'a Context, store: &Arc<dyn StateStore>) -> Self {
        let patience = Patience::new(context, RetryPolicy::default(), Timeouts::default());
        Documents {
            context,
            store: patience.state(Arc::clone(store)),
        }
    }

    pub(super) fn store(&self) -> &Arc<dyn StateStore> {
        &self.store
    }

    /// What is saved under a key.
    pub(super) async fn load<T: DeserializeOwned>(&self, key: &StateKey) -> Result<Option<T>> {
        Ok(self.found(key).await?.map(|(value, _)| value))
    }

    pub(super) async fn found<T: DeserializeOwned>(
        &self,
        key: &StateKey,
    ) -> Result<Option<(T, StateVersion)>> {
        let Some(stored) = self.store.get(key).await? else {
            return Ok(None);
        };
        let document: Document<T> = Saved::open(key, FORMAT, &stored.bytes)?.payload()?;
        Ok(Some((document.value, stored.version)))
    }

    /// Saves a value in place of what is expected; `false` says that something else is there.
    pub(super) async fn put<T: Serialize>(
        &self,
        key: &StateKey,
        value: &T,
        expected: Expected,
    ) -> Result<bool> {
        let entry = unique(self.context.entropy());
        let bytes = Saved::seal(key, FORMAT, &Document { entry, value })?;
        Ok(matches!(
            self.store.put(key, bytes, expected).await?,
            Swap::Done(_)
        ))
    }

    /// Saves a value under a key that nobody else uses.
    pub(super) async fn create<T: Serialize>(&self, key: &StateKey, value: &T) -> Result<()> {
        match self.put(key, value, Expected::Absent).await? {
            true => Ok(()),
            false => {
                Err(Error::contract("a key that was drawn by chance is taken").with("key", key))
            }
        }
    }

    /// Changes a value, or the default where none is. The change sees the newest value and is made anew when somebody else was faster.
    /// An error of it changes nothing.
    pub(super) async fn change<T, R>(
        &self,
        key: &StateKey,
        mut change: impl FnMut(&mut T) -> Result<R>,
    ) -> Result<R>
    where
        T: Serialize + DeserializeOwned + Default,
    {
        for attempt in 0..TRIES {
            let (mut value, expected) = match self.found(key).await? {
                None => (T::default(), Expected::Absent),
                Some((value, version)) => (value, Expected::Version(version)),
            };
            let result = change(&mut value)?;
            if self.put(key, &value, expected).await? {
                return Ok(result);
            }
            self.give_way(attempt).await;
        }
        Err(busy(key))
    }

    /// The more often others were faster, the longer they are let go first.
    pub(super) async fn give_way(&self, attempt: u32) {
        let wait = Duration::from_millis(u64::from(attempt.min(20)));
        self.context.clock().sleep(wait).await;
    }

    /// Removes what is under a key, whatever it is.
    pub(super) async fn remove(&self, key: &StateKey) -> Result<()> {
        while let Some(stored) = self.store.get(key).await? {
            if self.store.delete(key, stored.version).await? {
                break;
            }
        }
        Ok(())
    }
}

/// The error for a change that others always came before.
pub(super) fn busy(key: &StateKey) -> Error {
    let message = "others change this all the time; try again when they are done";
    Error::new(ErrorKind::Conflict, message).with("key", key)
}
