//! What was sent again, and what became of it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::again::Seen;
use super::keys::{Key, Keys};
use crate::Result;
use crate::host::{KeptRejects, RejectKey, RejectLedger, RejectRewind, RejectSegment};
use crate::record::{Reject, RowOp};

/// What becomes of a refused record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Resolved,
    Stale,
    Gone,
    Again,
    Left,
}

/// A refused record that is to be sent.
pub(super) struct Entry {
    pub(super) key: RejectKey,
    pub(super) columns: Arc<[String]>,
    pub(super) reject: Reject,
}

impl Entry {
    pub(super) fn all(kept: &[KeptRejects]) -> Vec<Entry> {
        let all = kept.iter().flat_map(|kept| {
            kept.rejects.iter().map(|reject| Entry {
                key: RejectKey::new(Arc::clone(&kept.place), reject),
                columns: Arc::clone(&kept.columns),
                reject: reject.clone(),
            })
        });
        all.collect()
    }

    pub(super) fn is_delete(&self) -> bool {
        self.reject.op == RowOp::Delete
    }

    /// The same record, refused once more for this reason. Its cells are those of now where the ledger has the columns of now.
    pub(super) fn once_more(&self, again: Reject, columns: &Arc<[String]>) -> Reject {
        let mut reject = again.after(self.reject.attempts.saturating_add(1));
        reject.position = self.reject.position.clone();
        if self.columns != *columns {
            reject.raw = self.reject.raw.clone();
        }
        reject
    }
}

/// Who refused a record once more, and why: destinations, or `None` in front of all.
pub(super) type Refused = BTreeMap<Option<Arc<str>>, Reject>;

/// How the entries were sent, by number.
pub(super) enum Sent {
    /// As they were kept: those with these numbers.
    AsKept(Arc<Mutex<HashSet<u64>>>),
    /// What the source has of their keys.
    ByKey {
        keys: Keys,
        of_entries: Vec<Option<Key>>,
        seen: Arc<Mutex<Seen>>,
    },
}

impl Sent {
    /// What was refused once more, by number.
    pub(super) fn refused(&self, segments: Vec<RejectSegment>) -> Result<HashMap<u64, Refused>> {
        let mut by_number: HashMap<u64, Refused> = HashMap::new();
        let mut by_key: HashMap<Key, Refused> = HashMap::new();
        for segment in segments {
            for reject in segment.rejects {
                let refused = match self {
                    Sent::AsKept(_) => by_number.entry(reject.position.record).or_default(),
                    Sent::ByKey { keys, .. } => {
                        let Some(key) = keys.of_reject(&segment.columns, &reject)? else {
                            continue;
                        };
                        by_key.entry(key).or_default()
                    }
                };
                refused.insert(segment.destination.clone(), reject);
            }
        }
        if let Sent::ByKey { of_entries, .. } = self {
            let refused = |(number, key): (usize, &Option<Key>)| {
                Some((number as u64, by_key.get(key.as_ref()?)?.clone()))
            };
            by_number.extend(of_entries.iter().enumerate().filter_map(refused));
        }
        Ok(by_number)
    }

    /// What became of an entry that was not refused.
    pub(super) fn fate(&self, number: u64, entry: &Entry) -> Fate {
        match self {
            Sent::AsKept(given) => match lock(given).contains(&number) {
                true => Fate::Resolved,
                false => Fate::Left,
            },
            Sent::ByKey {
                of_entries, seen, ..
            } => {
                let seen = lock(seen);
                match of_entries.get(number as usize) {
                    Some(Some(key)) if seen.keys.contains(key) => Fate::Resolved,
                    // It may be one that could not be read, and a delete is done only if the source tells it again.
                    Some(Some(_)) if !seen.unread && !entry.is_delete() => Fate::Gone,
                    _ => Fate::Left,
                }
            }
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes what is refused once more, to compare it with what was.
#[derive(Debug, Default)]
pub(super) struct Captured(Mutex<Vec<RejectSegment>>);

impl Captured {
    pub(super) fn take(&self) -> Vec<RejectSegment> {
        std::mem::take(&mut *lock(&self.0))
    }
}

#[async_trait]
impl RejectLedger for Captured {
    async fn append(&self, segment: RejectSegment) -> Result<()> {
        lock(&self.0).push(segment);
        Ok(())
    }

    async fn seal(&self) -> Result<()> {
        Ok(())
    }

    async fn flush(&self) -> Result<()> {
        Ok(())
    }

    /// Nothing was appended yet.
    async fn rewind(&self, _: &RejectRewind) -> Result<()> {
        Ok(())
    }
}
