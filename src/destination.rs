//! The contract of a destination: where records land, and what became of each.

use std::fmt;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use async_trait::async_trait;

use crate::host::Context;
use crate::lookup::{Lookup, LookupRequest};
use crate::record::{Batch, Cursor, Refusal, Schema};
use crate::spec::{DuplicateKeys, Identity, NoMatchOnUpdate, SystemFields, WriteMode, WriteOn};
use crate::{Error, ErrorKind, Result};

/// Facts about a destination.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DestinationInfo {
    /// The object's name.
    pub name: String,
    /// How its records are told apart.
    pub identity: Identity,
    /// Which system fields it keeps itself.
    pub system_fields: SystemFields,
    /// Sets of fields of which no two records may have the same values.
    pub unique: Vec<Vec<String>>,
    /// What it can do.
    pub capabilities: DestinationCapabilities,
}

impl DestinationInfo {
    /// A destination of this name.
    pub fn new(
        name: impl Into<String>,
        identity: Identity,
        capabilities: DestinationCapabilities,
    ) -> Self {
        DestinationInfo {
            name: name.into(),
            identity,
            system_fields: SystemFields::None,
            unique: Vec::new(),
            capabilities,
        }
    }

    /// The same, with these sets of unique fields.
    #[must_use]
    pub fn with_unique(mut self, unique: Vec<Vec<String>>) -> Self {
        self.unique = unique;
        self
    }

    /// The same, keeping these system fields.
    #[must_use]
    pub fn with_system_fields(mut self, system_fields: SystemFields) -> Self {
        self.system_fields = system_fields;
        self
    }
}

/// What a destination can do, as plain data; a job that needs more is refused before it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DestinationCapabilities {
    /// It can update and upsert by identifiers; without this it only inserts.
    pub keyed: bool,
    /// Its writer takes several rows of one key in a batch, applies them in order, and tells which
    /// earlier row of the same run each one replaced.
    pub tells_same_run: bool,
    /// It can be opened for a dry run: everything happens, and nothing is kept.
    pub dry_run: bool,
    /// Its writer can look up its own object and patch records: what a self lookup needs.
    pub self_lookup: bool,
    /// A commit group that comes again, with the same number, takes the place of the earlier one. What was not
    /// committed does not stay.
    pub dedups_groups: bool,
    /// A [batch that comes again](Writer#when-a-batch-comes-again) is written once, whatever the mode.
    pub dedups_batches: bool,
    /// A commit saves the rows and the [checkpoint](CommitRequest::checkpoint) in one step, and
    /// [`open`](Destination::open) answers with the last one and shuts out writers of older epochs.
    pub keeps_checkpoint: bool,
    /// Its writer can [delete](Writer::delete) records by their identity.
    pub deletes: bool,
}

impl DestinationCapabilities {
    /// Plain inserts, nothing else.
    pub fn new() -> Self {
        Self::default()
    }

    /// Updates and upserts by identifiers too.
    #[must_use]
    pub fn with_keyed(mut self) -> Self {
        self.keyed = true;
        self
    }

    /// Tells which row of the same run was replaced.
    #[must_use]
    pub fn with_tells_same_run(mut self) -> Self {
        self.tells_same_run = true;
        self
    }

    /// Takes each commit group once, by its number.
    #[must_use]
    pub fn with_dedup_of_groups(mut self) -> Self {
        self.dedups_groups = true;
        self
    }

    /// Takes a batch once that comes again.
    #[must_use]
    pub fn with_dedup_of_batches(mut self) -> Self {
        self.dedups_batches = true;
        self
    }

    /// Keeps the job's checkpoint in its own transaction, with the rows.
    #[must_use]
    pub fn with_checkpoint(mut self) -> Self {
        self.keeps_checkpoint = true;
        self
    }

    /// Can delete records.
    #[must_use]
    pub fn with_deletes(mut self) -> Self {
        self.deletes = true;
        self
    }

    /// Can be opened for a dry run.
    #[must_use]
    pub fn with_dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    /// Can look itself up and patch.
    #[must_use]
    pub fn with_self_lookup(mut self) -> Self {
        self.self_lookup = true;
        self
    }
}

