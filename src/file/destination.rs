//! A delimited file as a destination.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{Array as _, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array};
use async_trait::async_trait;

use super::encode::DelimitedEncoder;
use super::rejects::in_name;
use super::sink::Sink;
use crate::destination::{
    CommitReport, CommitRequest, Destination, DestinationCapabilities, DestinationInfo, Durability,
    OpenRequest, Opened, RowOutcome, WriteReport, Writer,
};
use crate::host::{Context, FileStore};
use crate::record::{Batch, Reason, Refusal, RowOp, Schema};
use crate::spec::{Delimited, Identity, WriteMode, WriteOn};
use crate::{Error, ErrorKind, Problem, Result};

/// A file of all fields of a schema, with a header unless the format has none, written from front to back.
///
/// It only takes inserts. Fields that a job does not map are written as null; a record without a
/// value in a required field is refused as
/// [`MissingRequired`](crate::record::Reason::MissingRequired), and so is each record with a null that
/// the format [cannot express](DelimitedEncoder), as that of an object of one field; one with a value that it cannot express is
/// refused as [`Refused`](crate::record::Reason::Refused). The file is there, whole and in place of
/// an older one, once the [last](CommitRequest::last) group is committed; commits before that answer
/// [`Accepted`](Durability::Accepted), and a writer that is dropped or aborted leaves no file.
///
/// [In parts](FileDestination::in_parts), each commit group is a file of its own, durable when it is committed. A group
/// that comes again takes the place of its file, so nothing is there twice.
#[derive(Debug)]
pub struct FileDestination {
    files: Arc<dyn FileStore>,
    file_name: String,
    in_parts: bool,
    info: DestinationInfo,
    schema: Schema,
    format: Delimited,
}

impl FileDestination {
    /// The object `object_name`, written to the file `file_name` of a store.
    pub fn new(
        files: Arc<dyn FileStore>,
        file_name: impl Into<String>,
        object_name: impl Into<String>,
        schema: Schema,
        format: Delimited,
    ) -> Self {
        let capabilities = DestinationCapabilities::new().with_dry_run();
        FileDestination {
            files,
            file_name: file_name.into(),
            in_parts: false,
            info: DestinationInfo::new(object_name, Identity::None, capabilities),
            schema,
            format,
        }
    }

    /// The same, writing a file for each commit group: `orders-00000007.csv` is group 7 of `orders.csv`. A group without
    /// records has no file.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use syncline::destination::Destination;
    /// use syncline::file::FileDestination;
    /// use syncline::memory::MemoryFiles;
    /// use syncline::record::{Field, FieldType, Schema};
    /// use syncline::spec::Delimited;
    ///
    /// let schema = Schema::new(vec![Field::new("id", FieldType::Integer)]);
    /// let files = Arc::new(MemoryFiles::new());
    /// let orders = FileDestination::new(files, "orders.csv", "order", schema, Delimited::csv()).in_parts();
    /// assert!(orders.info().capabilities.dedups_groups);
    /// ```
    #[must_use]
    pub fn in_parts(mut self) -> Self {
        self.in_parts = true;
        self.info.capabilities = self.info.capabilities.with_dedup_of_groups();
        self
    }

    /// For each field of the schema, its column in the batches to come.
    fn columns(&self, request: &OpenRequest) -> Result<Vec<Option<usize>>> {
        let mut problems = Vec::new();
        let mut columns = vec![None; self.schema.fields().len()];
        for (number, field) in request.fields.iter().enumerate() {
            let at = self.schema.index_of(&field.name);
            match at.and_then(|at| columns.get_mut(at)) {
                None => problems.push(format!("the object has no field `{}`", field.name)),
                Some(Some(_)) => {
                    problems.push(format!("the field `{}` is there twice", field.name))
                }
                // Nothing is ever updated.
                Some(_) if field.on == WriteOn::Update => {}
                Some(column) => *column = Some(number),
            }
        }
        for (field, column) in self.schema.fields().iter().zip(&columns) {
            if field.required && column.is_none() {
                problems.push(format!("the required field `{}` is not mapped", field.name));
            }
        }
        if problems.is_empty() {
            return Ok(columns);
        }
        let problems = problems
            .into_iter()
            .map(|problem| Problem::new("fields", problem));
        Err(Error::invalid(
            "the fields do not fit the object",
            problems.collect(),
        ))
    }
}

