//! A delimited file as a dataset.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use arrow_schema::DataType;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt as _};

use super::block::{Block, FileFacts};
use super::blocks::{BLOCK_BYTES, Blocks};
use super::cursor::place;
use super::decode::{Plan, Wanted, decode};
use super::dialect::Dialect;
use super::header::Header;
use super::opening::{Opening, Text, changed};
use crate::dataset::{BatchStream, Dataset, DatasetInfo, ReadRequest};
use crate::host::{Context, Executor, FileStore, run_on};
use crate::record::notation::Notation;
use crate::record::{Batch, Cursor, Schema};
use crate::spec::FileSource;
use crate::{Error, ErrorKind, Problem, Result};

/// A delimited file, read in blocks.
///
/// A read splits the file into records on the thread that polls it, and parses blocks of records on the
/// [`Executor`] of its context; batches come in file order. In memory are about
/// [`parallelism`](Executor::parallelism)` + 2` blocks of half a MiB, or more where a record is longer,
/// up to the limit. Columns are found as [`Header`](crate::spec::Header) says; a header must name a column of the
/// source once and no more, and [`DatasetInfo::columns`] has its names as they are written, or the declared ones in a
/// file without header. Each read reads the header again, and fails as
/// [`Malformed`](ErrorKind::Malformed) if it is not the one that was there at the opening.
///
/// A file that is packed, or in another encoding than UTF-8, is unpacked and made UTF-8 on the polling thread. Its
/// positions, its limits and [`Batch::bytes_read`] count the bytes of that text, without the byte order mark of another
/// encoding, and [`DatasetInfo::size_bytes`] is not known; lines are the same. Bytes that mean nothing in the encoding become
/// `FF`, which no text has: they reject the records that need them. A stream that fails in its middle gives the records in
/// front of that first.
///
/// A read goes on at the cursor of any batch: from that byte on, or, in a file that is packed or in another encoding, by
/// reading past what is in front of it. Cursors are for the [version](crate::host::OpenedFile::version) of the file that was
/// there at the opening; where the store tells none, for its size. A batch that ends amid records whose quotes are
/// bad may have none.
///
/// ```
/// use std::sync::Arc;
/// use futures::{StreamExt, executor::block_on};
/// use syncline::dataset::{Dataset, ReadRequest};
/// use syncline::file::DelimitedDataset;
/// use syncline::host::Context;
/// use syncline::memory::MemoryFiles;
/// use syncline::record::{Field, FieldType};
/// use syncline::spec::FileSource;
///
/// let files = MemoryFiles::new();
/// files.insert("seats.csv", "name,seats\nAda,3\nBob,many\n");
/// let source = FileSource::new("seats.csv", vec![Field::new("seats", FieldType::Integer)]);
///
/// let context = Context::new();
/// let batch = block_on(async {
///     let dataset = DelimitedDataset::open(&context, Arc::new(files), &source).await?;
///     dataset.read(&context, ReadRequest::new()).next().await.transpose()
/// })?.unwrap();
/// assert_eq!(batch.len(), 1);
/// assert_eq!(batch.rejects[0].position.to_string(), "seats.csv:3 (byte 17)");
/// # Ok::<(), syncline::Error>(())
/// ```
#[derive(Debug)]
pub struct DelimitedDataset {
    info: DatasetInfo,
    schema: Schema,
    opening: Arc<Opening>,
    facts: Arc<FileFacts>,
    /// For each field of the schema, its column in the file.
    columns: Vec<usize>,
    /// Which version of the file its lineage tells.
    version: Option<String>,
    block_bytes: usize,
}