/// A field that a writer is given, and when it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteField {
    /// The destination field.
    pub name: String,
    /// When it is written.
    pub on: WriteOn,
}

impl WriteField {
    /// A field that is always written.
    pub fn new(name: impl Into<String>) -> Self {
        WriteField {
            name: name.into(),
            on: WriteOn::Always,
        }
    }

    /// The same field, written only then.
    #[must_use]
    pub fn on(mut self, on: WriteOn) -> Self {
        self.on = on;
        self
    }
}

/// How a writer will be used.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OpenRequest {
    /// The job.
    pub job: String,
    /// The partition of the source; empty if it has one only.
    pub partition: String,
    /// Which run of the job this is, as its host counts them: a destination that fences shuts out
    /// writers of older epochs of the same job and partition.
    pub epoch: u64,
    /// The number of the first commit group to come: each commit closes one, and the next number follows.
    pub group: u64,
    /// The columns of every batch to come, in order.
    pub fields: Vec<WriteField>,
    /// Insert, update or upsert.
    pub mode: WriteMode,
    /// What an update does with a record that is not there.
    pub no_match: NoMatchOnUpdate,
    /// What becomes of several rows of one key in the run.
    pub duplicates: DuplicateKeys,
    /// Do everything and keep nothing. Such a writer shuts nobody out, and is opened whatever the newest epoch is.
    pub dry_run: bool,
    /// Answer with the identity of each row ([`WriteReport::ids`]).
    pub wants_ids: bool,
}

impl OpenRequest {
    /// A writer for these fields.
    pub fn new(job: impl Into<String>, fields: Vec<WriteField>, mode: WriteMode) -> Self {
        OpenRequest {
            job: job.into(),
            partition: String::new(),
            epoch: 0,
            group: 1,
            fields,
            mode,
            no_match: NoMatchOnUpdate::default(),
            duplicates: DuplicateKeys::default(),
            dry_run: false,
            wants_ids: false,
        }
    }

    /// The same, for this partition and epoch.
    #[must_use]
    pub fn with_epoch(mut self, partition: impl Into<String>, epoch: u64) -> Self {
        self.partition = partition.into();
        self.epoch = epoch;
        self
    }

    /// The same, beginning with this commit group.
    #[must_use]
    pub fn with_group(mut self, group: u64) -> Self {
        self.group = group;
        self
    }

    /// The same, with these policies.
    #[must_use]
    pub fn with_policies(mut self, no_match: NoMatchOnUpdate, duplicates: DuplicateKeys) -> Self {
        self.no_match = no_match;
        self.duplicates = duplicates;
        self
    }

    /// The same, keeping nothing.
    #[must_use]
    pub fn with_dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// The same, wanting ids.
    #[must_use]
    pub fn with_ids(mut self, wants_ids: bool) -> Self {
        self.wants_ids = wants_ids;
        self
    }
}

/// A cursor saved durably, with the commit group that it closes and the epoch that saved it.
///
/// ```
/// use syncline::destination::Checkpoint;
/// use syncline::record::Cursor;
///
/// let checkpoint = Checkpoint::new(Some(Cursor::new("page 7")), 12, 1);
/// assert_eq!((checkpoint.cursor, checkpoint.group, checkpoint.epoch), (Some(Cursor::new("page 7")), 12, 1));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checkpoint {
    /// Everything up to here is durable; `None` is the whole source, of one that gives no cursors.
    pub cursor: Option<Cursor>,
    /// The last commit group that is durable.
    pub group: u64,
    /// The epoch that saved it.
    pub epoch: u64,
    /// What the cursor is valid for.
    pub lineage: String,
    /// What else the run needs to go on, in its own words.
    pub state: Option<String>,
    /// Whether the source was read to its end.
    pub ended: bool,
}

impl Checkpoint {
    /// A checkpoint behind `group`.
    pub fn new(cursor: Option<Cursor>, group: u64, epoch: u64) -> Self {
        Checkpoint {
            cursor,
            group,
            epoch,
            lineage: String::new(),
            state: None,
            ended: false,
        }
    }

