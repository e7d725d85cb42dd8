//! A delimited file as a destination.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{Array as _, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array};
use async_trait::async_trait;

use super::encode::DelimitedEncoder;
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
#[derive(Debug)]
pub struct FileDestination {
    files: Arc<dyn FileStore>,
    file_name: String,
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
            info: DestinationInfo::new(object_name, Identity::None, capabilities),
            schema,
            format,
        }
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
        let sink = match request.dry_run {
            true => None,
            false => Some(
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
            state: State::Open(sink),
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
    /// `None`: a dry run.
    Open(Option<Sink>),
    /// Everything through this group is durable.
    Finished(u64),
    Aborted,
}

impl FileDestinationWriter {
    fn sink(&mut self) -> Result<Option<&mut Sink>> {
        match &mut self.state {
            State::Open(sink) => Ok(sink.as_mut()),
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
        if let Some(sink) = self.sink()? {
            sink.push(context, records.into()).await?;
        }
        Ok(WriteReport::new(outcomes).with_refusals(refusals))
    }

    async fn commit(&mut self, _context: &Context, request: CommitRequest) -> Result<CommitReport> {
        if let State::Finished(through) = self.state {
            return Ok(CommitReport::new(Durability::Durable { through }));
        }
        let sink = self.sink()?;
        if !request.last {
            if let Some(sink) = sink {
                sink.flush().await?;
            }
            return Ok(CommitReport::new(Durability::Accepted));
        }
        if let Some(sink) = sink {
            sink.finish().await?;
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
