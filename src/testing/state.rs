//! A state store and a ledger whose calls are effects.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use super::effects::{EffectKind, Effects, Fate};
use super::files::damaged;
use crate::host::{
    Expected, KeptRejects, RejectLedger, RejectMarks, RejectRewind, RejectSegment, StateKey,
    StateKind, StateStore, StateVersion, Stored, Swap,
};
use crate::{Result, Tenant};

impl Effects {
    /// The store, each call of which is an effect.
    pub fn state(&self, store: Arc<dyn StateStore>) -> Arc<dyn StateStore> {
        Arc::new(FaultyState::new(self, store))
    }

    /// The ledger, each call of which is an effect. What is appended reaches it by the next flush or seal: as late as the contract allows.
    pub fn rejects(&self, ledger: Arc<dyn RejectLedger>) -> Arc<dyn RejectLedger> {
        Arc::new(FaultyRejects::new(self, ledger))
    }

    /// The same, but what is appended is there at once: as early as the contract allows.
    pub fn eager_rejects(&self, ledger: Arc<dyn RejectLedger>) -> Arc<dyn RejectLedger> {
        Arc::new(FaultyRejects::new(self, ledger).eager())
    }
}

/// What a list was asked for.
type Asked = (Tenant, StateKind, Option<StateKey>, usize);

/// A state store whose calls are effects. What is damaged has one bit in its middle that is another one; a stale read answers
/// what the read before it answered for the same key.
#[derive(Debug)]
pub struct FaultyState {
    effects: Effects,
    store: Arc<dyn StateStore>,
    /// What was read last.
    seen: Mutex<HashMap<StateKey, Option<Stored>>>,
    listed: Mutex<HashMap<Asked, Vec<StateKey>>>,
}

impl FaultyState {
    /// The store with these effects.
    pub fn new(effects: &Effects, store: Arc<dyn StateStore>) -> Self {
        FaultyState {
            effects: effects.clone(),
            store,
            seen: Mutex::default(),
            listed: Mutex::default(),
        }
    }
}

/// Remembers an answer, and gives the one before if a stale one is asked for.
fn stale<K: Eq + Hash, T: Clone>(seen: &Mutex<HashMap<K, T>>, key: K, now: T, fate: Fate) -> T {
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let before = seen.insert(key, now.clone());
    before.filter(|_| fate == Fate::Stale).unwrap_or(now)
}

#[async_trait]
impl StateStore for FaultyState {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>> {
        let next = self.effects.next(EffectKind::StateGet, 1);
        let stored = self.effects.settle(next, self.store.get(key)).await?;
        let mut stored = stale(&self.seen, key.clone(), stored, next.1);
        if let (Some(stored), Fate::Corrupt) = (&mut stored, next.1) {
            stored.bytes = damaged(&stored.bytes);
        }
        Ok(stored)
    }

    async fn put(&self, key: &StateKey, bytes: Bytes, expected: Expected) -> Result<Swap> {
        let next = self.effects.next(EffectKind::StatePut, 1);
        let bytes = if next.1 == Fate::Corrupt {
            damaged(&bytes)
        } else {
            bytes
        };
        if next.1 == Fate::Duplicate {
            let _ = self.store.put(key, bytes.clone(), expected.clone()).await?;
        }
        let work = self.store.put(key, bytes, expected);
        self.effects.settle(next, work).await
    }

    async fn delete(&self, key: &StateKey, expected: StateVersion) -> Result<bool> {
        let next = self.effects.next(EffectKind::StateDelete, 1);
        if next.1 == Fate::Duplicate {
            self.store.delete(key, expected.clone()).await?;
        }
        let work = self.store.delete(key, expected);
        self.effects.settle(next, work).await
    }

