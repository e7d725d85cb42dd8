//! Analyse: what a file probably is, from a sample of it.

mod dialect;
mod encoding;
mod guess;
mod header;
mod readings;
mod records;
mod types;
mod warnings;

use std::collections::HashSet;
use std::sync::Arc;

use futures::StreamExt as _;
use serde::Serialize;

use self::records::{Cell, Record, Records, split};
use self::types::{NULL_TOKENS, Reading, SURE_TOKENS, Typed};
use super::opening::peek;
use super::{guard, rejects, transcode, unpack};
use crate::host::{Context, FileStore};
use crate::record::FieldType;
use crate::spec::{Column, Compression, Delimited, Encoding, Escape, FileSource, Header, Limits};
use crate::{Error, ErrorKind, Problem, Result};

pub use guess::{Alternative, Guess};

/// What an analysis reads.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AnalyseRequest {
    /// The most bytes that are read, of what a packed file holds. Memory is some tens of times as much for short cells.
    pub sample_bytes: usize,
}

impl Default for AnalyseRequest {
    fn default() -> Self {
        AnalyseRequest {
            sample_bytes: 1 << 20,
        }
    }
}

impl AnalyseRequest {
    /// The first MiB.
    pub fn new() -> Self {
        Self::default()
    }

    /// The first `bytes` bytes.
    #[must_use]
    pub fn with_sample_bytes(mut self, bytes: usize) -> Self {
        self.sample_bytes = bytes;
        self
    }
}

/// What a file probably is. Apart from names of columns, and the items of a picklist among the alternatives, it holds
/// nothing of the file.
///
/// ```
/// use syncline::file::analyse_bytes;
///
/// let found = analyse_bytes(b"code;opened\nA-1;2025-01-31\nB-2;2025-02-01\n", true)?;
/// assert_eq!(found.delimiter.value, ';');
/// let types: Vec<String> = found.source("shops.csv").columns.iter().map(|column| column.field_type.to_string()).collect();
/// assert_eq!(types, ["text", "date"]);
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Analysis {
    /// How the file is packed, by how it begins.
    pub compression: Compression,
    /// How its characters are written.
    pub encoding: Guess<Encoding>,
    /// What stands between cells.
    pub delimiter: Guess<char>,
    /// What encloses cells.
    pub quote: Guess<Option<char>>,
    /// How a quote inside quotes is written.
    pub escape: Guess<Escape>,
    /// What lines that are no records begin with.
    pub comment: Option<char>,
    /// How many lines stand in front of the table.
    pub skip_lines: u32,
    /// Whether the first record names the columns.
    pub header: Guess<Header>,
    /// Unquoted cells that mean null, besides the empty one.
    pub null_tokens: Vec<String>,
    /// Whether it is a [reject file](crate::file::RejectFiles), whose cells are [guarded](Delimited::guarded).
    pub guarded: bool,
    /// The columns, in their order.
    pub columns: Vec<AnalysedColumn>,
    /// Records in the sample that were looked at, without the header.
    pub records: usize,
    /// Whether the sample was the whole file.
    pub is_whole: bool,
    /// What a person should look at, with a path into this analysis and without values of the file.
    pub warnings: Vec<Problem>,
}

/// A column as its sample shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AnalysedColumn {
    /// Name, type and format. The name is that of the header, or `column_1` and so on in a file without.
    pub column: Guess<Column>,
    /// Cells of the sample that are not null.
    pub values: usize,
    /// Cells of the sample that are null.
    pub nulls: usize,
    /// How many values differ from each other.
    pub distinct: usize,
    /// Values that are not of the type, and would be refused: one in twenty at most.
    pub unfit: usize,
}

impl Analysis {
    /// The likeliest source, ready for a [test run](crate::file::check()) or a job. Columns that cannot be told apart by
    /// their names are left out.
    pub fn source(&self, name: impl Into<String>) -> FileSource {
        let header = self.header.value;
        let is_usable = |column: &Column| {
            let key = header.key(&column.name);
            let same = |other: &&AnalysedColumn| header.key(&other.column.value.name) == key;
            !column.name.is_empty() && self.columns.iter().filter(same).count() == 1
        };
        let columns = self.columns.iter().map(|column| &column.column.value);
        let mut source = FileSource::new(name, columns.filter(|column| is_usable(column)).cloned());
        source.format = self.format();
        source
    }

    /// The likeliest format.
    pub fn format(&self) -> Delimited {
        let mut format = Delimited::csv();
        format.delimiter = self.delimiter.value;
        format.quote = self.quote.value;
        format.escape = self.escape.value;
        format.comment = self.comment;
        format.skip_lines = self.skip_lines;
        format.header = self.header.value;
        format.encoding = self.encoding.value;
        format.compression = self.compression;
        format.null_tokens.clone_from(&self.null_tokens);
        format.guarded = self.guarded;
        format
    }
}