    /// The same, whose cursor is valid for this.
    #[must_use]
    pub fn with_lineage(mut self, lineage: impl Into<String>) -> Self {
        self.lineage = lineage.into();
        self
    }

    /// The same, behind the source's end.
    #[must_use]
    pub fn with_end(mut self, ended: bool) -> Self {
        self.ended = ended;
        self
    }

    /// The same, with what else the run needs.
    #[must_use]
    pub fn with_state(mut self, state: Option<String>) -> Self {
        self.state = state;
        self
    }
}

/// A writer, and the checkpoint that the destination itself keeps, if it keeps one.
#[derive(Debug)]
#[non_exhaustive]
pub struct Opened {
    /// The writer.
    pub writer: Box<dyn Writer>,
    /// What the destination's own transaction last saved for this job and partition.
    pub checkpoint: Option<Checkpoint>,
}

impl Opened {
    /// A writer of a destination that keeps no checkpoint.
    pub fn new(writer: Box<dyn Writer>) -> Self {
        Opened {
            writer,
            checkpoint: None,
        }
    }

    /// The same, with the destination's checkpoint.
    #[must_use]
    pub fn with_checkpoint(mut self, checkpoint: Option<Checkpoint>) -> Self {
        self.checkpoint = checkpoint;
        self
    }
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RowOutcome {
    /// A record was made.
    Inserted,
    /// A record was changed.
    Updated,
    /// The record already had these values, and the destination left it alone.
    Unchanged,
    /// A record was deleted.
    Deleted,
    /// It took the place of an earlier row of this run ([`WriteReport::replaced`]), whose outcome stays.
    Replaced,
    /// An update found no record, and the policy skips.
    Skipped,
    /// It was refused ([`WriteReport::refusals`]).
    Rejected,
}

/// What became of the rows of a batch.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct WriteReport {
    /// One outcome for each row.
    pub outcomes: Vec<RowOutcome>,
    /// Row number and refusal of each [`RowOutcome::Rejected`], in row order.
    pub refusals: Vec<(u32, Refusal)>,
    /// Row number of each [`RowOutcome::Replaced`], in row order, with the
    /// [sequence](crate::record::Origins::sequence) of the row of this run that it replaced.
    pub replaced: Vec<(u32, u64)>,
    /// The identity of each row's record, if asked for; null where nothing was written.
    pub ids: Option<ArrayRef>,
}

impl WriteReport {
    /// A report of these outcomes.
    pub fn new(outcomes: Vec<RowOutcome>) -> Self {
        WriteReport {
            outcomes,
            ..Self::default()
        }
    }

    /// The same, with refusals.
    #[must_use]
    pub fn with_refusals(mut self, refusals: Vec<(u32, Refusal)>) -> Self {
        self.refusals = refusals;
        self
    }

    /// The same, with replacements.
    #[must_use]
    pub fn with_replaced(mut self, replaced: Vec<(u32, u64)>) -> Self {
        self.replaced = replaced;
        self
    }

    /// The same, with ids.
    #[must_use]
    pub fn with_ids(mut self, ids: Option<ArrayRef>) -> Self {
        self.ids = ids;
        self
    }
}

/// Closes a commit group.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CommitRequest {
    /// The group's number; groups count up from 1, over all runs of a job that saves its state, and within a run of one
    /// that does not.
    pub group: u64,
    /// The epoch of the run.
    pub epoch: u64,
    /// The cursor behind the group's last row, if the source gave one.
    pub cursor: Option<Cursor>,
    /// What a destination that [keeps the checkpoint](DestinationCapabilities::keeps_checkpoint) saves with the rows, and
    /// answers when it is opened again; `None` in a run that saves no state.
    pub checkpoint: Option<Checkpoint>,
    /// Whether this is the run's last group. Its answer must be [`Durable`](Durability::Durable): no other will come, and what is
    /// not durable would be read again by each run.
    pub last: bool,
}

impl CommitRequest {
    /// Closes `group`.
    pub fn new(group: u64) -> Self {
        CommitRequest {
            group,
            epoch: 0,
            cursor: None,
            checkpoint: None,
            last: false,
        }
    }