#[async_trait]
impl Destination for FileDestination {
    fn info(&self) -> &DestinationInfo {
        &self.info
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    async fn open(&self, _context: &Context, request: OpenRequest) -> Result<Opened> {
        let named = |error: Error| {
            error
                .during("open a file to write")
                .with("object", &self.info.name)
                .with("file", &self.file_name)
        };
        if request.mode != WriteMode::Insert || request.wants_ids {
            return Err(named(Error::new(
                ErrorKind::Unsupported,
                "a file only takes inserts, and its records have no identity; use an object that is stored in a table",
            )));
        }
        let columns = self.columns(&request).map_err(named)?;
        let encoder = DelimitedEncoder::new(&self.format).map_err(named)?;
        let names = self.schema.fields().iter().map(|field| &field.name);
        encoder.header(names, &mut Vec::new()).map_err(named)?;
        let output = match (request.dry_run, self.in_parts) {
            (true, _) => Output::Nowhere,
            (false, true) => Output::Parts(Parts {
                files: Arc::clone(&self.files),
                file_name: self.file_name.clone(),
                partition: in_name(&request.partition),
                group: request.group,
                sink: None,
            }),
            (false, false) => Output::Whole(
                Sink::create(&*self.files, &self.file_name, &self.schema, encoder.clone())
                    .await
                    .map_err(named)?,
            ),
        };
        Ok(Opened::new(Box::new(FileDestinationWriter {
            fields: request.fields.len(),
            columns,
            encoder,
            schema: self.schema.clone(),
            state: State::Open(output),
        })))
    }
}

#[derive(Debug)]
struct FileDestinationWriter {
    /// Columns of a batch.
    fields: usize,
    columns: Vec<Option<usize>>,
    encoder: DelimitedEncoder,
    schema: Schema,
    state: State,
}

#[derive(Debug)]
enum State {
    Open(Output),
    /// Everything through this group is durable.
    Finished(u64),
    Aborted,
}

/// Where the text goes.
#[derive(Debug)]
enum Output {
    /// A dry run.
    Nowhere,
    Whole(Sink),
    Parts(Parts),
}

/// A file for each commit group.
#[derive(Debug)]
struct Parts {
    files: Arc<dyn FileStore>,
    file_name: String,
    /// What stands in the names for the partition, which counts its groups by itself.
    partition: String,
    /// The group that is open.
    group: u64,
    /// Its file, if it has records.
    sink: Option<Sink>,
}

impl Parts {
    /// The file of the open group.
    fn name(&self) -> String {
        let begin = self.file_name.rfind('/').map_or(0, |at| at + 1);
        let name = self.file_name.get(begin..).unwrap_or_default();
        // A name that begins with a dot is no ending.
        let ending = name.rfind('.').filter(|&at| at > 0).map(|at| begin + at);
        let (stem, ending) = self
            .file_name
            .split_at(ending.unwrap_or(self.file_name.len()));
        format!("{stem}{}-{:08}{ending}", self.partition, self.group)
    }

    /// Makes the open group's file durable, in place of an earlier one, and begins the next group.
    async fn commit(&mut self, group: u64) -> Result<()> {
        // The answer to the same commit was lost.
        if group < self.group {
            return Ok(());
        }
        if group > self.group {
            return Err(Error::contract("a commit group was left out").with("group", self.group));
        }
        match &mut self.sink {
            Some(sink) => sink.finish().await?,
            None => self.files.remove(&self.name()).await?,
        }
        self.sink = None;
        self.group += 1;
        Ok(())
    }
}

impl FileDestinationWriter {
    fn output(&mut self) -> Result<&mut Output> {
        match &mut self.state {
            State::Open(output) => Ok(output),
            State::Finished(_) | State::Aborted => Err(Error::new(
                ErrorKind::Closed,
                "the writer was committed for good or aborted; open another",
            )),
        }
    }

