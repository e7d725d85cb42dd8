//! State stores and ledgers with patience.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::Patience;
use super::timeouts::Call;
use crate::host::{
    Expected, KeptRejects, RejectLedger, RejectMarks, RejectRewind, RejectSegment, StateKey,
    StateKind, StateStore, StateVersion, Stored, Swap,
};
use crate::{Result, Tenant};

impl Patience {
    /// The store, with patience.
    pub fn state(&self, store: Arc<dyn StateStore>) -> Arc<dyn StateStore> {
        Arc::new(State {
            patience: self.clone(),
            store,
        })
    }

    /// The ledger, with patience.
    pub fn rejects(&self, ledger: Arc<dyn RejectLedger>) -> Arc<dyn RejectLedger> {
        Arc::new(Rejects {
            patience: self.clone(),
            ledger,
        })
    }
}

#[derive(Debug)]
struct State {
    patience: Patience,
    store: Arc<dyn StateStore>,
}

#[async_trait]
impl StateStore for State {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>> {
        self.patience
            .call(Call::State, None, || self.store.get(key))
            .await
    }

    async fn put(&self, key: &StateKey, bytes: Bytes, expected: Expected) -> Result<Swap> {
        let mut tries = self.patience.tries(Call::State);
        loop {
            let put = self.store.put(key, bytes.clone(), expected.clone());
            match self.patience.once(Call::State, None, put).await {
                // An earlier try may be what it conflicts with.
                Ok(Swap::Conflict) if tries.has_failed() => {
                    let found = self.get(key).await?.filter(|found| found.bytes == bytes);
                    return Ok(found.map_or(Swap::Conflict, |found| Swap::Done(found.version)));
                }
                Ok(swap) => return Ok(swap),
                Err(error) => tries.fail(error).await?,
            }
        }
    }

    async fn delete(&self, key: &StateKey, expected: StateVersion) -> Result<bool> {
        let mut tries = self.patience.tries(Call::State);
        loop {
            let delete = self.store.delete(key, expected.clone());
            match self.patience.once(Call::State, None, delete).await {
                Ok(false) if tries.has_failed() => return Ok(self.get(key).await?.is_none()),
                Ok(done) => return Ok(done),
                Err(error) => tries.fail(error).await?,
            }
        }
    }

    async fn list(
        &self,
        tenant: &Tenant,
        kind: StateKind,
        start_after: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<StateKey>> {
        let list = || self.store.list(tenant, kind, start_after, limit);
        self.patience.call(Call::State, None, list).await
    }
}

#[derive(Debug)]
struct Rejects {
    patience: Patience,
    ledger: Arc<dyn RejectLedger>,
}

#[async_trait]
impl RejectLedger for Rejects {
    async fn append(&self, segment: RejectSegment) -> Result<()> {
        let append = self.ledger.append(segment);
        self.patience.once(Call::Rejects, None, append).await
    }

    async fn seal(&self) -> Result<()> {
        self.patience
            .call(Call::Rejects, None, || self.ledger.seal())
            .await
    }

    async fn flush(&self) -> Result<()> {
        self.patience
            .call(Call::Rejects, None, || self.ledger.flush())
            .await
    }

    async fn rewind(&self, to: &RejectRewind) -> Result<()> {
        let rewind = || self.ledger.rewind(to);
        self.patience.call(Call::Rejects, None, rewind).await
    }

    async fn list(&self, destination: Option<&str>) -> Result<Vec<KeptRejects>> {
        let list = || self.ledger.list(destination);
        self.patience.call(Call::Rejects, None, list).await
    }

    async fn mark(&self, destination: Option<&str>, marks: &RejectMarks) -> Result<()> {
        let mark = || self.ledger.mark(destination, marks);
        self.patience.call(Call::Rejects, None, mark).await
    }
}