impl DelimitedDataset {
    /// Reads the header of a file, if it has one, and finds the columns of `source` in it.
    ///
    /// # Errors
    /// - [`Malformed`](ErrorKind::Malformed): the file is empty, or not packed or encoded as the format says; its header
    ///   cannot be split, or lacks a column of the source or names one twice; the error lists each of these columns
    ///   with its path, e.g. `columns[3].name`. It has fewer lines than are skipped.
    /// - [`LimitExceeded`](ErrorKind::LimitExceeded): the header is too long or has too many columns.
    /// - [`Invalid`](ErrorKind::Invalid): the format, or that of a column, has
    ///   [problems](crate::spec::FileSource::problems).
    /// - [`Unsupported`](ErrorKind::Unsupported): the file is packed, and the crate's feature `compression` is off.
    /// - What the store answers, [`NotFound`](ErrorKind::NotFound) for instance.
    pub async fn open(
        _context: &Context,
        files: Arc<dyn FileStore>,
        source: &FileSource,
    ) -> Result<Self> {
        let named = |error: Error| {
            error
                .during("open a delimited file")
                .with("file", &source.name)
        };
        let dialect = Dialect::new(&source.format).map_err(named)?;
        let notations = notations(source).map_err(named)?;
        let opening = Opening::new(files, source);
        let mut text = opening.open().await.map_err(named)?;
        let header = Header::read(&mut text.filling, &dialect)
            .await
            .map_err(named)?;
        let (names, columns) = match header.columns {
            Some(names) => {
                let columns = find_columns(source, &names).map_err(named)?;
                (names, columns)
            }
            None => {
                let names = source.columns.iter().map(|column| column.name.clone());
                (names.collect(), (0..source.columns.len()).collect())
            }
        };
        let names: Arc<[String]> = names.into();
        Ok(DelimitedDataset {
            info: DatasetInfo::new(&source.name, Arc::clone(&names))
                .with_raw_text()
                .with_notations(notations)
                .with_size_bytes(text.size)
                .with_resume(lineage(source, text.version.as_deref(), text.size)),
            schema: source.schema(),
            opening: Arc::new(opening),
            facts: Arc::new(FileFacts {
                name: source.name.as_str().into(),
                columns: names,
                dialect,
            }),
            columns,
            version: text.version,
            block_bytes: BLOCK_BYTES,
        })
    }

    /// Reads in blocks of about this size; for tests, since it shows nowhere.
    #[cfg(test)]
    pub(super) fn with_block_bytes(mut self, bytes: usize) -> Self {
        self.block_bytes = bytes;
        self
    }

    fn plan(&self, request: &ReadRequest) -> Result<Plan> {
        let all = || self.schema.fields().iter().map(|field| field.name.clone());
        let names = match &request.fields {
            Some(names) => names.clone(),
            None => all().collect(),
        };
        if let Some(stray) = request.raw.iter().find(|raw| !names.contains(raw)) {
            return Err(Error::new(
                ErrorKind::Invalid,
                "a column is wanted as raw text and not among the fields wanted; ask for it there too",
            )
            .with("column", format_args!("`{stray}`")));
        }
        let mut wanted = Vec::with_capacity(names.len());
        let mut arrow = Vec::with_capacity(names.len());
        for name in names {
            let found = self.schema.index_of(&name);
            let found =
                found.and_then(|at| Some((self.schema.fields().get(at)?, *self.columns.get(at)?)));
            let Some((field, column)) = found else {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    "the dataset has no such column; declare it among the columns of the source",
                )
                .with("column", format_args!("`{name}`")));
            };
            let field_type = match request.raw.contains(&name) {
                true => None,
                false => Some(field.field_type.clone()),
            };
            let data_type = field_type
                .as_ref()
                .map_or(DataType::Utf8View, |field_type| field_type.data_type());
            arrow.push(arrow_schema::Field::new(&name, data_type, true));
            let mut notations = self.info.notations.iter();
            let notation = notations.find(|(noted, _)| *noted == name);
            let notation = notation.map(|(_, notation)| notation.clone());
            wanted.push(Wanted::new(name, column, field_type).with_notation(notation));
        }
        Ok(Plan {
            wanted,
            schema: Arc::new(arrow_schema::Schema::new(arrow)),
            batch_rows: request.batch_rows.max(1),
        })
    }
}

