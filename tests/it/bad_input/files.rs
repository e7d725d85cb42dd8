//! Files that are not there, not files, not text, or not what they should be.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::executor::block_on;
use futures::{StreamExt as _, TryStreamExt as _};
use syncline::dataset::{Dataset as _, ReadRequest};
use syncline::file::{DelimitedDataset, LocalFiles};
use syncline::host::{Context, FileStore, FileWriter, OpenedFile};
use syncline::memory::MemoryFiles;
use syncline::record::{Batch, FieldType, Reject, format};
use syncline::spec::{Column, FileSource};
use syncline::{Error, ErrorKind, Result};

fn source() -> FileSource {
    FileSource::new(
        "f.csv",
        ["a", "b"].map(|name| Column::new(name, FieldType::Text)),
    )
}

/// Each good record as its cells joined by `|`, null as `-`; and each reject with its place, reason, column and message.
type Read = (Vec<String>, Vec<String>);

fn row_texts(batch: &Batch) -> impl Iterator<Item = String> {
    let columns = batch.records.columns();
    (0..batch.len()).map(move |row| {
        let cells = columns.iter().map(|column| {
            let mut text = Vec::new();
            let is_some = format::value(column, row, &mut text);
            is_some.then(|| String::from_utf8(text).unwrap())
        });
        let cells: Vec<String> = cells.map(|cell| cell.unwrap_or("-".into())).collect();
        cells.join("|")
    })
}

fn told(reject: &Reject) -> String {
    let Reject {
        position, refusal, ..
    } = reject;
    let field = refusal.field.as_deref().unwrap_or("-");
    let (code, message) = (refusal.reason.code(), &refusal.message);
    format!("{position}: {code} {field}: {message}")
}

fn read_from(files: Arc<dyn FileStore>, source: &FileSource) -> Result<Read> {
    let context = Context::new();
    block_on(async {
        let dataset = DelimitedDataset::open(&context, files, source).await?;
        let mut batches = dataset.read(&context, ReadRequest::new());
        let (mut rows, mut rejects) = Read::default();
        // One after the other: a batch holds on to the text that it was read from.
        while let Some(batch) = batches.try_next().await? {
            rows.extend(row_texts(&batch));
            rejects.extend(batch.rejects.iter().map(told));
        }
        Ok((rows, rejects))
    })
}

/// Reads a file in pieces of some sizes; the sizes must not show.
fn read(bytes: &[u8], source: &FileSource) -> Result<Read> {
    let of_size = |size: usize| {
        let files = MemoryFiles::new().with_chunk_bytes(size);
        files.insert("f.csv", bytes.to_vec());
        read_from(Arc::new(files), source)
    };
    let whole = of_size(1 << 20);
    for size in [1, 2, 3, 7] {
        match (&whole, of_size(size)) {
            (Ok(whole), Ok(read)) => assert_eq!(*whole, read, "in pieces of {size}"),
            (Err(whole), Err(error)) => assert_eq!(whole.to_string(), error.to_string()),
            (whole, other) => panic!("{whole:?} and {other:?} in pieces of {size}"),
        }
    }
    whole
}

/// A file fails as a whole: the kind, and all that is said.
#[track_caller]
fn fails(bytes: &[u8], kind: ErrorKind, said: &str) {
    let error = read(bytes, &source()).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (kind, said));
}

