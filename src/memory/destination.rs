//! An object in memory as a destination.

use async_trait::async_trait;

use super::ids::Ids;
use super::object::MemoryObject;
use super::plan::Plan;
use super::transaction::Transaction;
use super::writer::MemoryWriter;
use crate::destination::{
    Destination, DestinationCapabilities, DestinationInfo, OpenRequest, Opened,
};
use crate::host::Context;
use crate::record::Schema;
use crate::{Error, ErrorKind, Result};

/// When what was written is there for others, and what a commit means: what a destination can promise follows from it.
///
/// ```
/// use syncline::connection::Connection;
/// use syncline::host::Context;
/// use syncline::memory::{Commits, MemoryConnection};
/// use syncline::record::{Field, FieldType};
/// use syncline::spec::{Identity, ObjectSpec};
///
/// let person = ObjectSpec::new("person", Identity::Generated, vec![Field::new("name", FieldType::Text)]);
/// let home = MemoryConnection::new("home").with_object(&person)?.with_commits(Commits::WithCheckpoint);
/// let destination = futures::executor::block_on(home.destination(&Context::new(), "person"))?;
/// assert!(destination.info().capabilities.keeps_checkpoint);
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Commits {
    /// At once, row by row: an aborted or dropped writer leaves what it wrote, committed or not, and a run that is
    /// repeated by upsert comes to the same end. A commit does nothing.
    #[default]
    AtOnce,
    /// At once, and rows can only be inserted: a row that comes again is there twice.
    InsertsOnly,
    /// By commit, a group at a time; a group that comes again takes the place of the earlier one, as long as nobody else
    /// wrote the object. Keeps a copy of the object for each group: for tests.
    ByGroup,
    /// By commit, in one step with the job's checkpoint. A commit fails with [`Conflict`](ErrorKind::Conflict) if
    /// somebody else wrote the object since the one before. Each copies the object's indexes.
    WithCheckpoint,
}

impl Commits {
    fn capabilities(self) -> DestinationCapabilities {
        let all = DestinationCapabilities::new()
            .with_keyed()
            .with_tells_same_run()
            .with_dedup_of_batches()
            .with_dry_run()
            .with_deletes()
            .with_self_lookup();
        match self {
            Commits::AtOnce => all,
            Commits::InsertsOnly => DestinationCapabilities {
                keyed: false,
                dedups_batches: false,
                deletes: false,
                ..all
            },
            Commits::ByGroup => all.with_dedup_of_groups(),
            Commits::WithCheckpoint => all.with_checkpoint(),
        }
    }
}

/// Writes a [`MemoryObject`].
///
/// - When rows are there for others is a matter of [`Commits`]. Memory is as durable as it gets here, so every commit
///   answers that its group is durable.
/// - A dry run writes a copy that is dropped with the writer.
/// - Identity and unique sets are enforced; required fields must have a value when a record is made, and
///   may not be cleared.
/// - A row that replaces an earlier row of the same run is an update: fields that are written on insert only
///   keep their first value.
/// - Generated ids follow from 16 bytes that a writer draws when it is opened, and from the order of its rows.
/// - A generated id can be an identifier. It is never written; an upsert with an id that no record has is
///   refused as [`NoMatch`](crate::record::Reason::NoMatch).
/// - A batch that comes again, as after an answer that was lost, is answered as it was and not written again; the last batch
///   is kept for that. Not so with [`Commits::InsertsOnly`].
/// - A record that was deleted leaves four bytes behind; its id is not given out again by the writer that gave it.
#[derive(Debug)]
pub struct MemoryDestination {
    info: DestinationInfo,
    object: MemoryObject,
    commits: Commits,
}

impl MemoryDestination {
    /// Writes this object, at once.
    pub fn new(object: MemoryObject) -> Self {
        let (facts, commits) = (object.facts(), Commits::default());
        let capabilities = commits.capabilities();
        let info = DestinationInfo::new(&facts.name, facts.identity.clone(), capabilities)
            .with_system_fields(facts.system_fields)
            .with_unique(facts.unique_names());
        MemoryDestination {
            info,
            object,
            commits,
        }
    }

    /// The same, committing so.
    #[must_use]
    pub fn with_commits(mut self, commits: Commits) -> Self {
        self.commits = commits;
        self.info.capabilities = commits.capabilities();
        self
    }

    /// The same, but not telling which rows replaced others of the same run: they are `Updated`. For tests of
    /// what runs against such destinations.
    #[must_use]
    pub fn without_same_run(mut self) -> Self {
        self.info.capabilities.tells_same_run = false;
        self
    }
}

#[async_trait]
impl Destination for MemoryDestination {
    fn info(&self) -> &DestinationInfo {
        &self.info
    }

    fn schema(&self) -> &Schema {
        self.object.schema()
    }

    async fn open(&self, context: &Context, request: OpenRequest) -> Result<Opened> {
        let key = (request.job.clone(), request.partition.clone());
        let mut state = self.object.write();
        // A dry run has no epoch: it shuts nobody out.
        if !request.dry_run {
            let newest = state.epochs.entry(key.clone()).or_default();
            if request.epoch < *newest {
                let message =
                    "a writer of a newer epoch was opened for this job; start the job again";
                return Err(Error::new(ErrorKind::Conflict, message)
                    .during("open")
                    .with("epoch", request.epoch));
            }
            *newest = request.epoch;
        }
        let checkpoint = match self.commits {
            Commits::WithCheckpoint => state.checkpoints.get(&key).cloned(),
            _ => None,
        };
        drop(state);
        let (object, transaction) = match self.commits {
            _ if request.dry_run => (self.object.fork(), None),
            Commits::AtOnce | Commits::InsertsOnly => (self.object.clone(), None),
            Commits::ByGroup => Transaction::by_group(&self.object, &key, request.group),
            Commits::WithCheckpoint => Transaction::with_checkpoint(&self.object),
        };
        let plan = Plan::open(object.facts(), &mut object.write().table, &request)
            .map_err(|error| error.during("open"))?;
        let ids = Ids::new(object.name(), context.entropy());
        let tells = self.info.capabilities.tells_same_run;
        let writer = MemoryWriter::new(object, plan, request, ids, tells, context.clock().now());
        let dedups = self.info.capabilities.dedups_batches;
        let writer = writer
            .with_transaction(transaction)
            .with_dedup_of_batches(dedups);
        Ok(Opened::new(Box::new(writer)).with_checkpoint(checkpoint))
    }
}
