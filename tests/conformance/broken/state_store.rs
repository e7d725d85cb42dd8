//! Stores that do not keep state as they should.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt as _;
use syncline::host::{Expected, StateKey, StateKind, StateStore, StateVersion, Stored, Swap};
use syncline::testing::conformance::{STATE_STORE, StateStoreFixture};
use syncline::{Error, ErrorKind, Result, Tenant};

use super::{Broken, broken};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    CutsLongValues,
    OtherHandlesSeeNothing,
    EmptyValueIsAConflict,
    EmptyValueIsTaken,
    AbsentIsBlind,
    GoneVersionIsBlind,
    VersionIsBlind,
    DeleteIsBlind,
    VersionsCountAnewBehindADelete,
    NamesAreJoined,
    ListRepeatsItsStart,
    ListIsUnsorted,
    LooksThenWrites,
}

type Values = BTreeMap<String, (StateKey, Stored)>;

#[derive(Debug, Clone)]
struct Store {
    flaw: Flaw,
    values: Arc<Mutex<(Values, u64)>>,
    /// The same for all handles of a place that works.
    handle: usize,
}

impl Store {
    fn name(&self, key: &StateKey) -> String {
        match self.flaw {
            Flaw::NamesAreJoined => key.path().replace("%2f", "/"),
            Flaw::OtherHandlesSeeNothing => format!("{} {}", self.handle, key.path()),
            _ => key.path().to_owned(),
        }
    }
}

#[async_trait]
impl StateStore for Store {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>> {
        let values = self.values.lock().unwrap();
        Ok(values
            .0
            .get(&self.name(key))
            .map(|(_, stored)| stored.clone()))
    }

    async fn put(&self, key: &StateKey, bytes: Bytes, expected: Expected) -> Result<Swap> {
        if bytes.is_empty() {
            match self.flaw {
                Flaw::EmptyValueIsAConflict => return Ok(Swap::Conflict),
                Flaw::EmptyValueIsTaken => {}
                _ => return Err(Error::new(ErrorKind::Invalid, "no bytes")),
            }
        }
        let is = self.get(key).await?.map(|stored| stored.version);
        let as_expected = |is: Option<&StateVersion>| match (&expected, is) {
            (Expected::Absent, None) => true,
            (Expected::Absent, Some(_)) => self.flaw == Flaw::AbsentIsBlind,
            (Expected::Version(_), None) => self.flaw == Flaw::GoneVersionIsBlind,
            (Expected::Version(expected), Some(is)) => {
                is == expected || self.flaw == Flaw::VersionIsBlind
            }
        };
        let looked = as_expected(is.as_ref());
        if self.flaw == Flaw::LooksThenWrites {
            yield_once().await;
        }
        let mut values = self.values.lock().unwrap();
        let (kept, count) = &mut *values;
        let name = self.name(key);
        let present = kept.get(&name).map(|(_, stored)| &stored.version);
        if !(as_expected(present) || looked && self.flaw == Flaw::LooksThenWrites) {
            return Ok(Swap::Conflict);
        }
        *count += 1;
        let number = match (self.flaw, present) {
            (Flaw::VersionsCountAnewBehindADelete, None) => 0,
            (Flaw::VersionsCountAnewBehindADelete, Some(version)) => {
                version.as_str().parse::<u64>().unwrap() + 1
            }
            _ => *count,
        };
        let version = StateVersion::new(number.to_string());
        let most = if self.flaw == Flaw::CutsLongValues {
            65_536
        } else {
            usize::MAX
        };
        let bytes = bytes.slice(..bytes.len().min(most));
        kept.insert(name, (key.clone(), Stored::new(bytes, version.clone())));
        Ok(Swap::Done(version))
    }

    async fn delete(&self, key: &StateKey, expected: StateVersion) -> Result<bool> {
        let mut values = self.values.lock().unwrap();
        let name = self.name(key);
        let present = values.0.get(&name).map(|(_, stored)| &stored.version);
        let as_expected = match present {
            Some(version) => *version == expected || self.flaw == Flaw::DeleteIsBlind,
            None => false,
        };
        if as_expected {
            values.0.remove(&name);
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
        let values = self.values.lock().unwrap();
        let mut keys: Vec<StateKey> = values.0.values().map(|(key, _)| key.clone()).collect();
        keys.sort_unstable();
        keys.retain(|key| {
            let behind = start_after.is_none_or(|start| match self.flaw {
                Flaw::ListRepeatsItsStart => key >= start,
                _ => key > start,
            });
            behind && key.tenant() == tenant && key.kind() == kind
        });
        keys.truncate(limit);
        if self.flaw == Flaw::ListIsUnsorted {
            keys.reverse();
        }
        Ok(keys)
    }
}

/// Lets another one go first.
pub(super) async fn yield_once() {
    let mut first = true;
    futures::future::poll_fn(|context| {
        if std::mem::take(&mut first) {
            context.waker().wake_by_ref();
            return std::task::Poll::Pending;
        }
        std::task::Poll::Ready(())
    })
    .boxed()
    .await;
}

fn place(flaw: Flaw) -> StateStoreFixture {
    let values = Arc::default();
    let handles = std::sync::atomic::AtomicUsize::new(0);
    StateStoreFixture::new(move || Store {
        flaw,
        values: Arc::clone(&values),
        handle: handles.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
    })
}

pub(super) fn broken_stores() -> Vec<Broken> {
    let all: [(&str, Flaw, &[&str]); 13] = [
        ("SS-01", Flaw::CutsLongValues, &[]),
        ("SS-01", Flaw::OtherHandlesSeeNothing, &["SS-03", "SS-09"]),
        ("SS-02", Flaw::EmptyValueIsAConflict, &[]),
        ("SS-02", Flaw::EmptyValueIsTaken, &[]),
        ("SS-03", Flaw::AbsentIsBlind, &["SS-09"]),
        ("SS-04", Flaw::GoneVersionIsBlind, &[]),
        ("SS-04", Flaw::VersionIsBlind, &["SS-09"]),
        ("SS-05", Flaw::DeleteIsBlind, &[]),
        ("SS-06", Flaw::VersionsCountAnewBehindADelete, &[]),
        ("SS-07", Flaw::NamesAreJoined, &[]),
        ("SS-08", Flaw::ListRepeatsItsStart, &[]),
        ("SS-08", Flaw::ListIsUnsorted, &[]),
        ("SS-09", Flaw::LooksThenWrites, &[]),
    ];
    all.into_iter()
        .map(|(clause, flaw, collateral)| {
            broken(&STATE_STORE, clause, flaw, collateral, move || place(flaw))
        })
        .collect()
}
