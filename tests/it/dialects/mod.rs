//! Delimited files of every kind: separators, quotes, escapes, comments, skipped lines, header rules; and what is
//! written in them is read back.

mod properties;
mod reading;
mod writing;

use std::sync::Arc;

use futures::TryStreamExt as _;
use futures::executor::block_on;
use syncline::dataset::{Dataset as _, ReadRequest};
use syncline::file::DelimitedDataset;
use syncline::host::Context;
use syncline::memory::MemoryFiles;
use syncline::record::{Batch, FieldType, Reason, array};
use syncline::spec::{Column, Delimited, FileSource};
use syncline::{Error, Result};

type Row = Vec<Option<String>>;

/// Rows, and of each reject its line, byte and reason.
#[derive(Debug, Clone, PartialEq)]
struct Read {
    columns: Vec<String>,
    rows: Vec<Row>,
    rejects: Vec<(u64, u64, Reason)>,
    messages: Vec<String>,
}

fn texts(names: &[&str], format: Delimited) -> FileSource {
    let columns = names.iter().map(|name| Column::new(*name, FieldType::Text));
    let mut source = FileSource::new("f", columns);
    source.format = format;
    source
}

fn read_in_pieces(bytes: &[u8], source: &FileSource, size: usize) -> Result<Read> {
    let files = MemoryFiles::new().with_chunk_bytes(size);
    files.insert("f", bytes.to_vec());
    let context = Context::new();
    let (columns, batches) = block_on(async {
        let dataset = DelimitedDataset::open(&context, Arc::new(files), source).await?;
        let batches = dataset.read(&context, ReadRequest::new());
        let batches: Vec<Batch> = batches.try_collect().await?;
        Ok::<_, Error>((dataset.info().columns.to_vec(), batches))
    })?;
    let bytes_read: u64 = batches.iter().map(|batch| batch.bytes_read).sum();
    assert_eq!(bytes_read, bytes.len() as u64);
    let mut read = Read {
        columns,
        rows: Vec::new(),
        rejects: Vec::new(),
        messages: Vec::new(),
    };
    for batch in batches {
        for row in 0..batch.len() {
            let cell = |column: &array::ArrayRef| {
                let mut text = Vec::new();
                let is_valid = syncline::record::format::value(column, row, &mut text);
                is_valid.then(|| String::from_utf8(text).unwrap())
            };
            read.rows
                .push(batch.records.columns().iter().map(cell).collect());
        }
        for reject in batch.rejects {
            let (byte, line) = reject.position.byte_and_line.unwrap();
            read.rejects.push((line, byte, reject.refusal.reason));
            read.messages.push(reject.refusal.message.into_owned());
        }
    }
    Ok(read)
}

/// Reads a file in pieces of some sizes; the sizes must not show.
fn read(bytes: impl AsRef<[u8]>, source: &FileSource) -> Result<Read> {
    let bytes = bytes.as_ref();
    let whole = read_in_pieces(bytes, source, 1 << 20);
    for size in [1, 2, 3, 7] {
        match (&whole, read_in_pieces(bytes, source, size)) {
            (Ok(whole), Ok(read)) => assert_eq!(*whole, read, "in pieces of {size}"),
            (Err(whole), Err(error)) => assert_eq!(whole.to_string(), error.to_string()),
            (whole, other) => panic!("{whole:?} and {other:?} in pieces of {size}"),
        }
    }
    whole
}

fn format(change: impl FnOnce(&mut Delimited)) -> Delimited {
    let mut format = Delimited::csv();
    change(&mut format);
    format
}

fn row(cells: &[&str]) -> Row {
    cells.iter().map(|cell| Some((*cell).to_owned())).collect()
}