    /// The same, of this epoch, up to this cursor.
    #[must_use]
    pub fn with_cursor(mut self, epoch: u64, cursor: Option<Cursor>) -> Self {
        self.epoch = epoch;
        self.cursor = cursor;
        self
    }

    /// The same, to be saved with this checkpoint.
    #[must_use]
    pub fn with_checkpoint(mut self, checkpoint: Option<Checkpoint>) -> Self {
        self.checkpoint = checkpoint;
        self
    }

    /// The same, as the run's last.
    #[must_use]
    pub fn as_last(mut self) -> Self {
        self.last = true;
        self
    }
}

/// How far a destination's data is safe: an answer stands for all groups before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// The data is taken, and a crash may still lose it.
    Accepted,
    /// Every group up to and including this one survives a crash.
    Durable {
        /// The group.
        through: u64,
    },
}

/// The answer to a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommitReport {
    /// How far the data is safe now.
    pub durability: Durability,
}

impl CommitReport {
    /// A report.
    pub fn new(durability: Durability) -> Self {
        CommitReport { durability }
    }
}

/// Values that are set in records known by their identity: the end of a self lookup.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Patch {
    /// Identities, as [`WriteReport::ids`] gave them.
    pub ids: ArrayRef,
    /// One column, named after the destination field; as long as `ids`.
    pub values: RecordBatch,
}

impl Patch {
    /// Sets `values` in the records `ids`.
    pub fn new(ids: ArrayRef, values: RecordBatch) -> Self {
        Patch { ids, values }
    }
}

/// Where records land.
///
/// ```
/// use futures::executor::block_on;
/// use syncline::connection::Connection;
/// use syncline::host::Context;
/// use syncline::memory::MemoryConnection;
/// use syncline::record::{Field, FieldType};
/// use syncline::spec::{Identity, ObjectSpec};
///
/// let person = ObjectSpec::new("person", Identity::Generated, vec![Field::new("name", FieldType::Text)]);
/// let home = MemoryConnection::new("home").with_object(&person)?;
/// let destination = block_on(home.destination(&Context::new(), "person"))?;
/// assert_eq!(destination.info().identity, Identity::Generated);
/// let names: Vec<&str> = destination.schema().fields().iter().map(|field| field.name.as_str()).collect();
/// assert_eq!(names, ["id", "name"]);
/// # Ok::<(), syncline::Error>(())
/// ```
#[async_trait]
pub trait Destination: fmt::Debug + Send + Sync {
    /// Facts.
    fn info(&self) -> &DestinationInfo;
    /// The object's fields, generated identity and system fields included.
    fn schema(&self) -> &Schema;
    /// Opens a writer and shuts out writers of older epochs.
    async fn open(&self, context: &Context, request: OpenRequest) -> Result<Opened>;
}

