//! A source, read for the records of some keys.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::BooleanArray;
use async_trait::async_trait;
use futures::StreamExt as _;

use super::keys::{Key, Keys};
use crate::Result;
use crate::dataset::{BatchStream, Dataset, DatasetInfo, ReadRequest};
use crate::host::Context;
use crate::record::{Batch, Schema};

/// Gives only the records of the keys that are wanted, and those that the source itself refuses.
#[derive(Debug)]
pub(super) struct Again {
    dataset: Arc<dyn Dataset>,
    info: DatasetInfo,
    keys: Keys,
    wanted: Arc<HashSet<Key>>,
    seen: Arc<Mutex<Seen>>,
}

/// What the source has.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// These of the keys.
    pub(super) keys: HashSet<Key>,
    /// Records whose key could not be read, too.
    pub(super) unread: bool,
}

impl Again {
    pub(super) fn new(dataset: Arc<dyn Dataset>, keys: Keys, wanted: &[Option<Key>]) -> Self {
        let mut info = dataset.info().clone();
        // A cursor would pass records that the next redrive wants.
        info.resumable = false;
        Again {
            dataset,
            info,
            keys,
            wanted: Arc::new(wanted.iter().flatten().cloned().collect()),
            seen: Arc::default(),
        }
    }

    /// What the source turned out to have.
    pub(super) fn seen(&self) -> Arc<Mutex<Seen>> {
        Arc::clone(&self.seen)
    }
}

/// Leaves what is wanted of a batch, without the columns behind the first `asked`.
fn leave(
    mut batch: Batch,
    columns: &Arc<[String]>,
    keys: &Keys,
    wanted: &HashSet<Key>,
    seen: &Mutex<Seen>,
    asked: usize,
) -> Result<Batch> {
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let mut is_wanted = |key: Option<Key>| {
        let key = key.filter(|key| wanted.contains(key));
        key.is_some_and(|key| {
            seen.keys.insert(key);
            true
        })
    };
    let rows = keys.of_rows(&batch.records)?;
    let keep: BooleanArray = rows.into_iter().map(|key| Some(is_wanted(key))).collect();
    let mut rejects = std::mem::take(&mut batch.rejects);
    let mut refused = Vec::new();
    let mut unread = false;
    for reject in rejects.drain(..) {
        let key = keys.of_reject(columns, &reject)?;
        unread |= key.is_none();
        if is_wanted(key) {
            refused.push(reject);
        }
    }
    seen.unread |= unread;
    batch.rejects = refused;
    batch.resume = None;
    let mut batch = batch.filter(&keep)?;
    let asked: Vec<usize> = (0..asked).collect();
    batch.records = batch.records.project(&asked)?;
    Ok(batch)
}

#[async_trait]
impl Dataset for Again {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn schema(&self) -> &Schema {
        self.dataset.schema()
    }

    fn read(&self, context: &Context, mut request: ReadRequest) -> BatchStream {
        let schema = self.dataset.schema().fields().iter();
        let mut fields = match request.fields.take() {
            Some(fields) => fields,
            None => schema.map(|field| field.name.clone()).collect(),
        };
        let asked = fields.len();
        // As values, whatever the job wants of them.
        for name in self.keys.fields() {
            if !fields.iter().any(|field| field == name) {
                fields.push(name.to_owned());
            }
        }
        request.fields = Some(fields);
        request
            .raw
            .retain(|name| !self.keys.fields().any(|key| key == name));
        let (keys, wanted) = (self.keys.clone(), Arc::clone(&self.wanted));
        let (columns, seen) = (Arc::clone(&self.info.columns), Arc::clone(&self.seen));
        let batches = self.dataset.read(context, request);
        batches
            .map(move |batch| leave(batch?, &columns, &keys, &wanted, &seen, asked))
            .boxed()
    }
}