    /// The batch with all fields of the schema.
    fn widen(&self, records: &RecordBatch) -> Result<RecordBatch> {
        let rows = records.num_rows();
        let fields = self.schema.arrow().fields().iter().zip(&self.columns);
        let columns = fields.map(|(field, column)| match column {
            Some(column) => Ok(Arc::clone(records.columns().get(*column).ok_or_else(
                || Error::contract("a batch has fewer columns than its writer was opened for"),
            )?)),
            None => Ok(new_null_array(field.data_type(), rows)),
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(self.schema.arrow());
        Ok(RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)
    }

    /// The rows that cannot be written.
    fn refusals(
        &self,
        records: &RecordBatch,
        ops: Option<&[RowOp]>,
    ) -> Result<Vec<(u32, Refusal)>> {
        let mut refusals = Vec::new();
        let deleted = |row: usize| ops.is_some_and(|ops| ops.get(row) == Some(&RowOp::Delete));
        let has_null = self.encoder.has_null(self.columns.len());
        let required: Vec<_> = self
            .schema
            .fields()
            .iter()
            .zip(records.columns())
            .filter(|(field, column)| (field.required || !has_null) && column.null_count() > 0)
            .collect();
        let inexpressible: HashMap<_, _> =
            self.encoder.inexpressible(records)?.into_iter().collect();
        if required.is_empty() && inexpressible.is_empty() && ops.is_none() {
            return Ok(refusals);
        }
        for row in 0..records.num_rows() {
            let missing = required.iter().find(|(_, column)| column.is_null(row));
            let stranger = inexpressible.get(&row);
            let refusal = match (missing, stranger) {
                _ if deleted(row) => Refusal::new(Reason::Refused, "a file takes no deletes"),
                (Some((field, _)), _) if !field.required => Refusal::new(
                    Reason::MissingRequired,
                    "the format of the file cannot express a null here; map a value, or give the format a null token",
                )
                .of(&field.name),
                (Some((field, _)), _) => {
                    Refusal::new(Reason::MissingRequired, "the field needs a value").of(&field.name)
                }
                (None, Some(&(column, fault))) => {
                    let refusal = Refusal::new(Reason::Refused, fault.message());
                    match self.schema.fields().get(column) {
                        Some(field) => refusal.of(&field.name),
                        None => refusal,
                    }
                }
                (None, None) => continue,
            };
            refusals.push((row as u32, refusal));
        }
        Ok(refusals)
    }
}

#[async_trait]
impl Writer for FileDestinationWriter {
    async fn write(&mut self, context: &Context, batch: Batch) -> Result<WriteReport> {
        if batch.records.num_columns() != self.fields {
            return Err(Error::contract(
                "a batch does not have the columns that its writer was opened for",
            ));
        }
        let mut records = self.widen(&batch.records)?;
        let refusals = self.refusals(&records, batch.ops.as_deref())?;
        let mut outcomes = vec![RowOutcome::Inserted; records.num_rows()];
        for (row, _) in &refusals {
            if let Some(outcome) = outcomes.get_mut(*row as usize) {
                *outcome = RowOutcome::Rejected;
            }
        }
        if !refusals.is_empty() {
            let keep: BooleanArray = outcomes
                .iter()
                .map(|outcome| Some(*outcome == RowOutcome::Inserted))
                .collect();
            records = arrow_select::filter::filter_record_batch(&records, &keep)?;
        }
        let (encoder, schema) = (self.encoder.clone(), self.schema.clone());
        match self.output()? {
            Output::Nowhere => {}
            Output::Whole(sink) => sink.push(context, records.into()).await?,
            Output::Parts(parts) if records.num_rows() > 0 => {
                let name = parts.name();
                let sink = match &mut parts.sink {
                    Some(sink) => sink,
                    none => {
                        none.insert(Sink::create(&*parts.files, &name, &schema, encoder).await?)
                    }
                };
                sink.push(context, records.into()).await?;
            }
            Output::Parts(_) => {}
        }
        Ok(WriteReport::new(outcomes).with_refusals(refusals))
    }

    async fn commit(&mut self, _context: &Context, request: CommitRequest) -> Result<CommitReport> {
        if let State::Finished(through) = self.state {
            return Ok(CommitReport::new(Durability::Durable { through }));
        }
        match self.output()? {
            Output::Whole(sink) if !request.last => {
                sink.flush().await?;
                return Ok(CommitReport::new(Durability::Accepted));
            }
            Output::Nowhere if !request.last => {
                return Ok(CommitReport::new(Durability::Accepted));
            }
            Output::Nowhere => {}
            Output::Whole(sink) => sink.finish().await?,
            Output::Parts(parts) => {
                parts.commit(request.group).await?;
                if !request.last {
                    let through = request.group;
                    return Ok(CommitReport::new(Durability::Durable { through }));
                }
            }
        }
        let through = request.group;
        self.state = State::Finished(through);
        Ok(CommitReport::new(Durability::Durable { through }))
    }

    async fn abort(&mut self, _context: &Context) -> Result<()> {
        if let State::Open(_) = self.state {
            self.state = State::Aborted;
        }
        Ok(())
    }
}