    async fn list(
        &self,
        tenant: &Tenant,
        kind: StateKind,
        start_after: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<StateKey>> {
        let next = self.effects.next(EffectKind::StateList, 1);
        let work = self.store.list(tenant, kind, start_after, limit);
        let keys = self.effects.settle(next, work).await?;
        let asked = (tenant.clone(), kind, start_after.cloned(), limit);
        Ok(stale(&self.listed, asked, keys, next.1))
    }
}

/// A ledger whose calls are effects. Who fails or dies amid an append has appended the front rejects of the segment.
#[derive(Debug)]
pub struct FaultyRejects {
    effects: Effects,
    ledger: Arc<dyn RejectLedger>,
    /// What is lost when the process dies; `None` if nothing is.
    waiting: Option<Mutex<Vec<RejectSegment>>>,
    /// A segment that comes behind the next one.
    late: Mutex<Option<RejectSegment>>,
}

impl FaultyRejects {
    /// The ledger with these effects; what is appended reaches it by the next flush or seal.
    pub fn new(effects: &Effects, ledger: Arc<dyn RejectLedger>) -> Self {
        FaultyRejects {
            effects: effects.clone(),
            ledger,
            waiting: Some(Mutex::default()),
            late: Mutex::default(),
        }
    }

    /// The same, but what is appended is there at once.
    #[must_use]
    pub fn eager(mut self) -> Self {
        self.waiting = None;
        self
    }

    fn late(&self) -> MutexGuard<'_, Option<RejectSegment>> {
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn take(&self, segment: RejectSegment) -> Result<()> {
        match &self.waiting {
            Some(waiting) => {
                let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
                waiting.push(segment);
                Ok(())
            }
            None => self.ledger.append(segment).await,
        }
    }

    async fn hand_on(&self) -> Result<()> {
        let late = self.late().take();
        if let Some(late) = late {
            self.take(late).await?;
        }
        let waiting = self.waiting.as_ref().map(|waiting| {
            std::mem::take(&mut *waiting.lock().unwrap_or_else(PoisonError::into_inner))
        });
        for segment in waiting.into_iter().flatten() {
            self.ledger.append(segment).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl RejectLedger for FaultyRejects {
    async fn append(&self, mut segment: RejectSegment) -> Result<()> {
        let next = self
            .effects
            .next(EffectKind::RejectAppend, segment.rejects.len());
        match next.1 {
            Fate::CrashAmid(parts) | Fate::FailAmid(parts) => {
                segment.rejects.truncate(parts);
                self.take(segment).await?;
                return self.effects.broken_off(next).await;
            }
            Fate::Duplicate => self.take(segment.clone()).await?,
            Fate::Reorder => {
                let work = async {
                    *self.late() = Some(segment);
                    Ok(())
                };
                return self.effects.settle(next, work).await;
            }
            _ => {}
        }
        let work = async {
            self.take(segment).await?;
            let late = self.late().take();
            match late {
                Some(late) => self.take(late).await,
                None => Ok(()),
            }
        };
        self.effects.settle(next, work).await
    }

    async fn seal(&self) -> Result<()> {
        let next = self.effects.next(EffectKind::RejectSeal, 1);
        let work = async {
            self.hand_on().await?;
            if next.1 == Fate::Duplicate {
                self.ledger.seal().await?;
            }
            self.ledger.seal().await
        };
        self.effects.settle(next, work).await
    }

    async fn flush(&self) -> Result<()> {
        let next = self.effects.next(EffectKind::RejectFlush, 1);
        let work = async {
            self.hand_on().await?;
            if next.1 == Fate::Duplicate {
                self.ledger.flush().await?;
            }
            self.ledger.flush().await
        };
        self.effects.settle(next, work).await
    }

    async fn rewind(&self, to: &RejectRewind) -> Result<()> {
        let next = self.effects.next(EffectKind::RejectRewind, 1);
        if next.1 == Fate::Duplicate {
            self.ledger.rewind(to).await?;
        }
        let work = self.ledger.rewind(to);
        self.effects.settle(next, work).await
    }

    async fn list(&self, destination: Option<&str>) -> Result<Vec<KeptRejects>> {
        let work = self.ledger.list(destination);
        self.effects.perform(EffectKind::RejectList, work).await
    }

    async fn mark(&self, destination: Option<&str>, marks: &RejectMarks) -> Result<()> {
        let next = self.effects.next(EffectKind::RejectMark, 1);
        if next.1 == Fate::Duplicate {
            self.ledger.mark(destination, marks).await?;
        }
        let work = self.ledger.mark(destination, marks);
        self.effects.settle(next, work).await
    }
}