impl Dataset for DelimitedDataset {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn read(&self, context: &Context, request: ReadRequest) -> BatchStream {
        let name = Arc::clone(&self.facts.name);
        let named = move |error: Error| error.during("read").with("file", &name);
        let place_of = |cursor: &Option<Cursor>| cursor.as_ref().map(place).transpose();
        let asked = self
            .plan(&request)
            .and_then(|plan| Ok((plan, place_of(&request.resume)?, place_of(&request.until)?)));
        let (plan, resume, until) = match asked {
            Ok((plan, resume, until)) => (Arc::new(plan), resume, until),
            Err(error) => return stream::iter([Err(named(error))]).boxed(),
        };
        let (opening, facts) = (Arc::clone(&self.opening), Arc::clone(&self.facts));
        let (block_bytes, version) = (self.block_bytes, self.version.clone());
        let executor = context.executor_handle();
        let begin = async move {
            let Text {
                mut filling,
                version: now,
                ..
            } = opening.open().await?;
            if (resume.is_some() || until.is_some()) && now != version {
                return Err(changed());
            }
            // The file may be another one by now, and its columns elsewhere.
            let header = Header::read(&mut filling, &facts.dialect).await?;
            if header.columns.is_some_and(|names| *names != *facts.columns) {
                return Err(Error::new(
                    ErrorKind::Malformed,
                    "the header changed since the file was opened; open it again",
                ));
            }
            // What is in front of the records counts as the first block's.
            let (mut front, mut behind) = (header.behind, 0);
            if let Some(place) = resume.filter(|place| place.byte > front.byte) {
                // A line end of two bytes may lie on both sides of the place.
                filling = opening.go_on(filling, front.byte, place.byte - 1).await?;
                filling.fill(2).await?;
                let halves = filling.buffer.starts_with(b"\r\n");
                filling.skip(1 + usize::from(halves));
                (front, behind) = (place.plus(usize::from(halves), 0, 0), place.byte);
            }
            if let Some(until) = until {
                filling.end_behind(until.byte.saturating_sub(front.byte));
            }
            let form = facts.dialect.form(facts.columns.len());
            Ok(Reading {
                blocks: Some(Blocks::new(filling, form, front, block_bytes)),
                facts,
                plan,
                executor,
                decoding: VecDeque::new(),
                failed: None,
                behind,
            })
        };
        stream::once(begin)
            .flat_map(|reading| match reading {
                Ok(reading) => stream::unfold(reading, Reading::next).boxed(),
                Err(error) => stream::iter([vec![Err(error)]]).boxed(),
            })
            .flat_map(stream::iter)
            .map(move |batch| batch.map_err(&named))
            .boxed()
    }
}

/// A read under way.
struct Reading {
    /// `None` when all are read.
    blocks: Option<Blocks>,
    facts: Arc<FileFacts>,
    plan: Arc<Plan>,
    executor: Arc<dyn Executor>,
    /// Blocks on the executor, in file order.
    decoding: VecDeque<BoxFuture<'static, Result<Result<Vec<Batch>>>>>,
    /// What ended the blocks; told behind the batches in front of it.
    failed: Option<Error>,
    behind: u64,
}

impl Reading {
    /// The batches of the next block, or the error that ends the read.
    async fn next(mut self) -> Option<(Vec<Result<Batch>>, Self)> {
        // One block more than can be worked on at the same time waits.
        while self.decoding.len() <= self.executor.parallelism() {
            let Some(blocks) = &mut self.blocks else {
                break;
            };
            match blocks.next().await {
                Ok(Some((bytes, index))) => {
                    let begin = std::mem::replace(&mut self.behind, index.next.byte);
                    let block = Arc::new(Block {
                        file: Arc::clone(&self.facts),
                        bytes,
                        index,
                    });
                    let plan = Arc::clone(&self.plan);
                    let work = run_on(&*self.executor, async move { decode(&block, &plan, begin) });
                    self.decoding.push_back(Box::pin(work));
                }
                Ok(None) => self.blocks = None,
                Err(error) => {
                    self.blocks = None;
                    self.failed = Some(error);
                }
            }
        }
        let batches = match self.decoding.pop_front() {
            Some(work) => match work.await.and_then(|batches| batches) {
                Ok(batches) => batches.into_iter().map(Ok).collect(),
                Err(error) => {
                    self.blocks = None;
                    self.failed = None;
                    self.decoding.clear();
                    vec![Err(error)]
                }
            },
            None => vec![Err(self.failed.take()?)],
        };
        Some((batches, self))
    }
}

/// What cursors into the file are valid for: this version of it, split into records in this way.
fn lineage(source: &FileSource, version: Option<&str>, size: Option<u64>) -> String {
    let format = serde_json::to_string(&source.format).unwrap_or_default();
    let size = size.map(|size| format!("{size} bytes"));
    let version = version.or(size.as_deref()).unwrap_or("unknown");
    format!("byte, line, record; version: {version}; format: {format}")
}

/// How the values of columns with a format are written.
fn notations(source: &FileSource) -> Result<Vec<(String, Notation)>> {
    let (mut notations, mut problems) = (Vec::new(), Vec::new());
    for (i, column) in source.columns.iter().enumerate() {
        match column.notation(&format!("columns[{i}].format")) {
            Ok(notation) => {
                notations.extend(notation.map(|notation| (column.name.clone(), notation)));
            }
            Err(found) => problems.extend(found),
        }
    }
    match problems.is_empty() {
        true => Ok(notations),
        false => Err(Error::invalid(
            "the columns of a file have formats that are wrong",
            problems,
        )),
    }
}

