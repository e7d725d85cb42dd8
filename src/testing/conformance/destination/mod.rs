//! What is asked of a destination and its writers.

mod run;
mod safety;
mod values;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::clause::{clause, opaque};
use super::{Capability, Fixture, Suite};
use crate::Result;
use crate::destination::Destination;
use crate::host::Context;

type ReadBack = Box<dyn Fn() -> BoxFuture<'static, Result<Vec<RecordBatch>>> + Send + Sync>;

/// A destination without records, and a look at what it keeps: one that nobody can look into cannot be certified.
///
/// ```
/// use std::sync::Arc;
/// use syncline::host::Context;
/// use syncline::memory::{MemoryDestination, MemoryObject};
/// use syncline::record::{Field, FieldType};
/// use syncline::spec::{Identity, ObjectSpec};
/// use syncline::testing::conformance::{DESTINATION, DestinationFixture};
///
/// let fresh = || async {
///     let fields = vec![Field::new("name", FieldType::Text), Field::new("seats", FieldType::Integer)];
///     let object = MemoryObject::new(&ObjectSpec::new("team", Identity::Generated, fields))?;
///     let destination = Arc::new(MemoryDestination::new(object.clone()));
///     Ok(DestinationFixture::new(destination, "name", "seats", move || std::future::ready(object.scan())))
/// };
/// let report = futures::executor::block_on(DESTINATION.run(&Context::new(), fresh));
/// report.assert_conforms(&[
///     ("DW-04", "no row is refused"),
///     ("DW-11", "rows are there at once"),
///     ("DW-13", "it keeps no checkpoint"),
///     ("DW-14", "it keeps no checkpoint"),
/// ]);
/// ```
pub struct DestinationFixture {
    destination: Arc<dyn Destination>,
    key: String,
    value: String,
    read_back: ReadBack,
    refused: Option<RecordBatch>,
    /// Jobs that have written so far: groups count on within a job.
    jobs: AtomicU64,
}

opaque!(DestinationFixture);

impl DestinationFixture {
    /// Records are told apart by `key`, and have a `value` of which several may have the same; both fields are of a type with many
    /// values, and no other field is required. `read_back` gives all records that are there for others, with all fields that
    /// can be written, by name and in the schema's types.
    pub fn new<N>(
        destination: Arc<dyn Destination>,
        key: impl Into<String>,
        value: impl Into<String>,
        read_back: impl Fn() -> N + Send + Sync + 'static,
    ) -> Self
    where
        N: Future<Output = Result<Vec<RecordBatch>>> + Send + 'static,
    {
        DestinationFixture {
            destination,
            key: key.into(),
            value: value.into(),
            read_back: Box::new(move || read_back().boxed()),
            refused: None,
            jobs: AtomicU64::new(0),
        }
    }

    /// The same, with a row that an insert must refuse: a batch of one row with the fields `key` and `value`.
    #[must_use]
    pub fn refusing(mut self, row: RecordBatch) -> Self {
        self.refused = Some(row);
        self
    }
}

#[async_trait]
impl Fixture for DestinationFixture {
    fn subject(&self) -> String {
        self.destination.info().name.clone()
    }

    async fn declares(&self, _: &Context) -> Result<BTreeSet<Capability>> {
        let info = self.destination.info();
        let can = info.capabilities;
        let has_id = info.identity.single_field().is_some();
        let declared = [
            (can.keyed, Capability::Keyed),
            (can.keyed && can.tells_same_run, Capability::TellsSameRun),
            (can.dry_run, Capability::DryRun),
            (can.self_lookup && has_id, Capability::SelfLookup),
            (can.dedups_groups, Capability::DedupsGroups),
            (can.dedups_batches, Capability::DedupsBatches),
            (can.keeps_checkpoint, Capability::KeepsCheckpoint),
            (can.deletes && has_id, Capability::Deletes),
            (self.refused.is_some(), Capability::Refuses),
        ];
        let declared = declared.into_iter().filter(|(declares, _)| *declares);
        Ok(declared.map(|(_, capability)| capability).collect())
    }
}

