//! The index of when to look at which timetable. An entry of it is a hint, named by the change of the timetable that wrote it, so nobody
//! takes one away that a later change relies on.

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::listeners::LISTENS;
use super::shelf::Shelf;
use super::timetable::{Hint, RUNNING, Timetable};
use crate::host::{Expected, StateKey, StateKind, StateVersion, Swap};
use crate::{Result, Tenant};

/// An entry of the index, as its key spells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) at: i64,
    pub(super) tenant: Tenant,
    pub(super) job: String,
    pub(super) change: u64,
    /// Whose turn it is among those of the tenant.
    pub(super) rank: i64,
}

impl Shelf {
    fn entry_key(&self, tenant: &Tenant, job: &str, hint: &Hint) -> Result<StateKey> {
        let parts = [
            &format!("{:012}", hint.at),
            tenant.as_ref(),
            job,
            &hint.change.to_string(),
            &hint.rank.to_string(),
        ];
        StateKey::new(&self.own, StateKind::Due, parts)
    }

    /// Enters a hint; answers what the store calls it.
    pub(super) async fn enter(&self, tenant: &Tenant, job: &str, hint: &Hint) -> Result<String> {
        let key = self.entry_key(tenant, job, hint)?;
        let look = Bytes::from_static(b"look");
        let version = match self.store.put(&key, look, Expected::Absent).await? {
            Swap::Done(version) => Some(version),
            // Somebody else was about to make the same change.
            Swap::Conflict => self.store.get(&key).await?.map(|stored| stored.version),
        };
        Ok(version.map_or_else(String::new, |version| version.as_str().to_owned()))
    }

    /// Takes away a hint.
    pub(super) async fn strike(&self, tenant: &Tenant, job: &str, hint: Hint) -> Result<()> {
        let key = self.entry_key(tenant, job, &hint)?;
        let version = StateVersion::new(hint.version);
        self.store.delete(&key, version).await.map(drop)
    }

    /// Entries of runs that go on, from behind one on.
    pub(super) async fn running(
        &self,
        behind: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<(StateKey, Entry)>> {
        let first = StateKey::new(&self.own, StateKind::Due, [RUNNING.to_string()])?;
        let behind = behind.unwrap_or(&first);
        let keys = self
            .store
            .list(&self.own, StateKind::Due, Some(behind), limit)
            .await?;
        let entries = keys.into_iter().map_while(|key| Some((read(&key)?, key)));
        let running = entries.take_while(|(entry, _)| entry.at == RUNNING);
        Ok(running.map(|(entry, key)| (key, entry)).collect())
    }

    /// Entries of the index in order, from behind one on, up to a time.
    pub(super) async fn entries(
        &self,
        behind: Option<&StateKey>,
        now: DateTime<Utc>,
        limit: usize,
    ) -> Result<Vec<(StateKey, Option<Entry>)>> {
        let keys = self
            .store
            .list(&self.own, StateKind::Due, behind, limit)
            .await?;
        let entries = keys.into_iter().map(|key| {
            let entry = read(&key);
            (key, entry)
        });
        // Those who listen for jobs stand behind all times.
        let is_due = |(key, entry): &(StateKey, Option<Entry>)| match entry {
            Some(entry) => entry.at <= now.timestamp(),
            None => key.parts().first().is_none_or(|first| first != LISTENS),
        };
        Ok(entries.take_while(is_due).collect())
    }

    /// Takes an entry out of the index on which no timetable can rely.
    pub(super) async fn drop_entry(&self, key: &StateKey) -> Result<()> {
        if let Some(stored) = self.store.get(key).await? {
            self.store.delete(key, stored.version).await?;
        }
        Ok(())
    }

    /// Puts back what is filed beside a timetable and is not there.
    pub(super) async fn mend(
        &self,
        tenant: &Tenant,
        job: &str,
        timetable: &Timetable,
    ) -> Result<()> {
        self.listen(tenant, job, &timetable.listens).await?;
        let Some(hint) = &timetable.hint else {
            return Ok(());
        };
        if self
            .store
            .get(&self.entry_key(tenant, job, hint)?)
            .await?
            .is_none()
        {
            self.enter(tenant, job, hint).await?;
        }
        Ok(())
    }
}

/// The entry that a key of the index spells.
fn read(key: &StateKey) -> Option<Entry> {
    let [at, tenant, job, change, rank] = key.parts() else {
        return None;
    };
    Some(Entry {
        at: at.parse().ok()?,
        tenant: Tenant::new(tenant.as_str()).ok()?,
        job: job.clone(),
        change: change.parse().ok()?,
        rank: rank.parse().ok()?,
    })
}
