//! Stores that do not keep their word are refused before they can lose anything.

use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use futures::executor::block_on;
use syncline::host::{
    Context, Expected, StateKey, StateKind, StateStore, StateVersion, Stored, Swap, probe,
};
use syncline::memory::MemoryState;
use syncline::{ErrorKind, Result, Tenant};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Lie {
    IgnoresAbsent,
    IgnoresVersion,
    /// Writes, and says that it did not.
    WritesAndReportsAConflict,
    SameVersionForAll,
    /// Says that it deleted, and did not.
    LosesDeletes,
    DeletesAnyVersion,
    /// Takes a value for what it was before a delete.
    ForgetsThatItDeleted,
    LosesPuts,
    ListsNothing,
    ListsWhatWasDeleted,
    ListsTheSameForEver,
    ChangesBytes,
    AlwaysConflicts,
}

const LIES: [(Lie, &str); 13] = [
    (Lie::IgnoresAbsent, "where nothing was expected"),
    (Lie::IgnoresVersion, "of another version than was expected"),
    (Lie::WritesAndReportsAConflict, "where nothing was expected"),
    (Lie::SameVersionForAll, "the same version"),
    (Lie::LosesDeletes, "still has what was deleted"),
    (Lie::DeletesAnyVersion, "deletes a value of another version"),
    (Lie::ForgetsThatItDeleted, "brings back what was deleted"),
    (Lie::LosesPuts, "does not give back what was put"),
    (Lie::ListsNothing, "does not list what was put"),
    (Lie::ListsWhatWasDeleted, "still lists what was deleted"),
    (Lie::ListsTheSameForEver, "out of order"),
    (Lie::ChangesBytes, "does not give back what was put"),
    (Lie::AlwaysConflicts, "a conflict where there is none"),
];

#[derive(Debug)]
struct Lying {
    inner: MemoryState,
    lie: Lie,
    listed: Mutex<Vec<StateKey>>,
}

impl Lying {
    fn new(lie: Lie) -> Self {
        Lying {
            inner: MemoryState::new(),
            lie,
            listed: Mutex::default(),
        }
    }

    /// What to expect so that it is done whatever is there.
    async fn present(&self, key: &StateKey) -> Result<Expected> {
        let present = self.inner.get(key).await?;
        Ok(present.map_or(Expected::Absent, |stored| Expected::Version(stored.version)))
    }
}

const SAME: &str = "same";

#[async_trait]
impl StateStore for Lying {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>> {
        let mut got = self.inner.get(key).await?;
        if let Some(stored) = got.as_mut().filter(|_| self.lie == Lie::SameVersionForAll) {
            stored.version = StateVersion::new(SAME);
        }
        Ok(got)
    }

    async fn put(&self, key: &StateKey, mut bytes: Bytes, expected: Expected) -> Result<Swap> {
        let present = self.present(key).await?;
        let overwrites = match (self.lie, &expected) {
            (Lie::IgnoresAbsent | Lie::WritesAndReportsAConflict, Expected::Absent) => true,
            (Lie::IgnoresVersion | Lie::SameVersionForAll, Expected::Version(_)) => {
                present != Expected::Absent
            }
            (Lie::ForgetsThatItDeleted, Expected::Version(_)) => present == Expected::Absent,
            _ => false,
        };
        let conflicts = overwrites && present != expected;
        match self.lie {
            Lie::AlwaysConflicts => return Ok(Swap::Conflict),
            Lie::LosesPuts => return Ok(Swap::Done(StateVersion::new("lost"))),
            Lie::ChangesBytes => bytes = bytes.to_ascii_uppercase().into(),
            _ => {}
        }
        self.listed.lock().unwrap().push(key.clone());
        let swap = self
            .inner
            .put(key, bytes, if overwrites { present } else { expected })
            .await?;
        Ok(match (self.lie, swap) {
            (Lie::WritesAndReportsAConflict, Swap::Done(_)) if conflicts => Swap::Conflict,
            (Lie::SameVersionForAll, Swap::Done(_)) => Swap::Done(StateVersion::new(SAME)),
            (_, swap) => swap,
        })
    }

    async fn delete(&self, key: &StateKey, mut expected: StateVersion) -> Result<bool> {
        match (self.lie, self.present(key).await?) {
            (Lie::LosesDeletes, Expected::Version(present)) => return Ok(present == expected),
            (Lie::DeletesAnyVersion | Lie::SameVersionForAll, Expected::Version(present)) => {
                expected = present
            }
            _ => {}
        }
        self.inner.delete(key, expected).await
    }

    async fn list(
        &self,
        tenant: &Tenant,
        kind: StateKind,
        after: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<StateKey>> {
        match self.lie {
            Lie::ListsNothing => Ok(Vec::new()),
            Lie::ListsWhatWasDeleted => {
                let mut listed = self.listed.lock().unwrap().clone();
                listed.retain(|key| after.is_none_or(|after| key > after));
                Ok(listed)
            }
            Lie::ListsTheSameForEver => Ok(vec![StateKey::new(tenant, kind, ["another"])?]),
            _ => self.inner.list(tenant, kind, after, limit).await,
        }
    }
}

#[test]
fn every_lie_is_found_and_named() {
    let tenant = Tenant::new("acme").unwrap();
    for (lie, says) in LIES {
        let store = Lying::new(lie);
        let error = block_on(probe(&Context::new(), &store, &tenant)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Contract, "{lie:?}: {error}");
        assert_eq!(error.retry(), syncline::Retry::Never);
        assert!(error.to_string().contains(says), "{lie:?}: {error}");
    }
}

/// What the probe finds, the contract's own checks find as well; so the contract is no less strict than the probe.
#[test]
fn the_contract_fails_with_every_lie() {
    for (lie, _) in LIES {
        let broken = super::contract::CHECKS.iter().filter(|(_, check)| {
            let store = Lying::new(lie);
            let run = std::panic::AssertUnwindSafe(|| check(&store));
            !matches!(std::panic::catch_unwind(run), Ok(Ok(())))
        });
        assert!(broken.count() > 0, "{lie:?}");
    }
}

#[test]
fn a_probe_leaves_nothing_behind() {
    let tenant = Tenant::new("acme").unwrap();
    let store = MemoryState::new();
    block_on(async {
        for _ in 0..2 {
            probe(&Context::new(), &store, &tenant).await.unwrap();
            let left = store
                .list(&tenant, StateKind::Probe, None, 9)
                .await
                .unwrap();
            assert!(left.is_empty());
        }
        let lying = Lying::new(Lie::IgnoresAbsent);
        probe(&Context::new(), &lying, &tenant).await.unwrap_err();
        let left = lying
            .list(&tenant, StateKind::Probe, None, 9)
            .await
            .unwrap();
        assert!(left.is_empty());
    });
}