/// Reads the front of a file and tells what it probably is: how it is packed, encoded and delimited, and what its columns
/// hold.
///
/// ```
/// use std::sync::Arc;
/// use futures::executor::block_on;
/// use syncline::file::{AnalyseRequest, analyse};
/// use syncline::host::Context;
/// use syncline::memory::MemoryFiles;
/// use syncline::record::FieldType;
///
/// let files = MemoryFiles::new();
/// files.insert("seats.csv", "name;since;seats\nAda;31.01.2025;1.250\nBob;28.02.2025;980\n");
///
/// let found = block_on(analyse(&Context::new(), Arc::new(files), "seats.csv", AnalyseRequest::new()))?;
/// assert_eq!(found.delimiter.value, ';');
/// let source = found.source("seats.csv");
/// assert_eq!(source.columns[1].field_type, FieldType::Date);
/// let format = serde_json::to_string(&source.columns[1].format)?;
/// assert_eq!(format, r#"{"time":{"patterns":["%d.%m.%Y"]}}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// - [`Malformed`](ErrorKind::Malformed): the file is empty, or no text: a workbook, say.
/// - [`LimitExceeded`](ErrorKind::LimitExceeded): the sample has no whole record, or a packed file holds too much.
/// - [`Unsupported`](ErrorKind::Unsupported): the file is packed, and the crate's feature `compression` is off.
/// - [`Cancelled`](ErrorKind::Cancelled), and what the store answers.
pub async fn analyse(
    context: &Context,
    files: Arc<dyn FileStore>,
    name: &str,
    request: AnalyseRequest,
) -> Result<Analysis> {
    let named = |error: Error| error.during("analyse a file").with("file", name);
    let opened = files.open(name, 0).await.map_err(named)?;
    let size = opened.size;
    let (front, mut bytes) = peek(opened.bytes, unpack::MAGIC_BYTES)
        .await
        .map_err(named)?;
    let compression = unpack::told_by(&front);
    if compression != Compression::None {
        bytes = unpack::unpack(bytes, size, compression, Limits::default()).map_err(named)?;
    }
    let mut sample = Vec::new();
    let mut is_whole = true;
    while let Some(piece) = bytes.next().await {
        if context.cancel().is_cancelled() {
            return Err(named(Error::new(
                ErrorKind::Cancelled,
                "cancelled while reading a sample",
            )));
        }
        let piece = piece.map_err(named)?;
        let room = request.sample_bytes - sample.len();
        sample.extend_from_slice(piece.get(..room).unwrap_or(&piece));
        if piece.len() > room {
            is_whole = false;
            break;
        }
    }
    let analysis = analyse_bytes(&sample, is_whole).map_err(named)?;
    Ok(Analysis {
        compression,
        ..analysis
    })
}

/// Tells what a file probably is from its front, as [`analyse`] does, without any reading. `is_whole` says that nothing
/// follows. Time and memory are bounded by the sample's length.
///
/// # Errors
/// [`Malformed`](ErrorKind::Malformed) and [`LimitExceeded`](ErrorKind::LimitExceeded), as [`analyse`].
pub fn analyse_bytes(sample: &[u8], is_whole: bool) -> Result<Analysis> {
    refuse_other_files(sample)?;
    let encoding = encoding::guess(sample, is_whole);
    let text = transcode::decode_front(sample, is_whole, encoding.value)?;
    let text = text.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(&text);
    refuse_binary(text)?;
    let marks = dialect::guess(text, is_whole)?;
    let table = text.get(marks.table..).unwrap_or_default();
    let Records { good, bad, .. } = split(table, is_whole, &marks.format, usize::MAX)?;
    if good.is_empty() {
        return Err(no_record(is_whole));
    }
    let delimiter = marks.delimiter.value;
    let header = header::guess(&good, delimiter);
    let (names, body) = match (header.value, good.split_first()) {
        (Header::Absent, _) | (_, None) => (None, good.as_slice()),
        (_, Some((first, below))) => (Some(first), below),
    };
    let length = names.map_or_else(|| dialect::usual_length(body), |names| names.cells.len());
    let nulls = null_tokens(body, length, delimiter);
    let guarded = names.is_some_and(is_of_rejects);
    let name = |number: usize| match names.and_then(|names| names.cells.get(number)) {
        Some(cell) if header.value == Header::Trimmed => cell.text.trim().to_owned(),
        Some(cell) if guarded => guard::unguard_text(&cell.text).to_owned(),
        Some(cell) => cell.text.clone().into_owned(),
        None => format!("column_{}", number + 1),
    };
    let columns: Vec<AnalysedColumn> = (0..length)
        .map(|number| column(name(number), &cells(body, number), &nulls, delimiter))
        .collect();
    let mut analysis = Analysis {
        compression: Compression::None,
        encoding,
        delimiter: marks.delimiter,
        quote: marks.quote,
        escape: marks.escape,
        comment: marks.format.comment,
        skip_lines: marks.format.skip_lines,
        header,
        null_tokens: nulls.iter().map(|token| (*token).to_owned()).collect(),
        guarded,
        columns,
        records: body.len(),
        is_whole,
        warnings: Vec::new(),
    };
    analysis.warnings = warnings::about(&analysis, text, body, bad);
    Ok(analysis)
}