/// Writes the batches of one run.
///
/// **Contract.** The columns of a batch are [`OpenRequest::fields`]. A refused row never harms the
/// others; an `Err` means that nobody knows what became of the batch. Rows come in source order, and
/// the last row of a key wins. A row of an update or upsert is *matched* first:
///
/// 1. The identifiers are tried in order. One with a null among its fields is passed over; if all
///    are, the row is refused as [`EmptyIdentifier`](crate::record::Reason::EmptyIdentifier).
/// 2. The first identifier that hits any record decides. Several hits refuse the row as
///    [`MultiMatch`](crate::record::Reason::MultiMatch).
/// 3. No hit: an upsert inserts; an update follows [`OpenRequest::no_match`].
///
/// A batch to write holds no deletes of the source: what becomes of those is the run's affair.
/// Records of the same run are seen by later rows. Only mapped fields change; a mapped null clears.
/// A writer without [`tells_same_run`](DestinationCapabilities::tells_same_run) is never given two
/// rows of one key in a batch. Dropping a writer is like a crash.
///
/// # When a batch comes again
///
/// After an `Err` that says that a [retry](crate::Retry) may help, and after a call that was given up, the next batch may be
/// the same one again: the same rows with the same [sequences](crate::record::Origins::sequence), before any other. It does so only where
/// that is harmless: in an update, or an upsert without a field that is written [on update only](crate::spec::WriteOn::Update),
/// neither of which rejects duplicates; at a destination that
/// [dedups batches](DestinationCapabilities::dedups_batches), or if the host [allows doubles](crate::policy::UnansweredInserts).
///
/// A writer that tells rows of the same run must recognise its own: a row that comes again has not replaced
/// itself, and no row has replaced a later one. The answer is what became of it at first, or
/// [`Updated`](RowOutcome::Updated) if the writer no longer knows, and never `Replaced` by a sequence that is not an earlier one.
///
/// A commit, a patch, a lookup and an opening may come again in the same way.
///
/// ```
/// use futures::executor::block_on;
/// use syncline::connection::Connection;
/// use syncline::destination::{CommitRequest, OpenRequest, RowOutcome, WriteField};
/// use syncline::host::Context;
/// use syncline::memory::MemoryConnection;
/// use syncline::record::{Batch, Field, FieldType, RecordBuilder, RowsAsRead, Schema};
/// use syncline::spec::{Identity, ObjectSpec, WriteMode};
///
/// let fields = vec![Field::new("name", FieldType::Text)];
/// let home = MemoryConnection::new("home")
///     .with_object(&ObjectSpec::new("person", Identity::Generated, fields.clone()))?;
/// let mut rows = RecordBuilder::new(&Schema::new(fields));
/// rows.push(&serde_json::json!({"name": "Ada"})).unwrap();
/// let rows = rows.finish()?;
/// let batch = Batch::new(rows.clone(), RowsAsRead::new("by hand", 1, rows).into_origins());
///
/// let outcomes = block_on(async {
///     let context = Context::new();
///     let person = home.destination(&context, "person").await?;
///     let request = OpenRequest::new("import", vec![WriteField::new("name")], WriteMode::Insert);
///     let mut writer = person.open(&context, request).await?.writer;
///     let report = writer.write(&context, batch).await?;
///     writer.commit(&context, CommitRequest::new(1)).await?;
///     Ok::<_, syncline::Error>(report.outcomes)
/// })?;
/// assert_eq!(outcomes, [RowOutcome::Inserted]);
/// assert_eq!(home.object("person").unwrap().len(), 1);
/// # Ok::<(), syncline::Error>(())
/// ```
#[async_trait]
pub trait Writer: fmt::Debug + Send {
    /// Writes a batch; a later `lookup` sees it.
    async fn write(&mut self, context: &Context, batch: Batch) -> Result<WriteReport>;

    /// Closes a commit group. Repeating the call after a lost answer changes nothing.
    async fn commit(&mut self, context: &Context, request: CommitRequest) -> Result<CommitReport>;

    /// Gives up what was not committed, as far as the destination can.
    async fn abort(&mut self, context: &Context) -> Result<()>;

    /// A lookup over the object as this writer leaves it, its own rows included.
    async fn lookup(
        &mut self,
        _context: &Context,
        _request: LookupRequest,
    ) -> Result<Arc<dyn Lookup>> {
        Err(Error::new(
            ErrorKind::Unsupported,
            "this writer cannot look up its object",
        )
        .during("self lookup"))
    }

    /// Sets values in records of this run; no write of its own, so it changes no outcome.
    async fn patch(&mut self, _context: &Context, _patch: Patch) -> Result<()> {
        Err(
            Error::new(ErrorKind::Unsupported, "this writer cannot patch records")
                .during("self lookup"),
        )
    }

    /// Deletes the records of these identities, as [`WriteReport::ids`] gave them or a lookup found them; answers how many
    /// there were. No identity comes twice, and a run has found each of them just before, so one that tries again because an
    /// answer was lost counts them all. A later `lookup` does not see them, and a row behind it that has their key makes a new record.
    async fn delete(&mut self, _context: &Context, _ids: ArrayRef) -> Result<u64> {
        Err(
            Error::new(ErrorKind::Unsupported, "this writer cannot delete records")
                .during("delete"),
        )
    }
}
