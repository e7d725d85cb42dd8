//! An object in memory as a destination.

use async_trait::async_trait;

use super::ids::Ids;
use super::object::MemoryObject;
use super::plan::Plan;
use super::writer::MemoryWriter;
use crate::destination::{
    Destination, DestinationCapabilities, DestinationInfo, OpenRequest, Opened,
};
use crate::host::Context;
use crate::record::Schema;
use crate::{Error, ErrorKind, Result};

/// Writes a [`MemoryObject`].
///
/// - Rows are written through: an aborted or dropped writer leaves what it wrote, committed or not, and a run
///   that is repeated by upsert comes to the same end. Memory is as durable as it gets here, so every commit
///   answers that its group is durable.
/// - A dry run writes a copy that is dropped with the writer.
/// - Identity and unique sets are enforced; required fields must have a value when a record is made, and
///   may not be cleared.
/// - A row that replaces an earlier row of the same run is an update: fields that are written on insert only
///   keep their first value.
/// - Generated ids follow from 16 bytes that a writer draws when it is opened, and from the order of its rows.
/// - A generated id can be an identifier. It is never written; an upsert with an id that no record has is
///   refused as [`NoMatch`](crate::record::Reason::NoMatch).
/// - Deletes are not supported.
#[derive(Debug)]
pub struct MemoryDestination {
    info: DestinationInfo,
    object: MemoryObject,
}

impl MemoryDestination {
    /// Writes this object.
    pub fn new(object: MemoryObject) -> Self {
        let capabilities = DestinationCapabilities::new()
            .with_keyed()
            .with_tells_same_run()
            .with_dry_run()
            .with_self_lookup();
        let facts = object.facts();
        let info = DestinationInfo::new(&facts.name, facts.identity.clone(), capabilities)
            .with_system_fields(facts.system_fields)
            .with_unique(facts.unique_names());
        MemoryDestination { info, object }
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
        let object = match request.dry_run {
            true => self.object.fork(),
            false => self.object.clone(),
        };
        let mut state = object.write();
        let plan = Plan::open(object.facts(), &mut state.table, &request)
            .map_err(|error| error.during("open"))?;
        let newest = state
            .epochs
            .entry((request.job.clone(), request.partition.clone()))
            .or_default();
        if request.epoch < *newest {
            let message = "a writer of a newer epoch was opened for this job; start the job again";
            return Err(Error::new(ErrorKind::Conflict, message)
                .during("open")
                .with("epoch", request.epoch));
        }
        *newest = request.epoch;
        drop(state);
        let ids = Ids::new(object.name(), context.entropy());
        let tells = self.info.capabilities.tells_same_run;
        let writer = MemoryWriter::new(object, plan, request, ids, tells, context.clock().now());
        Ok(Opened::new(Box::new(writer)))
    }
}
