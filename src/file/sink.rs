//! Batches in, a delimited file out.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::future::BoxFuture;

use super::encode::DelimitedEncoder;
use crate::host::{Context, FileStore, FileWriter, run_on};
use crate::record::{Picked, Schema};
use crate::spec::Delimited;
use crate::{Error, ErrorKind, Result};

/// Writes a comma-separated file of these batches, whose columns are the fields of `schema`, in its
/// order, and a header. The file is there whole when this answers, and not at all if it fails.
///
/// In a file of one column null is written as `\N`, since an empty line would be no record; a text of
/// these two characters is quoted. Read such a file with `\N` among the
/// [null tokens](Delimited::null_tokens).
///
/// # Errors
/// - [`Contract`](ErrorKind::Contract) if a batch does not fit the schema.
/// - What the store answers.
pub async fn write_delimited(
    context: &Context,
    files: &dyn FileStore,
    name: &str,
    schema: &Schema,
    batches: impl IntoIterator<Item = Result<impl Into<Picked>>>,
) -> Result<()> {
    let mut format = Delimited::csv();
    if schema.fields().len() == 1 {
        format.null_tokens = vec![r"\N".into()];
    }
    let encoder = DelimitedEncoder::new(&format)?;
    let mut sink = Sink::create(files, name, schema, encoder).await?;
    for batch in batches {
        sink.push(context, batch?.into()).await?;
    }
    sink.finish().await
}

/// A file that is being written. Batches are encoded on the executor and written in order.
pub(super) struct Sink {
    encoder: Arc<DelimitedEncoder>,
    schema: Schema,
    /// `None` once finished.
    file: Option<Box<dyn FileWriter>>,
    encoding: VecDeque<BoxFuture<'static, Result<Result<Vec<u8>>>>>,
    /// What the text of the next batch is likely to take.
    room: usize,
    /// A write failed, or was given up: nobody knows what the file holds.
    broken: bool,
}

impl Sink {
    /// Begins the file, with its header if the format has one.
    pub(super) async fn create(
        files: &dyn FileStore,
        name: &str,
        schema: &Schema,
        encoder: DelimitedEncoder,
    ) -> Result<Self> {
        let mut header = Vec::new();
        encoder.header(schema.fields().iter().map(|field| &field.name), &mut header)?;
        let mut file = files.create(name).await?;
        if !header.is_empty() {
            file.write(header.into()).await?;
        }
        Ok(Sink {
            encoder: Arc::new(encoder),
            schema: schema.clone(),
            file: Some(file),
            encoding: VecDeque::new(),
            room: 0,
            broken: false,
        })
    }

    /// Takes a batch of all fields of the schema.
    pub(super) async fn push(&mut self, context: &Context, batch: Picked) -> Result<()> {
        let types = batch
            .schema()
            .fields()
            .iter()
            .map(|field| field.data_type());
        let fields = self.schema.arrow().fields();
        if !types.eq(fields.iter().map(|field| field.data_type())) {
            return Err(Error::contract(
                "a batch to be written does not have the columns of its schema",
            ));
        }
        let encoder = Arc::clone(&self.encoder);
        let room = self.room.max(batch.rows().len() * 64);
        let work = run_on(context.executor(), async move {
            let mut text = Vec::with_capacity(room);
            encoder.picked(&batch, &mut text).map(|()| text)
        });
        self.encoding.push_back(Box::pin(work));
        self.write_all_but(context.executor().parallelism()).await
    }

    /// Hands everything taken so far to the store.
    pub(super) async fn flush(&mut self) -> Result<()> {
        self.write_all_but(0).await
    }

    async fn write_all_but(&mut self, waiting: usize) -> Result<()> {
        let Some(file) = &mut self.file else {
            return Err(Error::new(
                ErrorKind::Closed,
                "the file was finished; write to a new one",
            ));
        };
        if self.broken {
            let message = "an earlier write of this file failed, and part of it may be missing; write the file anew";
            return Err(Error::new(ErrorKind::Closed, message));
        }
        while self.encoding.len() > waiting {
            // Also whoever does not wait for the answer leaves it so.
            self.broken = true;
            let Some(work) = self.encoding.pop_front() else {
                break;
            };
            let text = work.await.and_then(|text| text)?;
            self.room = text.len() + text.len() / 8;
            file.write(text.into()).await?;
            self.broken = false;
        }
        Ok(())
    }

    /// Makes the file durable and visible.
    pub(super) async fn finish(&mut self) -> Result<()> {
        self.flush().await?;
        if let Some(file) = &mut self.file {
            file.finish().await?;
        }
        self.file = None;
        Ok(())
    }
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink")
            .field("file", &self.file)
            .field("encoding", &self.encoding.len())
            .finish_non_exhaustive()
    }
}