/// The number of each declared column in the header.
fn find_columns(source: &FileSource, header: &[String]) -> Result<Vec<usize>> {
    let rule = source.format.header;
    let mut numbers: HashMap<Cow<'_, str>, Vec<usize>> = HashMap::with_capacity(header.len());
    for (number, name) in header.iter().enumerate() {
        numbers.entry(rule.key(name)).or_default().push(number);
    }
    let mut found = Vec::with_capacity(source.columns.len());
    let (mut missing, mut problems) = (Vec::new(), Vec::new());
    for (i, column) in source.columns.iter().enumerate() {
        let named = numbers.get(&rule.key(&column.name));
        let message = match named.map(Vec::as_slice).unwrap_or_default() {
            [number] => {
                found.push(*number);
                continue;
            }
            [] => {
                missing.push(describe_missing(&column.name, header));
                "the header has no such column".to_owned()
            }
            several => {
                let names = several.iter().filter_map(|&number| header.get(number));
                let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
                format!(
                    "the header names the column twice, as {}",
                    names.join(" and ")
                )
            }
        };
        problems.push(Problem::new(format!("columns[{i}].name"), message));
    }
    if problems.is_empty() {
        return Ok(found);
    }
    // What UTF-16 looks like when it is read as something else.
    let has_nul = header.iter().any(|name| name.contains('\0'));
    let error = match missing.is_empty() {
        false if has_nul => Error::new(
            ErrorKind::Malformed,
            "the header has NUL characters and lacks columns that the source declares; if the file is UTF-16, set the format's \
             `encoding` to `utf-16le` or `utf-16be`",
        ),
        true => Error::new(
            ErrorKind::Malformed,
            "the header names a column of the source twice; give each a name of its own",
        ),
        false => Error::new(
            ErrorKind::Malformed,
            "the header lacks columns that the source declares; correct the header, the source's columns, or the \
             format's `delimiter` or `header`",
        )
        .with("missing", missing.join(", ")),
    };
    Err(error.with_problems(problems))
}