/// Whether these are the names of a reject file's columns.
fn is_of_rejects(names: &Record<'_>) -> bool {
    let has = |name: &&str| names.cells.iter().any(|cell| cell.text == **name);
    rejects::ADDED.iter().all(has)
}

/// What other files than delimited ones begin with.
const OTHER_FILES: [(&[u8], &str); 6] = [
    (b"PK\x03\x04", "a ZIP archive, as a workbook is"),
    (b"\xD0\xCF\x11\xE0", "an old workbook or document"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"SQLite format 3\0", "a SQLite database"),
    (b"%PDF-", "a PDF document"),
];

fn refuse_other_files(sample: &[u8]) -> Result<()> {
    match OTHER_FILES
        .iter()
        .find(|(front, _)| sample.starts_with(front))
    {
        None => Ok(()),
        Some((_, what)) => {
            let message = format!("the file is {what}; export its table as a delimited file");
            Err(Error::new(ErrorKind::Malformed, message))
        }
    }
}

/// Of text, some bytes that are no characters are an accident; these are more.
fn refuse_binary(text: &[u8]) -> Result<()> {
    const FRONT: usize = 4096;
    let front = text.get(..FRONT).unwrap_or(text);
    let is_control = |byte: &&u8| **byte < b' ' && !matches!(**byte, b'\t' | b'\n' | b'\r');
    match front.iter().filter(is_control).count() * 20 > front.len() {
        true => Err(Error::new(
            ErrorKind::Malformed,
            "the file is no text; is it a delimited file at all?",
        )),
        false => Ok(()),
    }
}

fn no_record(is_whole: bool) -> Error {
    match is_whole {
        true => Error::new(
            ErrorKind::Malformed,
            "the file is empty, or no record of it can be read; there is nothing to analyse",
        ),
        false => Error::new(
            ErrorKind::LimitExceeded,
            "the sample ends within the first record; if this is a delimited file, raise `sample_bytes`",
        ),
    }
}

/// The cells of a column, without those of records that have none.
fn cells<'r, 'a>(records: &'r [Record<'a>], column: usize) -> Vec<&'r Cell<'a>> {
    records
        .iter()
        .filter_map(|record| record.cells.get(column))
        .collect()
}

/// The texts of the cells that are not null.
fn values<'r>(cells: &[&'r Cell<'_>], nulls: &[&str]) -> Vec<&'r str> {
    let is_value = |cell: &&&Cell<'_>| {
        !cell.is_null() && (cell.is_quoted || !nulls.contains(&cell.text.as_ref()))
    };
    cells
        .iter()
        .filter(is_value)
        .map(|cell| cell.text.as_ref())
        .collect()
}

/// The tokens that mean null: those that always do, and those that stand among values that are no texts.
fn null_tokens(records: &[Record<'_>], columns: usize, delimiter: char) -> Vec<&'static str> {
    let mut found = Vec::new();
    for number in 0..columns {
        let cells = cells(records, number);
        let is_there = |token: &&&str| {
            cells
                .iter()
                .any(|cell| !cell.is_quoted && cell.text == **token)
        };
        let here: Vec<&str> = NULL_TOKENS.iter().filter(is_there).copied().collect();
        let is_text = || {
            let values = values(&cells, &here);
            types::guess(&values, delimiter).reading.value.field_type == FieldType::Text
        };
        if here.is_empty() {
            continue;
        }
        let is_text = is_text();
        found.extend(
            here.into_iter()
                .filter(|token| !is_text || SURE_TOKENS.contains(token)),
        );
    }
    // In the order of the list, each once.
    NULL_TOKENS
        .into_iter()
        .filter(|token| found.contains(token))
        .collect()
}

fn column(name: String, cells: &[&Cell<'_>], nulls: &[&str], delimiter: char) -> AnalysedColumn {
    let values = values(cells, nulls);
    let Typed { reading, unfit } = types::guess(&values, delimiter);
    let column = |reading: Reading| {
        let column = Column::new(&name, reading.field_type);
        match reading.format {
            Some(format) => column.with_format(format),
            None => column,
        }
    };
    AnalysedColumn {
        column: reading.map(column),
        nulls: cells.len() - values.len(),
        distinct: values.iter().collect::<HashSet<_>>().len(),
        values: values.len(),
        unfit,
    }
}
