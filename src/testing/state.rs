//! A state store and a ledger whose calls are effects.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use super::effects::{EffectKind, Effects, Fate};
use crate::host::{
    Expected, KeptRejects, RejectLedger, RejectMarks, RejectRewind, RejectSegment, StateKey,
    StateKind, StateStore, StateVersion, Stored, Swap,
};
use crate::{Result, Tenant};

impl Effects {
    /// The store, each call of which is an effect.
    pub fn state(&self, store: Arc<dyn StateStore>) -> Arc<dyn StateStore> {
        Arc::new(State {
            effects: self.clone(),
            store,
        })
    }

    /// The ledger, each call of which is an effect. What is appended reaches it by the next flush or seal: as late as the contract allows.
    pub fn rejects(&self, ledger: Arc<dyn RejectLedger>) -> Arc<dyn RejectLedger> {
        Arc::new(Rejects {
            effects: self.clone(),
            ledger,
            waiting: Some(Mutex::default()),
        })
    }

    /// The same, but what is appended is there at once: as early as the contract allows.
    pub fn eager_rejects(&self, ledger: Arc<dyn RejectLedger>) -> Arc<dyn RejectLedger> {
        Arc::new(Rejects {
            effects: self.clone(),
            ledger,
            waiting: None,
        })
    }
}

#[derive(Debug)]
struct State {
    effects: Effects,
    store: Arc<dyn StateStore>,
}

#[async_trait]
impl StateStore for State {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>> {
        let work = self.store.get(key);
        self.effects.perform(EffectKind::StateGet, work).await
    }

    async fn put(&self, key: &StateKey, bytes: Bytes, expected: Expected) -> Result<Swap> {
        let work = self.store.put(key, bytes, expected);
        self.effects.perform(EffectKind::StatePut, work).await
    }

    async fn delete(&self, key: &StateKey, expected: StateVersion) -> Result<bool> {
        let work = self.store.delete(key, expected);
        self.effects.perform(EffectKind::StateDelete, work).await
    }

    async fn list(
        &self,
        tenant: &Tenant,
        kind: StateKind,
        start_after: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<StateKey>> {
        let work = self.store.list(tenant, kind, start_after, limit);
        self.effects.perform(EffectKind::StateList, work).await
    }
}

#[derive(Debug)]
struct Rejects {
    effects: Effects,
    ledger: Arc<dyn RejectLedger>,
    /// What is lost when the process dies; `None` if nothing is.
    waiting: Option<Mutex<Vec<RejectSegment>>>,
}

impl Rejects {
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
impl RejectLedger for Rejects {
    async fn append(&self, mut segment: RejectSegment) -> Result<()> {
        let next = self
            .effects
            .next(EffectKind::RejectAppend, segment.rejects.len());
        if let (effect, Fate::CrashAmid(parts)) = next {
            segment.rejects.truncate(parts);
            self.take(segment).await?;
            self.effects.crash(&effect).await;
            return Ok(());
        }
        self.effects.settle(next, self.take(segment)).await
    }

    async fn seal(&self) -> Result<()> {
        let work = async {
            self.hand_on().await?;
            self.ledger.seal().await
        };
        self.effects.perform(EffectKind::RejectSeal, work).await
    }

    async fn flush(&self) -> Result<()> {
        let work = async {
            self.hand_on().await?;
            self.ledger.flush().await
        };
        self.effects.perform(EffectKind::RejectFlush, work).await
    }

    async fn rewind(&self, to: &RejectRewind) -> Result<()> {
        let work = self.ledger.rewind(to);
        self.effects.perform(EffectKind::RejectRewind, work).await
    }

    async fn list(&self, destination: Option<&str>) -> Result<Vec<KeptRejects>> {
        self.ledger.list(destination).await
    }

    async fn mark(&self, destination: Option<&str>, marks: &RejectMarks) -> Result<()> {
        let work = self.ledger.mark(destination, marks);
        self.effects.perform(EffectKind::RejectMark, work).await
    }
}