/// The contract of a [`Destination`] and its [`Writer`](crate::destination::Writer)s.
pub static DESTINATION: Suite<DestinationFixture> = Suite {
    name: "destination",
    clauses: &[
        clause!(
            "DW-01",
            None,
            "An insert makes a record of each row and says so of each; what was committed is there for others.",
            "Counts would tell of records that are not there.",
            values::inserts
        ),
        clause!(
            "DW-02",
            None,
            "Every value that is taken is kept to the last bit; a row that cannot be kept is refused.",
            "Values that change on the way are the worst loss: nobody is told.",
            values::exact
        ),
        clause!(
            "DW-03",
            None,
            "The commit of the last group answers that the group is durable; repeated, it changes nothing.",
            "The checkpoint moves by that answer, and an answer can be lost.",
            safety::commits
        ),
        clause!(
            "DW-04",
            Some(Capability::Refuses),
            "A refused row is told with its number and a reason, and harms no other row of its batch.",
            "One bad record would take good ones with it, or be lost itself.",
            values::refuses
        ),
        clause!(
            "DW-05",
            Some(Capability::Keyed),
            "An upsert changes the record of its identifier or makes one; the last row of a key wins, and a batch that comes again changes nothing.",
            "Effectively once rests on this.",
            values::upserts
        ),
        clause!(
            "DW-06",
            Some(Capability::Keyed),
            "An update of a record that is not there is refused or skipped, as asked, and makes none.",
            "Records that were deleted would come back with half of their fields.",
            values::updates
        ),
        clause!(
            "DW-07",
            Some(Capability::Keyed),
            "A row without an identifier's value is refused as `EmptyIdentifier`, one that hits several records as `MultiMatch`.",
            "It would be written to a stranger.",
            values::matches
        ),
        clause!(
            "DW-08",
            Some(Capability::Keyed),
            "Only mapped fields change, and only when they are to be written: on insert, on update or always; a mapped null clears.",
            "What people entered by hand would be gone.",
            values::fields
        ),
        clause!(
            "DW-09",
            Some(Capability::TellsSameRun),
            "Of several rows of a key the later is `Replaced`, with the sequence of the row of this run that it replaced, within a batch and over batches.",
            "A record would be counted twice.",
            values::same_run
        ),
        clause!(
            "DW-10",
            Some(Capability::DryRun),
            "A dry run answers as a real one and keeps nothing.",
            "People try out with it what must not happen.",
            safety::dry_run
        ),
        clause!(
            "DW-11",
            Some(Capability::DedupsGroups),
            "A commit group that comes again takes the place of the earlier one, and what was not committed does not stay.",
            "A run that goes on would leave records twice.",
            safety::groups
        ),
        clause!(
            "DW-12",
            Some(Capability::DedupsBatches),
            "A batch that comes again, as after a lost answer, is written once, and answered as it was.",
            "Each lost answer would double a batch of plain inserts.",
            safety::batches
        ),
        clause!(
            "DW-13",
            Some(Capability::KeepsCheckpoint),
            "A commit saves rows and checkpoint together, and an opening answers the last one of its job: neither is there without the other.",
            "Exactly once rests on this.",
            safety::checkpoint
        ),
        clause!(
            "DW-14",
            Some(Capability::KeepsCheckpoint),
            "An opening shuts older epochs out: their writers fail and change nothing, and none is opened again.",
            "A run that was taken for dead would go on writing.",
            safety::epochs
        ),
        clause!(
            "DW-15",
            Some(Capability::Deletes),
            "A delete by identity removes these records and no others and tells how many; a row of their key makes a new one.",
            "A mirror would leave what is gone, or delete what is not.",
            safety::deletes
        ),
        clause!(
            "DW-16",
            Some(Capability::SelfLookup),
            "A lookup of a writer sees its own rows, committed or not; a patch sets one field of the records that it names.",
            "Links to records of the same run would be missing.",
            safety::self_lookup
        ),
        clause!(
            "DW-17",
            None,
            "A writer that was dropped or aborted does not stand in the way of the next one.",
            "After one crash the job could never run again.",
            safety::next_writer
        ),
    ],
};
