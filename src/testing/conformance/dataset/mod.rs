//! What is asked of a dataset.

mod bounds;
mod cursors;
mod read;
mod records;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;

use super::clause::{clause, opaque};
use super::{Capability, Fixture, Suite};
use crate::Result;
use crate::dataset::Dataset;
use crate::host::Context;

/// A dataset of a few records, at least three and at most some hundred: it is read from every cursor on.
pub struct DatasetFixture {
    open: Box<dyn Fn() -> Arc<dyn Dataset> + Send + Sync>,
    cursor_field: Option<String>,
    tells_time: bool,
    records: Option<RecordBatch>,
}

opaque!(DatasetFixture);

impl DatasetFixture {
    /// `open` gives the dataset, each time as if nobody had read it.
    pub fn new(open: impl Fn() -> Arc<dyn Dataset> + Send + Sync + 'static) -> Self {
        DatasetFixture {
            open: Box::new(open),
            cursor_field: None,
            tells_time: false,
            records: None,
        }
    }

    /// The same, with the field that tells how new a record is.
    #[must_use]
    pub fn by(mut self, cursor_field: impl Into<String>) -> Self {
        self.cursor_field = Some(cursor_field.into());
        self
    }

    /// The same, whose source tells its own time in that field's type.
    #[must_use]
    pub fn telling_time(mut self) -> Self {
        self.tells_time = true;
        self
    }

    /// The same, of which exactly these records must come. [`fidelity`](super::fidelity) has records worth putting there.
    #[must_use]
    pub fn holding(mut self, records: RecordBatch) -> Self {
        self.records = Some(records);
        self
    }
}

#[async_trait]
impl Fixture for DatasetFixture {
    fn subject(&self) -> String {
        (self.open)().info().name.clone()
    }

    async fn declares(&self, _: &Context) -> Result<BTreeSet<Capability>> {
        let dataset = (self.open)();
        let info = dataset.info();
        let declared = [
            (info.resumable, Capability::Resumes),
            (info.raw_text, Capability::RawText),
            (info.bounded, Capability::Bounds),
            (self.tells_time, Capability::TellsTime),
            (self.records.is_some(), Capability::KnownRecords),
        ];
        let declared = declared.into_iter().filter(|(declares, _)| *declares);
        Ok(declared.map(|(_, capability)| capability).collect())
    }
}

/// The contract of a [`Dataset`].
pub static DATASET: Suite<DatasetFixture> = Suite {
    name: "dataset",
    clauses: &[
        clause!(
            "DS-01",
            None,
            "A batch has the asked fields in the asked order and the schema's types, one origin and operation for each row, and no more rows than were asked for.",
            "What is mapped by position would land in another field.",
            records::shape
        ),
        clause!(
            "DS-02",
            None,
            "Records, rejects and positions are the same for any batch size and any number of threads, whenever they are read.",
            "A job would write something else on another machine.",
            records::same_however_read
        ),
        clause!(
            "DS-03",
            None,
            "Record numbers grow from row to row and from reject to reject, and no record is both.",
            "The last row of a key wins; without order it would be any.",
            records::numbers_grow
        ),
        clause!(
            "DS-04",
            None,
            "Each row shows its record: the position tells its number, and the cells are those of all columns.",
            "A record that is refused late could not be found and mended.",
            records::origins
        ),
        clause!(
            "DS-05",
            Some(Capability::Resumes),
            "From every cursor on, a read gives exactly the rest: rows, origins and rejects. The last batch has a cursor.",
            "A run that goes on would lose records, or write them twice.",
            cursors::resumes_everywhere
        ),
        clause!(
            "DS-06",
            Some(Capability::Resumes),
            "A read up to a cursor gives exactly what stands in front of it, also from another cursor on.",
            "A commit group that comes again must end where it ended, or its end is written twice.",
            cursors::ends_everywhere
        ),
        clause!(
            "DS-07",
            Some(Capability::Resumes),
            "A cursor that is none of the dataset's is an error, and nothing is read.",
            "A full read that nobody asked for, or a gap that nobody sees.",
            cursors::foreign_cursor
        ),
        clause!(
            "DS-08",
            None,
            "Of fewer fields, in any order, the values are the same; a field that there is not is an error, and the read ends with it.",
            "A job that maps less would read other records.",
            records::projection
        ),
        clause!(
            "DS-09",
            Some(Capability::RawText),
            "A column asked for raw is text, and has one where the value has one; its bad values reject no record.",
            "A mapping that reads text its own way would never see what it is there for.",
            records::raw_text
        ),
        clause!(
            "DS-10",
            Some(Capability::Bounds),
            "A read within bounds leaves out no record whose value is from the lower bound on and below the upper one.",
            "What is left out at a bound is left out for good: the watermark passes it.",
            bounds::bounds
        ),
        clause!(
            "DS-11",
            Some(Capability::TellsTime),
            "The source's time is of the cursor field's type and does not go back.",
            "The watermark would be compared with a value that has no order to it.",
            bounds::upper_bound
        ),
        clause!(
            "DS-12",
            Some(Capability::Resumes),
            "A cursor may be acknowledged again and again, and what stands behind it is still read.",
            "A run that breaks off behind an acknowledgement repeats it, and goes on there.",
            cursors::acknowledged
        ),
        clause!(
            "DS-13",
            Some(Capability::KnownRecords),
            "The records are exactly those that the source holds, to the last bit.",
            "Values that change on the way are the worst loss: nobody is told.",
            records::known_records
        ),
    ],
};
