//! Writing a copy of an object, and taking it over at a commit.

use super::object::{JobPart, MemoryObject};
use super::table::Table;
use super::writer::check_epoch;
use crate::destination::CommitRequest;
use crate::{Error, ErrorKind, Result};

/// What a copy is of, and how it goes back.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) base: MemoryObject,
    /// The changes of the object when the copy was like it.
    seen: u64,
    /// The records in front of the open group, if groups can be replaced.
    before: Option<Table>,
    /// The last group that was committed.
    done: Option<u64>,
}

impl Transaction {
    /// A copy that goes back together with the job's checkpoint.
    pub(super) fn with_checkpoint(base: &MemoryObject) -> (MemoryObject, Option<Self>) {
        let copy = base.fork();
        let seen = copy.read().changes;
        let transaction = Transaction {
            base: base.clone(),
            seen,
            before: None,
            done: None,
        };
        (copy, Some(transaction))
    }

    /// A copy that goes back by groups, as it was in front of `group`.
    pub(super) fn by_group(
        base: &MemoryObject,
        key: &JobPart,
        group: u64,
    ) -> (MemoryObject, Option<Self>) {
        let (copy, mut transaction) = Self::with_checkpoint(base);
        let mut state = copy.write();
        let known = state.groups.get(key).into_iter().flatten();
        let before = known.clone().find(|(number, _)| *number == group);
        if let Some((_, before)) = before.cloned() {
            state.table = before;
        }
        if let Some(transaction) = &mut transaction {
            transaction.before = Some(state.table.clone());
        }
        drop(state);
        (copy, transaction)
    }

    /// The object becomes what the copy is.
    pub(super) fn commit(
        &mut self,
        copy: &MemoryObject,
        key: &JobPart,
        epoch: u64,
        request: &CommitRequest,
    ) -> Result<()> {
        if self.done == Some(request.group) {
            return Ok(());
        }
        let mut base = self.base.write();
        check_epoch(&base, key, epoch).map_err(|error| error.with("object", copy.name()))?;
        if base.changes != self.seen {
            let message = "somebody else wrote the object during a commit group; run the job again";
            return Err(Error::new(ErrorKind::Conflict, message).with("object", copy.name()));
        }
        let table = copy.read().table.clone();
        if let Some(before) = self.before.replace(table.clone()) {
            let groups = base.groups.entry(key.clone()).or_default();
            groups.retain(|(number, _)| *number < request.group);
            groups.push((request.group, before));
        }
        if let Some(checkpoint) = &request.checkpoint {
            base.checkpoints.insert(key.clone(), checkpoint.clone());
        }
        base.table = table;
        base.changes += 1;
        self.seen = base.changes;
        self.done = Some(request.group);
        Ok(())
    }
}