#[test]
fn a_missing_file_and_a_directory_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let files: Arc<dyn FileStore> = Arc::new(LocalFiles::new(folder.path()));
    let error = read_from(Arc::clone(&files), &source()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let said = error.to_string();
    let expected = "open: not found; check the name (file: f.csv): ";
    assert!(said.starts_with(expected), "{said}");

    std::fs::create_dir(folder.path().join("f.csv")).unwrap();
    let error = read_from(files, &source()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let expected = "open: this is a directory; name a file in it (file: f.csv)";
    assert_eq!(error.to_string(), expected);

    let error = read_from(Arc::new(MemoryFiles::new()), &source()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let expected = "open: no such file; check the name (file: f.csv)";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_file_without_records() {
    for empty in ["", "\n\n", "\u{FEFF}", "\u{FEFF}\r\n"] {
        fails(
            empty.as_bytes(),
            ErrorKind::Malformed,
            "open a delimited file: the file is empty; its first record must name its columns (file: f.csv)",
        );
    }
    for header in ["a,b", "a,b\n", "b,a\r\n\r\n", "\u{FEFF}a,b\n"] {
        assert_eq!(
            read(header.as_bytes(), &source()).unwrap(),
            (Vec::new(), Vec::new()),
            "{header}"
        );
    }
}

#[test]
fn columns_that_are_missing_or_there_twice() {
    fails(
        b"a,c\n1,2\n",
        ErrorKind::Malformed,
        "open a delimited file: the header lacks columns that the source declares; correct the header, the source's \
         columns, or the format's `delimiter` or `header` (missing: `b`, file: f.csv)\n  \
         columns[1].name: the header has no such column",
    );
    fails(
        b"a,b,b\n1,2,3\n",
        ErrorKind::Malformed,
        "open a delimited file: the header names a column of the source twice; give each a name of its own \
         (file: f.csv)\n  columns[1].name: the header names the column twice, as `b` and `b`",
    );
    fails(
        format!("a,b{}\n", ",x".repeat(5000)).as_bytes(),
        ErrorKind::LimitExceeded,
        "open a delimited file: the header has too many columns; if the delimiter is right, raise `columns` of the \
         limits (columns: 5002, limit: 4096, file: f.csv)",
    );
    fails(
        b"a,\"b\n1,2\n",
        ErrorKind::Malformed,
        "open a delimited file: the header has a quote that is not closed, or text behind a closing quote; correct \
         the header or the format's `quote` (file: f.csv)",
    );
}

#[test]
fn records_that_are_no_records_cost_themselves() {
    let few =
        "wrong_column_count -: 1 of the 2 cells of the header; write the others, empty if need be";
    let many = "wrong_column_count -: more cells than the 2 of the header; a cell with the delimiter in it is quoted";
    let quotes = "bad_quotes -: text follows a closing quote, or a quote is never closed; \
                  a quote inside a quoted field is doubled";
    let bytes = |column| {
        format!(
            "bad_encoding {column}: holds bytes that mean nothing in the file's encoding; \
             correct them, or the format's `encoding`"
        )
    };
    for (name, text, rows, rejects) in [
        (
            "ragged",
            &b"a,b\n1\n2,3\n4,5,6\n"[..],
            &["2|3"][..],
            vec![("2 (byte 4)", few.to_owned()), ("4 (byte 10)", many.into())],
        ),
        (
            "an unclosed quote costs its line, no more",
            b"a,b\n1,\"2\n3,4\n5,6\n",
            &["3|4", "5|6"],
            vec![("2 (byte 4)", quotes.into())],
        ),
        (
            "text behind a closing quote",
            b"a,b\n\"1\"x,2\n3,4\n",
            &["3|4"],
            vec![("2 (byte 4)", quotes.into())],
        ),
        (
            "a quote inside a plain cell is text",
            b"a,b\n1\"2,\"\"\n",
            &["1\"2|"],
            vec![],
        ),
        (
            "NUL is a character",
            b"a,b\n\0,\0\0\n",
            &["\0|\0\0"],
            vec![],
        ),
        (
            "lone CR ends a line",
            b"a,b\r1,2\r3\r4,5",
            &["1|2", "4|5"],
            vec![("3 (byte 8)", few.into())],
        ),
        (
            "mixed line ends",
            b"a,b\r\n1,2\n3,4\r5\n6,7\r\n",
            &["1|2", "3|4", "6|7"],
            vec![("4 (byte 13)", few.into())],
        ),
        (
            "invalid UTF-8 in the middle",
            b"a,b\n1,2\n3,\xFFx\n\xC3,4\n5,6\n",
            &["1|2", "5|6"],
            vec![("3 (byte 8)", bytes("b")), ("4 (byte 13)", bytes("a"))],
        ),
        (
            "a byte order mark inside is text",
            b"a,b\n\xEF\xBB\xBF1,2\n",
            &["\u{FEFF}1|2"],
            vec![],
        ),
        (
            "a byte order mark in front is none",
            b"\xEF\xBB\xBFa,b\n1,2\n3\n",
            &["1|2"],
            vec![("3 (byte 11)", few.into())],
        ),
        (
            "a quoted header after the mark",
            b"\xEF\xBB\xBF\"a\",b\n1,2\n",
            &["1|2"],
            vec![],
        ),
    ] {
        let rejects: Vec<String> = (rejects.iter())
            .map(|(place, says)| format!("f.csv:{place}: {says}"))
            .collect();
        let rows: Vec<String> = rows.iter().map(|row| row.to_string()).collect();
        assert_eq!(read(text, &source()).unwrap(), (rows, rejects), "{name}");
    }
}

#[test]
fn what_is_over_a_limit_says_which() {
    let mut source = source();
    source.format.limits.field_bytes = 8;
    source.format.limits.record_bytes = 16;
    let (rows, rejects) =
        read(b"a,b\n1,123456789\n\"12345678901234567\",2\n3,4\n", &source).unwrap();
    assert_eq!(rows, ["3|4"]);
    assert_eq!(
        rejects,
        [
            "f.csv:2 (byte 4): too_large b: the cell has more than 8 bytes, its limit; if it is right, raise \
             `field_bytes` of the limits",
            "f.csv:3 (byte 16): too_large -: the record has more than 16 bytes, its limit; is a quote left open? \
             If not, raise `record_bytes` of the limits",
        ]
    );
}

/// A file that is made while it is read: `head`, then `fill` over and over, then `tail`.
#[derive(Debug)]
struct Endless {
    head: &'static str,
    fill: &'static str,
    times: usize,
    tail: &'static str,
    /// The most memory that was held when a piece was asked for.
    most: Arc<AtomicU64>,
}

#[async_trait::async_trait]
impl FileStore for Endless {
    async fn list(&self, _prefix: &str) -> Result<Vec<String>> {
        Ok(vec!["f.csv".into()])
    }

    async fn open(&self, _name: &str, _offset: u64) -> Result<OpenedFile> {
        let fill = bytes::Bytes::from(self.fill.repeat(1 << 20));
        let most = Arc::clone(&self.most);
        let middle = std::iter::repeat_n(fill, self.times).inspect(move |_| {
            most.fetch_max(resident_bytes().unwrap_or(0), Ordering::Relaxed);
        });
        let pieces = std::iter::once(bytes::Bytes::from(self.head)).chain(middle);
        let pieces = pieces.chain([bytes::Bytes::from(self.tail)]);
        Ok(OpenedFile::new(
            futures::stream::iter(pieces.map(Ok)).boxed(),
            None,
        ))
    }

    async fn create(&self, _name: &str) -> Result<Box<dyn FileWriter>> {
        Err(Error::new(ErrorKind::Unsupported, "only read"))
    }

    async fn remove(&self, _name: &str) -> Result<()> {
        Err(Error::new(ErrorKind::Unsupported, "only read"))
    }
}

/// How much memory this process holds, where the system tells.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes << 10)
}

#[test]
fn a_field_of_a_gibibyte_is_one_reject_in_bounded_memory() {
    let most = Arc::new(AtomicU64::new(0));
    let file = Endless {
        head: "a,b\n1,2\n3,\"",
        fill: "x",
        times: 1024,
        tail: "\"\n4,5\n",
        most: Arc::clone(&most),
    };
    let before = resident_bytes();
    let (rows, rejects) = read_from(Arc::new(file), &source()).unwrap();
    assert_eq!(rows, ["1|2", "4|5"]);
    assert_eq!(
        rejects,
        [
            "f.csv:3 (byte 8): too_large -: the record has more than 8388608 bytes, its limit; is a quote left open? \
             If not, raise `record_bytes` of the limits"
        ]
    );
    // Other tests run in this process too, so the bound is wide; the exact one is asserted beside the reader of blocks.
    if let Some(before) = before {
        let most = most.load(Ordering::Relaxed);
        assert!(
            most > 0 && most < before + (256 << 20),
            "{before} to {most}"
        );
    }
}