fn describe_missing(name: &str, header: &[String]) -> String {
    // Spelt in another way: `Unit Price`, `unit_price`.
    let letters = |name: &str| -> String {
        let letters = name.chars().filter(|letter| letter.is_alphanumeric());
        letters.flat_map(char::to_lowercase).collect()
    };
    let wanted = letters(name);
    let near = |other: &&String| !wanted.is_empty() && letters(other) == wanted;
    match header.iter().find(near) {
        Some(near) => format!("`{name}` (the header has `{near}`)"),
        None => format!("`{name}`"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use futures::TryStreamExt as _;
    use futures::executor::block_on;
    use proptest::prelude::*;

    use super::*;
    use crate::file::LocalFiles;
    use crate::record::{Field, FieldType};
    use crate::spec::{Encoding, Escape, Header as Rule};

    /// Rows as (position, cells), rejects as text.
    type Read = (Vec<(String, String)>, Vec<String>);

    fn read(block_bytes: usize, bytes: &[u8], source: &FileSource) -> Read {
        let (read, cursors, size) = stretch(block_bytes, bytes, source, ReadRequest::new());
        assert_eq!(size, bytes.len() as u64);
        assert!(cursors.last().is_some_and(Option::is_some));
        read
    }

    /// A stretch of a file, the cursors of its batches, and the bytes read.
    fn stretch(
        block_bytes: usize,
        bytes: &[u8],
        source: &FileSource,
        request: ReadRequest,
    ) -> (Read, Vec<Option<Cursor>>, u64) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(&source.name);
        std::fs::write(path, bytes).unwrap();
        let files = Arc::new(LocalFiles::new(folder.path()));
        let context = Context::new();
        let batches: Vec<Batch> = block_on(async {
            let dataset = DelimitedDataset::open(&context, files, source)
                .await
                .unwrap();
            let dataset = dataset.with_block_bytes(block_bytes);
            dataset.read(&context, request).try_collect().await
        })
        .unwrap();
        let rows = batches.iter().flat_map(|batch| {
            (0..batch.len()).map(|row| {
                let cells = format!("{:?}", batch.origins.raw(row));
                (batch.origins.position(row).to_string(), cells)
            })
        });
        let rejects = batches.iter().flat_map(|batch| &batch.rejects);
        let read: u64 = batches.iter().map(|batch| batch.bytes_read).sum();
        let cursors = batches.iter().map(|batch| batch.resume.clone());
        let found = (
            rows.collect(),
            rejects.map(|reject| format!("{reject:?}")).collect(),
        );
        (found, cursors.collect(), read)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn a_read_is_the_same_for_any_block_size(
            lines in prop::collection::vec(
                "[0-9a,\"\r\u{E9}]{0,9}|1,\"a\n[a-z\"\"]{0,9}\n\"|1,a|1,a\\\\|1,\\\\\\\\|#[a,\"\r\\\\]{0,50}", 0..60,
            ),
            limit in prop_oneof![5..60u32, Just(8 << 20)],
            block_bytes in 1..200usize,
            escape in prop::sample::select(vec![Escape::Doubled, Escape::Backslash]),
            comment in prop::sample::select(vec![None, Some('#')]),
            (header, skip_lines) in prop::sample::select(vec![(Rule::Exact, 0), (Rule::Absent, 0), (Rule::Absent, 1)]),
        ) {
            let mut bytes = format!("n,t\n{}", lines.join("\n")).into_bytes();
            bytes.extend_from_slice(b"\n1,\xFF");
            let columns = vec![Field::new("n", FieldType::Integer), Field::new("t", FieldType::Text)];
            let mut source = FileSource::new("t.csv", columns);
            source.format.escape = escape;
            source.format.comment = comment;
            source.format.header = header;
            source.format.skip_lines = skip_lines;
            source.format.limits.record_bytes = limit;
            let whole = read(BLOCK_BYTES, &bytes, &source);
            prop_assert_eq!(read(block_bytes, &bytes, &source), whole);
        }

        #[test]
        fn a_read_goes_on_at_every_cursor_and_ends_at_it(
            lines in prop::collection::vec(
                "[0-9a,\"\r\u{E9}]{0,9}|1,\"a\n[a-z\"\"]{0,9}\n\"|1,a\r|1,a\\\\|#[a,\"\r\\\\]{0,50}", 0..40,
            ),
            limit in prop_oneof![5..60u32, Just(8 << 20)],
            block_bytes in 1..120usize,
            batch_rows in 1..6usize,
            escape in prop::sample::select(vec![Escape::Doubled, Escape::Backslash]),
            comment in prop::sample::select(vec![None, Some('#')]),
            encoding in prop::sample::select(vec![Encoding::Utf8, Encoding::Utf16Le]),
        ) {
            let text = format!("n,t\n{}\n1,x", lines.join("\n"));
            let bytes: Vec<u8> = match encoding {
                Encoding::Utf16Le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
                _ => text.into_bytes(),
            };
            let columns = vec![Field::new("n", FieldType::Integer), Field::new("t", FieldType::Text)];
            let mut source = FileSource::new("t.csv", columns);
            source.format.escape = escape;
            source.format.comment = comment;
            source.format.encoding = encoding;
            source.format.limits.record_bytes = limit;
            let request = ReadRequest::new().with_batch_rows(batch_rows);
            let (whole, cursors, size) = stretch(block_bytes, &bytes, &source, request.clone());
            for cursor in cursors.into_iter().flatten() {
                let front = request.clone().between(None, Some(cursor.clone()));
                let rest = ReadRequest::new().between(Some(cursor), None);
                let (mut both, _, front) = stretch(3 * block_bytes, &bytes, &source, front);
                let (behind, _, rest) = stretch(block_bytes / 2 + 1, &bytes, &source, rest);
                both.0.extend(behind.0);
                both.1.extend(behind.1);
                prop_assert_eq!(&both, &whole);
                prop_assert_eq!(front + rest, size);
            }
        }
    }

    #[test]
    fn a_file_that_changed_is_not_read_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, "n\n1\n2\n").unwrap();
        let source = FileSource::new("t.csv", vec![Field::new("n", FieldType::Integer)]);
        let context = Context::new();
        let files = Arc::new(LocalFiles::new(folder.path()));
        let open = || block_on(DelimitedDataset::open(&context, files.clone(), &source)).unwrap();
        let read = |dataset: &DelimitedDataset, request| -> Result<Vec<Batch>> {
            block_on(dataset.read(&context, request).try_collect())
        };
        let dataset = open();
        let batches = read(&dataset, ReadRequest::new().with_batch_rows(1)).unwrap();
        let on = ReadRequest::new().between(batches[0].resume.clone(), None);
        assert_eq!(read(&dataset, on.clone()).unwrap()[0].len(), 1);
        std::fs::write(&path, "n\n1\n2\n3\n").unwrap();
        let error = read(&dataset, on).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OtherLineage);
        assert_ne!(open().info().lineage, dataset.info().lineage);
    }
}
